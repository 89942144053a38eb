#include "server/paused_commands.h"

#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>

#include "log/run_json.h"
#include "server/display_text.h"
#include "server/json_answer.h"
#include "server/ndjson_reader.h"
#include "server/history.h"
#include "server/quantities.h"
#include "server/run_page.h"
#include "server/terminal_table.h"

namespace runlog {
namespace {

// ---- list ------------------------------------------------------------------------------------

void write_entry(const PausedRun& run, JsonAnswer& json) {
  json.StartObject();
  json.member("runId", run.run_id);
  json.member("flowName", run.flow_name);
  if (run.flow_version) json.member("flowVersion", *run.flow_version);
  json.member("status", status_name(run.status()));
  if (run.node_id) json.member("nodeId", *run.node_id);
  if (run.correlation) json.member("correlation", *run.correlation);
  json.member("startedAt", format_time(run.started_at));
  json.member("savedAt", format_time(run.saved_at));
  if (run.state == PausedRun::State::kRunning) {
    json.member("claimedBy", run.owner);
    json.member("claimedAt", format_time(run.claimed_at));
  }
  json.EndObject();
}

void print_json(const PausedPage& page, Console& console) {
  JsonAnswer json;
  json.StartObject();
  json.key("runs");
  json.StartArray();
  for (const PausedRunPtr& run : page.runs) write_entry(*run, json);
  json.EndArray();
  json.flag("hasMore", page.next_before != 0);
  json.member("nextCursor", page.next_before == 0 ? "" : std::to_string(page.next_before));
  json.EndObject();
  console.out.write(json.line());
}

void print_for_people(const PausedPage& page, const PausedListOptions& options, Console& console) {
  TerminalTable table({{"STATUS"}, {"SAVED (UTC)"}, {"FLOW", TerminalTable::Align::kLeft, 10},
                       {"RUN ID"}, {"NODE", TerminalTable::Align::kLeft, 6},
                       {"CORRELATION", TerminalTable::Align::kLeft, 10, 1},
                       {"CLAIMED BY", TerminalTable::Align::kLeft, 8, 2}});
  for (const PausedRunPtr& run : page.runs)
    table.add_row({{std::string(status_name(run->status()))}, {format_instant(run->saved_at)},
                   {run->flow_name, Style::kBold}, {run->run_id}, {run->node_id.value_or("")},
                   {run->correlation.value_or("")}, {run->owner}});
  console.out.write(table.render(console.screen));
  if (page.next_before == 0) return;
  remark(console, fmt::format("the next: {} --cursor {}", options.invocation, page.next_before));
}

// ---- lines of JSON ---------------------------------------------------------------------------

// What `save` and `complete` do with their input.
class PausedInput {
 public:
  // Takes one line. InvalidArgument and TooLarge refuse the line; other errors end the input.
  using Take = std::function<Expected<void>(std::string_view line)>;

  PausedInput(Console& console, Take take) : console_(console), take_(std::move(take)) {}

  void read(const std::vector<std::string>& files) {
    for (const std::string& file : files.empty() ? std::vector<std::string>{"-"} : files) {
      if (file == "-" && ::isatty(STDIN_FILENO) != 0) {
        console_.err.write("reading runs from the terminal, one JSON object a line; Ctrl-D ends\n");
        static_cast<void>(console_.err.flush());
      }
      if (!read_file(file)) return;
    }
  }

  ExitCode finish(std::string_view deed, bool as_json) {
    if (as_json) {
      JsonAnswer json;
      json.StartObject();
      json.member(deed, taken_);
      json.member("refused", refused_);
      json.EndObject();
      console_.out.write(json.line());
    } else {
      console_.out.write(fmt::format("{} {}, {} refused\n", deed, count_of(taken_, "run"),
                                     format_count(refused_)));
    }
    return worst_;
  }

 private:
  bool read_file(const std::string& path) {
    auto source = ByteSource::open(path);
    if (!source) return stop(source.error());
    NdjsonReader reader(std::move(*source), kMaxRunJsonBytes);
    for (;;) {
      auto line = reader.next();
      if (!line) return stop(line.error());
      if (!*line) return true;
      auto taken = (*line)->too_long
                       ? fail(ErrorCode::TooLarge, "the line is longer than a run's JSON may be")
                       : take_((*line)->text);
      if (taken) {
        ++taken_;
        continue;
      }
      const ErrorCode code = taken.error().code;
      if (code != ErrorCode::InvalidArgument && code != ErrorCode::TooLarge)
        return stop(taken.error());
      ++refused_;
      worst_ = std::max(worst_, ExitCode::kRefused);
      console_.err.write(fmt::format("{}:{}: {}\n", path == "-" ? "<stdin>" : path,
                                     (*line)->number, taken.error().message));
    }
  }

  bool stop(const Error& error) {
    worst_ = std::max(worst_, complain(console_, error));
    return false;
  }

