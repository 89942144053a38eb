#include "server/retention_commands.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "log/run_json.h"
#include "server/display_text.h"
#include "server/json_answer.h"
#include "server/history.h"
#include "server/quantities.h"
#include "server/terminal_table.h"

namespace runlog {
namespace {

using Align = TerminalTable::Align;
using PolicyRule = std::optional<std::int64_t>;

// ---- a policy as people and programs read it -------------------------------------------------

std::string rule_text(const PolicyRule& rule, std::string (*format)(std::int64_t)) {
  if (!rule) return "";
  return *rule == kNoLimit ? "none" : format(*rule);
}

std::string count_text(std::int64_t count) { return format_count(std::uint64_t(count)); }

// "30d, failed 90d".
std::string ages_text(const RetentionRules& rules) {
  std::string text = rule_text(rules.max_age_ms, &format_span);
  for (unsigned status = 0; status < kRunStatusCount; ++status)
    if (const PolicyRule& age = rules.max_age_by_status_ms[status])
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", status_name(RunStatus(status)),
                          rule_text(age, &format_span));
  return text;
}

// For a log a rule that is not set is none.
RetentionRules with_none(RetentionRules rules) {
  for (PolicyRule* rule : {&rules.max_age_ms, &rules.max_per_flow, &rules.min_per_flow})
    if (!*rule) *rule = kNoLimit;
  return rules;
}

void print_policy(const RetentionPolicy& policy, Console& console) {
  TerminalTable table({{"FLOW", Align::kLeft, 10},
                       {"MAX AGE"},
                       {"MAX PER FLOW", Align::kRight},
                       {"MIN PER FLOW", Align::kRight}});
  const auto add = [&](const std::string& flow, const RetentionRules& rules) {
    table.add_row({{flow, Style::kBold},
                   {ages_text(rules)},
                   {rule_text(rules.max_per_flow, &count_text)},
                   {rule_text(rules.min_per_flow, &count_text)}});
  };
  add("every flow", with_none(policy.all));
  for (const auto& [flow, rules] : policy.flows) add(flow, rules);
  console.out.write(table.render(console.screen));
  if (policy.has_max_bytes())
    console.out.write(fmt::format("at most {} of stored runs\n",
                                  format_bytes(std::uint64_t(*policy.max_bytes))));
  if (!policy.archive.empty())
    console.out.write(fmt::format("what goes is written to {} first\n", printable(policy.archive)));
}

// A rule that is not set is left out; null is none.
void write_rule(std::string_view name, const PolicyRule& rule, JsonAnswer& json) {
  if (!rule) return;
  json.key(name);
  if (*rule == kNoLimit)
    json.Null();
  else
    json.Int64(*rule);
}

void write_rules(const RetentionRules& rules, JsonAnswer& json) {
  write_rule("maxAgeMs", rules.max_age_ms, json);
  for (unsigned status = 0; status < kRunStatusCount; ++status) {
    const std::string name(status_name(RunStatus(status)));
    write_rule(name + "MaxAgeMs", rules.max_age_by_status_ms[status], json);
  }
  write_rule("maxPerFlow", rules.max_per_flow, json);
  write_rule("minPerFlow", rules.min_per_flow, json);
}

void write_policy(const RetentionPolicy& policy, JsonAnswer& json) {
  json.key("policy");
  json.StartObject();
  write_rules(with_none(policy.all), json);
  write_rule("maxBytes", policy.max_bytes.value_or(kNoLimit), json);
  if (!policy.archive.empty()) json.member("archive", printable(policy.archive));
  json.key("flows");
  json.StartArray();
  for (const auto& [flow, rules] : policy.flows) {
    json.StartObject();
    json.member("flowName", flow);
    write_rules(rules, json);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

void write_runs(std::string_view name, const SweepReport::Runs& runs, JsonAnswer& json) {
  json.key(name);
  json.StartObject();
  json.member("runs", runs.runs);
  json.member("bytes", runs.bytes);
  json.member("segments", runs.segments);
  json.EndObject();
}

// ---- show ------------------------------------------------------------------------------------

std::string expired_text(const SweepReport& report) {
  const std::uint64_t runs = report.by_cap.runs + report.by_age.runs + report.by_bytes.runs;
  return runs == 0 ? "" : fmt::format("; {} expired since", count_of(runs, "more run"));
}

void print_show(const RetentionPolicy& policy, const SweepReport& report, std::size_t pins,
                Console& console) {
  print_policy(policy, console);
  console.out.write(fmt::format(
      "{} visible; {} hidden, {} still to be given back{}\n", count_of(report.stays.runs, "run"),
      format_count(report.hidden_before.runs), format_bytes(report.hidden_before.bytes),
      expired_text(report)));
  if (pins > 0)
    console.out.write(fmt::format("{} stay whatever the rules say, see `runlog pins`\n",
                                  count_of(pins, "pinned run")));
}

// ---- set -------------------------------------------------------------------------------------

// Why options that each are right make no sense together; nullopt if they do.
std::optional<std::string> contradiction_in(const RetentionSetOptions& options) {
  const auto any = [](std::initializer_list<const RuleChange*> changes) {
    return std::any_of(changes.begin(), changes.end(),
                       [](const RuleChange* change) { return change->is_given; });
  };
  if (!any({&options.max_age_ms, &options.max_per_flow, &options.min_per_flow,
            &options.max_bytes}) && !options.archive)
    return "no rule is given: --max-age, --max-per-flow, --min-per-flow, --max-bytes or --archive";
  if (options.archive && (options.flow || options.status))
    return "--archive is the log's; it cannot be set for one flow or status";
  if (options.max_bytes.is_given && options.flow)
    return "--max-bytes is the log's; it cannot be set for one flow";
  if (options.status &&
      any({&options.max_per_flow, &options.min_per_flow, &options.max_bytes}))
    return "with --status only --max-age can be set";
  return std::nullopt;
}

void apply(const RuleChange& change, PolicyRule& rule) {
  if (change.is_given) rule = change.value;
}

void apply(const RetentionSetOptions& options, RetentionPolicy& policy) {
  RetentionRules& rules = options.flow ? policy.flows[*options.flow] : policy.all;
  apply(options.max_age_ms, options.status
                                ? rules.max_age_by_status_ms[std::size_t(*options.status)]
                                : rules.max_age_ms);
  apply(options.max_per_flow, rules.max_per_flow);
  apply(options.min_per_flow, rules.min_per_flow);
  apply(options.max_bytes, policy.max_bytes);
  if (options.archive) policy.archive = *options.archive;
  if (options.flow && rules.is_empty()) policy.flows.erase(*options.flow);
}

// ---- sweep -----------------------------------------------------------------------------------

void print_sweep(const SweepReport& plan, const SweepReport& reclaimed, bool dry_run,
                 Console& console) {
  TerminalTable table({{"WHAT"},
                       {"RUNS", Align::kRight},
                       {"SIZE", Align::kRight},
                       {"SEGMENTS", Align::kRight}});
  const auto add = [&](const char* what, const SweepReport::Runs& runs) {
    table.add_row({{what},
                   {format_count(runs.runs)},
                   {format_bytes(runs.bytes)},
                   {format_count(runs.segments)}});
  };
  add("hidden before", plan.hidden_before);
  add("beyond max-per-flow", plan.by_cap);
  add("past max-age", plan.by_age);
  add("beyond max-bytes", plan.by_bytes);
  add("stays", plan.stays);
  console.out.write(table.render(console.screen));
  console.out.write(fmt::format(
      "{}: {} dropped, {} merged; {} given back, {} written\n", dry_run ? "a sweep would be" : "swept",
      count_of(reclaimed.dropped_segments, "segment"), format_count(reclaimed.merged_segments),
      format_bytes(reclaimed.freed_bytes), format_bytes(reclaimed.written_bytes)));
  if (reclaimed.archived_runs > 0)
    console.out.write(fmt::format("archived {} in {}\n", count_of(reclaimed.archived_runs, "run"),
                                  format_bytes(reclaimed.archived_bytes)));
  if (plan.clock_jumped)
    console.err.write(fmt::format(
        "runlog: the clock is far ahead of when the log was last looked at; ages are measured at {} "
        "until it has gone on for ten minutes: sweep again then\n",
        format_instant_exactly(plan.measured_at)));
}

void print_sweep_json(const SweepReport& plan, const SweepReport& reclaimed, bool dry_run,
                      Console& console) {
  JsonAnswer json;
  json.StartObject();
  json.flag("dryRun", dry_run);
  write_runs("hiddenBefore", plan.hidden_before, json);
  write_runs("byMaxPerFlow", plan.by_cap, json);
  write_runs("byMaxAge", plan.by_age, json);
  write_runs("byMaxBytes", plan.by_bytes, json);
  write_runs("stays", plan.stays, json);
  json.member("droppedSegments", reclaimed.dropped_segments);
  json.member("mergedSegments", reclaimed.merged_segments);
  json.member("freedBytes", reclaimed.freed_bytes);
  json.member("writtenBytes", reclaimed.written_bytes);
  json.member("archivedRuns", reclaimed.archived_runs);
  json.member("archivedBytes", reclaimed.archived_bytes);
  json.member("measuredAt", format_time(plan.measured_at));
  json.flag("clockJumped", plan.clock_jumped);
  json.EndObject();
  console.out.write(json.line());
}

// Looks before the log is opened for writing, which hides what has expired.
Expected<SweepReport> plan(const LogPlace& place) {
  auto history = open_history(place, Access::kRead);
  if (!history) return tl::unexpected(history.error());
  return (*history)->sweep(true);
}

}  // namespace

// A server that was started again between the two counts from 0 again.
Log::Hidden difference(const Log::Hidden& after, const Log::Hidden& before) {
  const auto since = [](std::uint64_t now, std::uint64_t then) {
    return now < then ? now : now - then;
  };
  return {since(after.by_cap, before.by_cap), since(after.by_age, before.by_age),
          since(after.by_bytes, before.by_bytes)};
}

void write_hidden(const Log::Hidden& hidden, JsonAnswer& json) {
  json.key("hidden");
  json.StartObject();
  json.member("byMaxPerFlow", hidden.by_cap);
  json.member("byMaxAge", hidden.by_age);
  json.member("byMaxBytes", hidden.by_bytes);
  json.EndObject();
}

std::string reasons_of(const Log::Hidden& hidden) {
  std::string text;
  const auto add = [&](std::uint64_t runs, const char* why) {
    if (runs > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", format_count(runs), why);
  };
  add(hidden.by_cap, "beyond max-per-flow");
  add(hidden.by_age, "past max-age");
  add(hidden.by_bytes, "beyond max-bytes");
  return text;
}

ExitCode run_retention_show(const LogPlace& place, const RetentionShowOptions& options,
                            Console& console) {
  auto history = open_history(place, Access::kRead);
  if (!history) return complain(console, history.error());
  auto policy = (*history)->retention();
  if (!policy) return complain(console, policy.error());
  auto report = (*history)->sweep(true);
  if (!report) return complain(console, report.error());
  auto pins = (*history)->pins();
  if (!pins) return complain(console, pins.error());
  if (!options.json) {
    print_show(*policy, *report, pins->size(), console);
    return ExitCode::kDone;
  }
  JsonAnswer json;
  json.StartObject();
  write_policy(*policy, json);
  write_runs("visible", report->stays, json);
  write_runs("hidden", report->hidden_before, json);
  json.member("expired",
              report->by_cap.runs + report->by_age.runs + report->by_bytes.runs);
  json.member("pinned", std::uint64_t(pins->size()));
  json.EndObject();
  console.out.write(json.line());
  return ExitCode::kDone;
}

ExitCode run_retention_set(const LogPlace& place, const RetentionSetOptions& options,
                           Console& console) {
  if (const auto wrong = contradiction_in(options)) {
    console.err.write(fmt::format("runlog: {}\nrunlog: see `runlog retention set --help`\n",
                                  *wrong));
    return ExitCode::kUsage;
  }
  auto history = open_history(place, Access::kCreate);
  if (!history) return complain(console, history.error());
  auto policy = (*history)->retention();
  if (!policy) return complain(console, policy.error());
  const auto before = (*history)->hidden_by_retention();
  if (!before) return complain(console, before.error());
  apply(options, *policy);
  if (auto set = (*history)->set_retention(*policy); !set)
    return close(**history, complain(console, set.error()), console);
  const auto after = (*history)->hidden_by_retention();
  if (!after) return close(**history, complain(console, after.error()), console);
  const Log::Hidden hidden = difference(*after, *before);
  if (options.json) {
    JsonAnswer json;
    json.StartObject();
    write_policy(*policy, json);
    write_hidden(hidden, json);
    json.EndObject();
    console.out.write(json.line());
  } else {
    print_policy(*policy, console);
    if (hidden.total() > 0)
      console.out.write(fmt::format("hid {}: {}\n", count_of(hidden.total(), "run"),
                                    reasons_of(hidden)));
  }
  return close(**history, ExitCode::kDone, console);
}

ExitCode run_retention_sweep(const LogPlace& place, const RetentionSweepOptions& options,
                             Console& console) {
  auto planned = plan(place);
  if (!planned) return complain(console, planned.error());
  const auto print = options.json ? &print_sweep_json : &print_sweep;
  if (options.dry_run) {
    print(*planned, *planned, true, console);
    return ExitCode::kDone;
  }
  auto history = open_history(place, Access::kChange);
  if (!history) return complain(console, history.error());
  auto swept = (*history)->sweep(false);
  if (!swept) return close(**history, complain(console, swept.error()), console);
  print(*planned, *swept, false, console);
  return close(**history, ExitCode::kDone, console);
}

}  // namespace runlog
