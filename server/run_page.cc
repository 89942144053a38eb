#include "server/run_page.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "server/display_text.h"
#include "server/quantities.h"
#include "server/run_tree.h"

namespace runlog {
namespace {

constexpr unsigned kNameColumns = 14;  // of the block of fields

class RunPage {
 public:
  RunPage(const Run& run, const RunPageOptions& options, const Screen& screen)
      : run_(run), options_(options), screen_(screen) {}

  std::string render() {
    write_title();
    write_when();
    write_origin();
    write_counts();
    write_error();
    write_steps();
    write_other();
    return std::move(out_);
  }

 private:
  void write_title();
  void write_when();
  void write_pause(const PausedRun& paused);
  void write_origin();
  void write_counts();
  void write_error();
  void write_steps();
  void write_other();
  void field(std::string_view name, std::string_view value, Style style = Style::kPlain);
  void heading(std::string_view text) {
    out_ += '\n';
    out_ += screen_.paint(text, Style::kBold);
    out_ += '\n';
  }

  const Run& run_;
  const RunPageOptions& options_;
  const Screen& screen_;
  std::string out_;
};

// "run            run_86f4…", wrapped below itself when it is long.
void RunPage::field(std::string_view name, std::string_view value, Style style) {
  constexpr unsigned kIndent = 2;
  std::string label(kIndent, ' ');
  label.append(screen_.paint(name, Style::kDim)).append(padding(name, kNameColumns));
  const unsigned used = kIndent + kNameColumns;
  const unsigned room = screen_.is_terminal() ? std::max(screen_.columns, used + 20) - used : 0;
  for (const std::string& line : wrap_to_width(printable(value), room)) {
    out_.append(label).append(screen_.paint(line, style)) += '\n';
    label.assign(used, ' ');
  }
}

void RunPage::write_title() {
  const bool good = run_.status == RunStatus::kCompleted;
  const char* mark = good ? (screen_.utf8 ? "✓" : "+") : (screen_.utf8 ? "✗" : "x");
  Style style = good ? Style::kGood
                     : run_.status == RunStatus::kCancelled ? Style::kWarning : Style::kBad;
  if (options_.paused) {
    mark = screen_.utf8 ? "…" : "...";
    style = Style::kBold;
  }
  out_ += screen_.paint(fmt::format("{} {}", mark, status_name(run_.status)), style);
  out_ += "  " + screen_.paint(printable(run_.flow_name), Style::kBold);
  if (run_.flow_version) out_ += fmt::format(" v{}", *run_.flow_version);
  out_ += '\n';
  field("run", run_.run_id);
}

void RunPage::write_when() {
  field("started", fmt::format("{}, {}", format_instant_exactly(run_.started_at),
                               format_ago(run_.started_at, options_.now)));
  if (run_.finished_at) field("finished", format_instant_exactly(*run_.finished_at));
  if (run_.duration_ms) field("took", format_duration(*run_.duration_ms));
  if (const PausedRun* paused = options_.paused.get()) write_pause(*paused);
  if (const SuspendedRun* pause = run_.consumed_suspension.get()) {
    field("resumed", fmt::format("after it had waited at {}{}", pause->node_id.value_or("a node"),
                                 pause->correlation && !pause->correlation->empty()
                                     ? fmt::format(" for {}", *pause->correlation)
                                     : ""));
  }
}

void RunPage::write_pause(const PausedRun& paused) {
  const std::string correlation = paused.correlation.value_or("");
  field("waits", fmt::format("at {}{}", paused.node_id.value_or("a node"),
                             correlation.empty() ? "" : " for " + correlation));
  field("saved", fmt::format("{}, {}", format_instant_exactly(paused.saved_at),
                             format_ago(paused.saved_at, options_.now)));
  if (paused.state != PausedRun::State::kRunning) return;
  field("claimed", fmt::format("by {} at {}, {}", paused.owner,
                               format_instant_exactly(paused.claimed_at),
                               format_ago(paused.claimed_at, options_.now)));
}

void RunPage::write_origin() {
  std::string trigger(run_.trigger_type.value_or(""));
  if (run_.trigger_object) {
    trigger += fmt::format("{}{}", trigger.empty() ? "" : " of ", *run_.trigger_object);
  }
  if (run_.trigger_record_id) {
    trigger += fmt::format("{}{}", trigger.empty() ? "" : " ", *run_.trigger_record_id);
  }
  if (!trigger.empty()) field("trigger", trigger);
  if (run_.user_id) field("user", *run_.user_id);
  if (run_.organization_id) field("organization", *run_.organization_id);
  std::string labels;
  for (const auto& [key, value] : run_.labels) {
    labels += fmt::format("{}{}={}", labels.empty() ? "" : ", ", key, value);
  }
  if (!labels.empty()) field("labels", labels);
}

void RunPage::write_counts() {
  if (!run_.summary) return;
  const RunSummary& summary = *run_.summary;
  std::string counts = fmt::format("selected {}, acted {}, skipped {}", summary.selected,
                                   summary.acted, summary.skipped);
  if (summary.unmeasured != 0) counts += fmt::format(", unmeasured {}", summary.unmeasured);
  if (summary.failed) counts += fmt::format(", failed {}", *summary.failed);
  field("counts", counts);
}

void RunPage::write_error() {
  if (!run_.error) return;
  const RunError& error = *run_.error;
  out_ += '\n';
  if (error.message) field("why", *error.message, Style::kBad);
  std::string where(error.node_id.value_or(""));
  if (error.code) where += fmt::format("{}{}", where.empty() ? "" : ", ", *error.code);
  if (!where.empty()) field(error.node_id ? "failed at" : "code", where, Style::kBad);
  if (const auto& history = options_.error_history; history && history->runs > 1) {
    field("this error", fmt::format("in {} since {}, {}", count_of(history->runs, "run"),
                                    format_instant_exactly(history->first_started_at),
                                    format_ago(history->first_started_at, options_.now)));
  }
}

void RunPage::write_steps() {
  if (!run_.steps) return;
  heading(count_of(run_.steps->size(), "step"));
  RunTreeOptions options;
  options.every_iteration = options_.every_iteration;
  if (run_.error) options.failing_node = run_.error->node_id;
  out_ += render_run_tree(*run_.steps, options, screen_);
  if (run_.omitted_steps > 0) {
    out_ += screen_.paint(fmt::format("{} left out: the step log was longer than its limit",
                                      count_of(std::uint64_t(run_.omitted_steps), "step")),
                          Style::kWarning) + "\n";
  }
}

// What the blocks above have no place for, as it came.
void RunPage::write_other() {
  std::vector<std::pair<std::string, Text>> others;
  const auto other = [&](std::string name, Text json) {
    if (!json.empty()) others.emplace_back(std::move(name), json);
  };
  other("trigger record", run_.trigger_record_json);
  if (!options_.paused) other("run", run_.extra_json);
  if (run_.error) other("error", run_.error->extra_json);
  if (run_.summary) other("summary", run_.summary->extra_json);
  for (std::size_t i = 0; run_.steps && i < run_.steps->size(); ++i) {
    const Step& step = (*run_.steps)[i];
    const std::string name = fmt::format("step {}, {}", i + 1, step.node_id.value_or("?"));
    other(name, step.extra_json);
    if (step.error) other(name + ", error", step.error->extra_json);
    if (step.metrics) other(name + ", metrics", step.metrics->extra_json);
  }
  if (others.empty()) return;
  heading("Other fields");
  for (const auto& [name, json] : others) {
    out_ += fmt::format("  {}: {}\n", screen_.paint(printable(name), Style::kDim), printable(json));
  }
}

}  // namespace

std::string render_run(const Run& run, const RunPageOptions& options, const Screen& screen) {
  return RunPage(run, options, screen).render();
}

}  // namespace runlog