  Console& console_;
  Take take_;
  std::uint64_t taken_ = 0, refused_ = 0;
  ExitCode worst_ = ExitCode::kDone;
};

}  // namespace

ExitCode run_paused_list(const LogPlace& place, const PausedListOptions& options,
                         Console& console) {
  auto history = open_history(place, Access::kRead);
  if (!history) return complain(console, history.error());
  auto page = (*history)->list_paused(options.request);
  if (!page) return complain(console, page.error());
  if (options.json)
    print_json(*page, console);
  else if (page->runs.empty())
    console.out.write(options.request.before != 0 ? "no more paused runs\n" : "no run is paused\n");
  else
    print_for_people(*page, options, console);
  return ExitCode::kDone;
}

ExitCode run_paused_get(const LogPlace& place, const PausedRunOptions& options, Console& console) {
  auto history = open_history(place, Access::kRead);
  if (!history) return complain(console, history.error());
  auto found = (*history)->find_paused(options.run_id);
  if (!found) return complain(console, found.error());
  const PausedRunPtr paused = *found;
  if (!paused)
    return complain(console, {ErrorCode::NotFound,
                              fmt::format("the run '{}' is not paused", options.run_id)});
  auto suspended = paused->suspended();
  if (!suspended) return complain(console, suspended.error());
  if (options.json) {
    std::string line;
    write_json(suspended->run, line);
    console.out.write(line + "\n");
    return ExitCode::kDone;
  }
  auto run = (*history)->get(options.run_id);
  if (!run) return complain(console, run.error());
  RunPageOptions page;
  page.now = now_ms();
  page.paused = paused;
  console.out.write(render_run(run->run, page, console.screen));
  console.out.write("\n");
  const SuspendedRun& from = suspended->run;
  for (const auto& [name, json] : {std::pair("variables", from.variables_json),
                                   std::pair("context", from.context_json),
                                   std::pair("screen", from.screen_json),
                                   std::pair("other fields", from.extra_json)})
    if (!json.empty())
      console.out.write(fmt::format("{}: {}\n", console.screen.paint(name, Style::kDim),
                                    printable(json)));
  return ExitCode::kDone;
}

ExitCode run_paused_delete(const LogPlace& place, const PausedRunOptions& options,
                           Console& console) {
  auto history = open_history(place, Access::kChange);
  if (!history) return complain(console, history.error());
  auto deleted = (*history)->erase_paused(options.run_id);
  if (!deleted) return complain(console, deleted.error());
  ExitCode code = *deleted ? ExitCode::kDone : ExitCode::kRefused;
  if (options.json) {
    JsonAnswer json;
    json.StartObject();
    json.flag("deleted", *deleted);
    json.EndObject();
    console.out.write(json.line());
  } else if (*deleted) {
    console.out.write(fmt::format("deleted the paused run {}\n", printable(options.run_id)));
  } else {
    complain(console, {ErrorCode::NotFound,
                       fmt::format("the run '{}' is not paused", options.run_id)});
  }
  return close(**history, code, console);
}

ExitCode run_paused_claim(const LogPlace& place, const PausedClaimOptions& options,
                          Console& console) {
  auto history = open_history(place, Access::kChange);
  if (!history) return complain(console, history.error());
  auto claim = (*history)->claim_paused(options.run_id, options.node_id, options.correlation,
                                        options.owner);
  if (!claim) return complain(console, claim.error());
  const bool claimed = claim->run != nullptr;
  if (options.json) {
    JsonAnswer json;
    json.StartObject();
    json.flag("claimed", claimed);
    if (claimed) {
      auto suspended = claim->run->suspended();
      if (!suspended) return complain(console, suspended.error());
      std::string text;
      write_json(suspended->run, text);
      json.key("run");
      json.raw(text);
    } else {
      json.member("reason", claim->lost_because);
    }
    json.EndObject();
    console.out.write(json.line());
  } else if (claimed) {
    console.out.write(fmt::format("claimed {} for {}\n", printable(options.run_id),
                                  printable(options.owner)));
  } else {
    complain(console, {ErrorCode::NotFound, "the claim is lost: " + claim->lost_because});
  }
  return close(**history, claimed ? ExitCode::kDone : ExitCode::kRefused, console);
}

ExitCode run_paused_save(const LogPlace& place, const PausedInputOptions& options,
                         Console& console) {
  auto history = open_history(place, Access::kCreate);
  if (!history) return complain(console, history.error());
  PausedInput input(console, [&](std::string_view line) { return (*history)->save_paused(line); });
  input.read(options.files);
  return close(**history, input.finish("saved", options.json), console);
}

ExitCode run_paused_complete(const LogPlace& place, const PausedInputOptions& options,
                             Console& console) {
  auto history = open_history(place, Access::kChange);
  if (!history) return complain(console, history.error());
  PausedInput input(console, [&](std::string_view line) -> Expected<void> {
    auto completed = (*history)->complete_paused(line);
    return completed ? Expected<void>() : tl::unexpected(completed.error());
  });
  input.read(options.files);
  return close(**history, input.finish("completed", options.json), console);
}

}  // namespace runlog
