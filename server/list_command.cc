// `runlog list`: which runs, newest first, as a table for people or one JSON object for programs.
#include <algorithm>

#include <fmt/format.h>

#include "server/commands.h"
#include "server/history.h"
#include "server/quantities.h"
#include "server/query_answers.h"
#include "server/terminal_table.h"

namespace runlog {
namespace {

using Align = TerminalTable::Align;

// With less room than this, a failure's reason says nothing; it gets a line of its own.
constexpr unsigned kLeastReason = 56;
constexpr unsigned kLeastFlow = 10;
constexpr unsigned kReasonIndent = 4;

Style style_of(RunStatus status) {
  switch (status) {
    case RunStatus::kCompleted: return Style::kGood;
    case RunStatus::kFailed:
    case RunStatus::kTimedOut: return Style::kBad;
    case RunStatus::kCancelled: return Style::kWarning;
    case RunStatus::kPaused:
    case RunStatus::kRunning: return Style::kBold;
  }
  return Style::kPlain;
}

std::string reason_of(const RunHead& run) {
  std::string reason(run.error_message.value_or(""));
  if (run.error_is_cut) reason += "...";
  if (reason.empty()) reason = run.error_code.value_or("");
  return reason;
}

std::vector<TerminalTable::Cell> first_cells(const RunHead& run) {
  return {{std::string(status_name(run.status)), style_of(run.status)},
          {format_instant(run.started_at)},
          {run.duration_ms ? format_duration(*run.duration_ms) : ""},
          {std::string(run.flow_name), Style::kBold}};
}

// Everything about a run in one line.
TerminalTable wide_table(const std::vector<RunHead>& runs) {
  TerminalTable table({{"STATUS"}, {"STARTED (UTC)"}, {"DURATION", Align::kRight},
                       {"FLOW", Align::kLeft, kLeastFlow}, {"RUN ID"},
                       {"REASON", Align::kLeft, kLeastReason}});
  for (const RunHead& run : runs) {
    auto cells = first_cells(run);
    cells.push_back({std::string(run.run_id)});
    cells.push_back({reason_of(run)});
    table.add_row(std::move(cells));
  }
  return table;
}

// The reason below its run, for terminals where both don't fit beside each other.
TerminalTable two_line_table(const std::vector<RunHead>& runs, bool id_below) {
  std::vector<TerminalTable::Column> columns = {{"STATUS"}, {"STARTED (UTC)"},
                                                {"DURATION", Align::kRight},
                                                {"FLOW", Align::kLeft, kLeastFlow}};
  if (!id_below) columns.push_back({"RUN ID"});
  TerminalTable table(std::move(columns));
  for (const RunHead& run : runs) {
    auto cells = first_cells(run);
    if (!id_below) cells.push_back({std::string(run.run_id)});
    table.add_row(std::move(cells));
    if (id_below) {
      table.add_line(std::string(run.run_id), kReasonIndent, Style::kPlain,
                     TerminalTable::Overflow::kWrap);
    }
    if (const std::string reason = reason_of(run); !reason.empty()) {
      table.add_line(reason, kReasonIndent, Style::kBad, TerminalTable::Overflow::kCut);
    }
  }
  return table;
}

std::string render_runs(const std::vector<RunHead>& runs, const Screen& screen) {
  const TerminalTable wide = wide_table(runs);
  if (!screen.is_terminal() || wide.least_width() <= screen.columns) return wide.render(screen);
  const TerminalTable narrow = two_line_table(runs, false);
  if (narrow.least_width() <= screen.columns) return narrow.render(screen);
  return two_line_table(runs, true).render(screen);
}

// Why there is nothing to show: nobody should search for what a misspelt flow or a log that ended
// long ago explains. Errors: Corruption.
Expected<std::string> explain_nothing(RunHistory& history, const ListOptions& options) {
  if (!options.request.cursor.empty()) return "no more runs";
  for (const std::string& flow : options.request.filter.flows) {
    Filter of_flow;
    of_flow.flows = {flow};
    auto runs = history.count(of_flow);
    if (!runs) return tl::unexpected(runs.error());
    if (*runs == 0) return fmt::format("no run of the flow '{}' is in the log", flow);
  }
  ListRequest newest;
  newest.limit = 1;
  auto page = history.list(newest);
  if (!page) return tl::unexpected(page.error());
  if (page->runs.empty()) return "the log holds no runs";
  const UnixMs started_at = page->runs.front().started_at;
  return fmt::format("no run matches; the newest of all {} started {}, {}",
                     count_of(page->total, "run"), format_instant_exactly(started_at),
                     format_ago(started_at, now_ms()));
}

void print_for_people(const ListResult& page, const ListOptions& options, Console& console) {
  console.out.write(render_runs(page.runs, console.screen));
  std::string footer = fmt::format("{} of {}", format_count(page.runs.size()),
                                   count_of(page.total, "matching run"));
  if (page.has_more) {
    footer += fmt::format("; the next: {} --cursor {}", options.invocation, page.next_cursor);
  }
  remark(console, footer);
}

}  // namespace

ExitCode run_list(const LogPlace& place, const ListOptions& options, Console& console) {
  auto history = open_history(place, Access::kRead);
  if (!history) return complain(console, history.error());
  auto page = (*history)->list(options.request);
  if (!page) return complain(console, page.error());
  if (options.json) {
    std::string answer;
    if (auto written = write_list_answer(options.request, *page, SIZE_MAX, answer); !written) {
      return complain(console, written.error());
    }
    console.out.write(answer + "\n");
  } else if (page->runs.empty()) {
    auto why = explain_nothing(**history, options);
    if (!why) return complain(console, why.error());
    remark(console, *why);
  } else {
    print_for_people(*page, options, console);
  }
  warn_if_incomplete(page->incomplete, console);
  return ExitCode::kDone;
}

}  // namespace runlog
