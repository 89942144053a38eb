// The command line of `runlog paused …`.
#include <charconv>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "server/filter_options.h"
#include "server/paused_commands.h"

namespace runlog {
namespace {

class PausedCommandLine {
 public:
  PausedCommandLine(CLI::App& app, Command& command,
                    const std::function<void(CLI::App& command)>& finish)
      : paused_(*app.add_subcommand("paused", "Runs that wait to be resumed: list, get, save, "
                                              "delete, claim, complete")),
        command_(command),
        finish_(finish) {
    paused_.require_subcommand(1);
    paused_.footer("Example:\n  runlog paused list --data ./history --flow leave_approval\n\n"
                   "`runlog paused COMMAND --help` shows a command's options.");
  }

  template <typename Options>
  CLI::App& add(const std::string& name, const std::string& description, const std::string& example,
                Options& options, ExitCode (*run)(const LogPlace&, const Options&, Console&)) {
    CLI::App& command = *paused_.add_subcommand(name, description);
    command.footer("Example:\n  runlog paused " + example);
    command.add_flag("--json", options.json, "Print one JSON object");
    finish_(command);
    command.callback([this_command = &command_, &options, run] {
      *this_command = [&options, run](const LogPlace& place, Console& console) {
        return run(place, options, console);
      };
    });
    return command;
  }

 private:
  CLI::App& paused_;
  Command& command_;
  const std::function<void(CLI::App& command)>& finish_;
};

void add_run_id(CLI::App& command, std::string& run_id) {
  command.add_option("RUN_ID", run_id, "The run")->required()->check(refuse_empty)->type_name("");
}

void add_files(CLI::App& command, std::vector<std::string>& files) {
  command.add_option("FILE", files, "Files; - or none is the standard input")->type_name("");
}

std::uint64_t parse_cursor(const std::string& text) {
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && number > 0)
    return number;
  throw CLI::ValidationError("--cursor",
                             fmt::format("'{}' is not what another page ended with", text));
}

void add_list(PausedCommandLine& paused, PausedListOptions& options) {
  options.request.limit = 20;
  CLI::App& list = paused.add("list", "Which runs are paused or claimed, the newest save first",
                              "list --data ./history --flow leave_approval", options,
                              &run_paused_list);
  list.add_option("--flow", options.request.flow, "Of this flow")
      ->check(refuse_empty)
      ->type_name("F");
  list.add_option("--correlation", options.request.correlation, "Waiting for this correlation")
      ->type_name("C");
  list.add_option("--limit", options.request.limit, "How many (default: 20)")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("N");
  list.add_option_function<std::string>(
          "--cursor",
          [&options](const std::string& text) { options.request.before = parse_cursor(text); },
          "Go on where another page ended")
      ->type_name("C");
}

void add_claim(PausedCommandLine& paused, PausedClaimOptions& options) {
  CLI::App& claim = paused.add(
      "claim", "Take a paused run for resuming; one of all who try gets it",
      "claim run_ad373ea6-4aa1-4f2b-b8ce-7bae3412554a --node hold_2 --correlation "
      "appr_ychxdkq5qo1c9ckf --owner engine-7 --data ./history",
      options, &run_paused_claim);
  add_run_id(claim, options.run_id);
  claim.add_option("--node", options.node_id, "The node at which it must be waiting")
      ->type_name("N");
  claim.add_option("--correlation", options.correlation,
                   "What it must be waiting for; without the option: nothing")
      ->type_name("C");
  claim.add_option("--owner", options.owner, "Who resumes it")
      ->required()
      ->check(refuse_empty)
      ->type_name("O");
}

}  // namespace

void add_paused_commands(CLI::App& app, PausedOptions& options, Command& command,
                         const std::function<void(CLI::App& command)>& finish) {
  PausedCommandLine paused(app, command, finish);
  add_list(paused, options.list);
  add_run_id(paused.add("get", "One paused run: where it waits, what it knows",
                        "get run_ad373ea6-4aa1-4f2b-b8ce-7bae3412554a --data ./history",
                        options.get, &run_paused_get),
             options.get.run_id);
  add_files(paused.add("save", "Save paused runs from NDJSON, each in the place of an earlier save",
                       "save --data ./history suspended-runs.ndjson.zst", options.save,
                       &run_paused_save),
            options.save.files);
  add_run_id(paused.add("delete", "Remove a paused run without a record",
                        "delete run_ad373ea6-4aa1-4f2b-b8ce-7bae3412554a --data ./history",
                        options.erase, &run_paused_delete),
             options.erase.run_id);
  add_claim(paused, options.claim);
  add_files(paused.add("complete",
                       "Append terminal runs from NDJSON, then remove their paused entries",
                       "complete --data ./history run.ndjson", options.complete,
                       &run_paused_complete),
            options.complete.files);
}

}  // namespace runlog
