// The command line of `runlog retention …`, `pin`, `unpin` and `pins`.
#include <charconv>
#include <filesystem>
#include <limits>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "server/filter_options.h"
#include "server/quantities.h"
#include "server/retention_commands.h"
#include "server/time_argument.h"

namespace runlog {
namespace {

// ---- values ----------------------------------------------------------------------------------

using Value = std::optional<std::int64_t>;  // nullopt: it cannot be read

Value read_age(std::string_view text) {
  auto span = parse_time_span(text);
  return span ? Value(*span) : std::nullopt;
}

Value read_count(std::string_view text) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const bool is_whole = error == std::errc() && end == text.data() + text.size();
  return is_whole ? Value(count) : std::nullopt;
}

void add_rule(CLI::App& command, const std::string& name, const std::string& type,
              const std::string& help, const std::string& forms, Value (*read)(std::string_view),
              RuleChange& rule) {
  const auto take = [name, forms, read, &rule](const std::string& text) {
    rule.is_given = true;
    if (text == "inherit") {
      rule.value.reset();
      return;
    }
    rule.value = text == "none" ? Value(kNoLimit) : read(text);
    if (!rule.value)
      throw CLI::ValidationError(name, fmt::format("'{}' is not {}, none or inherit", text, forms));
  };
  command.add_option_function<std::string>(name, take, help)->type_name(type);
}

// ---- commands --------------------------------------------------------------------------------

class RetentionCommandLine {
 public:
  RetentionCommandLine(Command& command, const std::function<void(CLI::App& command)>& finish)
      : command_(command), finish_(finish) {}

  template <typename Options>
  CLI::App& add(CLI::App& parent, const std::string& name, const std::string& description,
                const std::string& example, Options& options,
                ExitCode (*run)(const LogPlace&, const Options&, Console&)) {
    CLI::App& command = *parent.add_subcommand(name, description);
    command.footer("Example:\n  runlog " + example);
    finish_(command);
    command.add_flag("--json", options.json, "Print one JSON object");
    command.callback([this_command = &command_, &options, run] {
      *this_command = [&options, run](const LogPlace& place, Console& console) {
        return run(place, options, console);
      };
    });
    return command;
  }

 private:
  Command& command_;
  const std::function<void(CLI::App& command)>& finish_;
};

void add_set(RetentionCommandLine& line, CLI::App& retention, RetentionSetOptions& options) {
  CLI::App& set = line.add(
      retention, "set", "Change rules; the others stay as they are",
      "retention set --data ./history --max-age 7d --max-per-flow none\n  runlog retention set "
      "--data ./history --status failed --max-age 90d\n  runlog retention set --data ./history "
      "--flow lead_routing --max-per-flow 1000",
      options, &run_retention_set);
  add_rule(set, "--max-age", "T", "Runs go when they are this old: 30d, 12h, none",
           "an age (30d, 12h)", &read_age, options.max_age_ms);
  add_rule(set, "--max-per-flow", "N", "The newest N runs of a flow stay, or all: none",
           "a number of runs", &read_count, options.max_per_flow);
  add_rule(set, "--min-per-flow", "N", "The newest N runs of a flow do not go for their age",
           "a number of runs", &read_count, options.min_per_flow);
  add_rule(set, "--max-bytes", "SIZE", "The oldest runs go while all are larger: 10GiB, 500MB, none",
           "a size (10GiB, 500MB)", &parse_size, options.max_bytes);
  set.add_option_function<std::string>(
         "--archive",
         [&options](const std::string& name) {
           // A policy is kept in the log, which is written from other directories too.
           options.archive = name == "none" ? "" : std::filesystem::absolute(name).string();
         },
         "Write runs to this directory before they go, as .ndjson.zst; or none")
      ->check(refuse_empty)
      ->type_name("DIR");
  set.add_option("--flow", options.flow,
                 "For this flow alone; `inherit` as a value takes its rule back")
      ->check(refuse_empty)
      ->type_name("F");
  set.add_option_function<std::string>(
         "--status",
         [&options](const std::string& name) { options.status = parse_status(name, false); },
         "The age of runs with this status alone: completed, failed, cancelled or timed_out")
      ->type_name("S");
}

void add_pins(RetentionCommandLine& line, CLI::App& app, RetentionOptions& options) {
  const char* const example_id = "run_b49b5ca4-55c1-4ad4-9dfe-ef7d40f08703 --data ./history";
  CLI::App& pin = line.add(app, "pin", "Keep a run, whatever the retention policy says",
                           fmt::format("pin {} --reason \"audit\" --until 2026-12-31", example_id),
                           options.pin, &run_pin);
  pin.add_option("RUN_ID", options.pin.run_id, "The run")->required()->type_name("");
  pin.add_option("--reason", options.pin.reason, "Why, for whoever reads `runlog pins`")
      ->required()
      ->check(refuse_empty)
      ->type_name("TEXT");
  pin.add_option_function<std::string>(
         "--until",
         [&until = options.pin.until](const std::string& text) {
           auto time = parse_time_ahead(text, now_ms());
           if (!time) throw CLI::ValidationError("--until", time.error().message);
           until = *time;
         },
         "The pin ends then: 2026-12-31, or from now: 30d (default: never)")
      ->type_name("TIME");
  CLI::App& unpin = line.add(app, "unpin", "Let the retention policy have a run again",
                             fmt::format("unpin {}", example_id), options.unpin, &run_unpin);
  unpin.add_option("RUN_ID", options.unpin.run_id, "The run")->required()->type_name("");
  line.add(app, "pins", "Which runs are pinned, and why", "pins --data ./history", options.pins,
           &run_pins);
}

}  // namespace

void add_retention_commands(CLI::App& app, RetentionOptions& options, Command& command,
                            const std::function<void(CLI::App& command)>& finish) {
  RetentionCommandLine line(command, finish);
  CLI::App& retention =
      *app.add_subcommand("retention", "Which runs the log keeps: show, set, sweep");
  retention.require_subcommand(1);
  retention.footer("Example:\n  runlog retention show --data ./history\n\n`runlog retention COMMAND "
                   "--help` shows a command's options.");
  line.add(retention, "show", "The rules, and what they hide", "retention show --data ./history",
           options.show, &run_retention_show);
  add_set(line, retention, options.set);
  CLI::App& sweep = line.add(retention, "sweep",
                             "Hide what has expired by now and give the space of hidden runs back",
                             "retention sweep --data ./history --dry-run", options.sweep,
                             &run_retention_sweep);
  sweep.add_flag("--dry-run", options.sweep.dry_run, "Only say what would go and what would stay");
  add_pins(line, app, options);
}

}  // namespace runlog
