#include "server/forget_command.h"

#include <unistd.h>

#include <iostream>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "server/display_text.h"
#include "server/filter_options.h"
#include "server/json_answer.h"
#include "server/history.h"
#include "server/progress.h"
#include "server/quantities.h"

namespace runlog {
namespace {

bool is_nothing(const ForgetReport& report) { return report.records == 0 && report.paused == 0; }

// "12 runs (14 records, 3.1 kB), 1 paused run and 1 pin"
std::string what_goes(const ForgetReport& report) {
  std::string text = fmt::format("{} ({}, {})", count_of(report.runs, "run"),
                                 count_of(report.records, "record"),
                                 format_bytes(report.record_bytes));
  if (report.paused > 0) text += fmt::format(", {}", count_of(report.paused, "paused run"));
  if (report.pins > 0) text += fmt::format(", {}", count_of(report.pins, "pin"));
  return text;
}

void print(const ForgetReport& report, bool dry_run, Console& console) {
  if (is_nothing(report)) {
    console.out.write("the log holds nothing of it\n");
  } else {
    console.out.write(fmt::format(
        "{} {}\n{} {} anew, {} dropped; {} given back, {} written\n",
        dry_run ? "would forget" : "forgot", what_goes(report),
        dry_run ? "would write" : "wrote", count_of(report.rewritten_segments, "segment"),
        format_count(report.dropped_segments), format_bytes(report.freed_bytes),
        format_bytes(report.written_bytes)));
  }
  for (const auto& path : report.may_hold)
    console.err.write(fmt::format("runlog: '{}' is kept, and it holds some of it or may\n",
                                  printable(path.string())));
}

void print_json(const ForgetReport& report, bool dry_run, Console& console) {
  JsonAnswer json;
  json.StartObject();
  json.flag("dryRun", dry_run);
  json.member("runs", report.runs);
  json.member("records", report.records);
  json.member("recordBytes", report.record_bytes);
  json.member("paused", report.paused);
  json.member("pins", report.pins);
  json.member("rewrittenSegments", report.rewritten_segments);
  json.member("droppedSegments", report.dropped_segments);
  json.member("freedBytes", report.freed_bytes);
  json.member("writtenBytes", report.written_bytes);
  json.key("mayHold");
  json.StartArray();
  for (const auto& path : report.may_hold) json.text(path.string());
  json.EndArray();
  json.EndObject();
  console.out.write(json.line());
}

ExitCode answer(const Expected<ForgetReport>& report, const ForgetOptions& options,
                Console& console) {
  if (!report) return complain(console, report.error());
  options.json ? print_json(*report, options.dry_run, console)
               : print(*report, options.dry_run, console);
  return ExitCode::kDone;
}

Expected<ForgetReport> plan(const LogPlace& place, const ForgetRequest& request) {
  auto history = open_history(place, Access::kRead);
  if (!history) return tl::unexpected(history.error());
  return (*history)->plan_forget(request);
}

// Whether whoever sits at the terminal wants it.
bool is_wanted(const ForgetReport& plan, Console& console) {
  console.err.write(fmt::format("forget {} for good? [y/N] ", what_goes(plan)));
  if (!console.err.flush()) return false;
  std::string line;
  return std::getline(std::cin, line) && (line == "y" || line == "yes");
}

}  // namespace

ExitCode run_forget(const LogPlace& place, const ForgetOptions& options, Console& console) {
  if (options.dry_run) return answer(plan(place, options.request), options, console);
  if (!options.yes) {
    if (::isatty(STDIN_FILENO) == 0 || !console.err_screen.is_terminal()) {
      console.err.write("runlog: what is forgotten cannot be brought back: --yes must say that you "
                        "mean it, or look first with --dry-run\n");
      return ExitCode::kUsage;
    }
    const auto planned = plan(place, options.request);
    if (!planned) return complain(console, planned.error());
    if (!is_nothing(*planned) && !is_wanted(*planned, console)) {
      console.err.write("nothing was forgotten\n");
      return ExitCode::kRefused;
    }
  }
  auto history = open_history(place, Access::kChange);
  if (!history) return complain(console, history.error());
  Progress progress(console.err, console.err_screen, "forgetting", "segment");
  const auto report =
      (*history)->forget(options.request, [&](std::uint64_t done, std::uint64_t total) {
        progress.update(done, done, total);
      });
  progress.clear();
  return close(**history, answer(report, options, console), console);
}

void add_forget_command(CLI::App& app, ForgetOptions& options, Command& command,
                        const std::function<void(CLI::App& command)>& finish) {
  CLI::App& forget =
      *app.add_subcommand("forget", "Remove runs for good, from every file of the log");
  forget.footer(
      "Runs that only mention a value in a payload or a message stay; name them by --run.\n\n"
      "Example:\n  runlog forget --user usr_42 --dry-run --data ./history\n  runlog forget --record "
      "crm_lead/00Q5 --yes --data ./history");
  finish(forget);
  using By = ForgetRequest::By;
  ForgetRequest& request = options.request;
  CLI::Option_group& which = *forget.add_option_group("Which runs");
  which.require_option(1);
  const auto add = [&](const std::string& name, By by, const std::string& type,
                       const std::string& help) {
    return which
        .add_option_function<std::string>(
            name,
            [&request, by](const std::string& value) {
              request.by = by;
              request.values = {value};
            },
            help)
        ->check(refuse_empty)
        ->type_name(type);
  };
  add("--organization", By::kOrganization, "O", "Of this organization");
  add("--user", By::kUser, "U", "Of this user");
  which
      .add_option_function<std::string>(
          "--record",
          [&request](const std::string& value) {
            const auto slash = value.find('/');
            if (slash == 0 || slash == std::string::npos || slash + 1 == value.size())
              throw CLI::ValidationError(
                  "--record", fmt::format("'{}' is not an object and its record: crm_lead/00Q5",
                                          value));
            request.by = By::kRecord;
            request.object = value.substr(0, slash);
            request.values = {value.substr(slash + 1)};
          },
          "Started by this record")
      ->type_name("OBJECT/ID");
  which
      .add_option_function<std::vector<std::string>>(
          "--run",
          [&request](const std::vector<std::string>& ids) {
            request.by = By::kRun;
            request.values = ids;
          },
          "This run; can be given several times")
      ->check(refuse_empty)
      ->type_name("RUN_ID");
  forget.add_flag("--dry-run", options.dry_run, "Only say what would go");
  forget.add_flag("--yes", options.yes, "Do not ask");
  forget.add_flag("--json", options.json, "Print one JSON object");
  forget.callback([&command, &options] {
    command = [&options](const LogPlace& place, Console& console) {
      return run_forget(place, options, console);
    };
  });
}

}  // namespace runlog
