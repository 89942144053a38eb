// `runlog stats`: how often each flow ran, failed and how long it took.
#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "server/commands.h"
#include "server/history.h"
#include "server/quantities.h"
#include "server/query_answers.h"
#include "server/terminal_table.h"

namespace runlog {
namespace {

using Align = TerminalTable::Align;
using RunCounts = std::array<std::uint64_t, kRunStatusCount>;

constexpr unsigned kLeastFlow = 24;  // most names fit
constexpr std::size_t kHoursShown = 48;
constexpr unsigned kBarColumns = 24;

std::uint64_t count_in(const RunCounts& runs, RunStatus status) {
  return runs[std::size_t(status)];
}
std::uint64_t sum(const RunCounts& runs) {
  return std::accumulate(runs.begin(), runs.end(), std::uint64_t{0});
}
// What an operator has to look at: runs that did not do their work.
std::uint64_t not_done(const RunCounts& runs) {
  return count_in(runs, RunStatus::kFailed) + count_in(runs, RunStatus::kTimedOut);
}

std::string duration_or_nothing(std::int64_t ms) { return ms < 0 ? "" : format_duration(ms); }

TerminalTable::Cell bad_count(std::uint64_t count) {
  return {format_count(count), count > 0 ? Style::kBad : Style::kDim};
}

// Columns of statuses that never occurred would only take room.
bool occurs(const std::vector<FlowStatistics>& flows, RunStatus status) {
  return std::any_of(flows.begin(), flows.end(), [&](const FlowStatistics& flow) {
    return count_in(flow.runs, status) > 0;
  });
}

void print_flows(const std::vector<FlowStatistics>& flows, Console& console) {
  const bool timed_out = occurs(flows, RunStatus::kTimedOut);
  const bool cancelled = occurs(flows, RunStatus::kCancelled);
  std::vector<TerminalTable::Column> columns = {{"FLOW", Align::kLeft, kLeastFlow},
                                                {"RUNS", Align::kRight},
                                                {"FAILED", Align::kRight}};
  if (timed_out) columns.push_back({"TIMED OUT", Align::kRight, 0, 2});
  if (cancelled) columns.push_back({"CANCELLED", Align::kRight, 0, 3});
  columns.insert(columns.end(), {{"FAIL %", Align::kRight},
                                 {"P50", Align::kRight, 0, 4},
                                 {"P95", Align::kRight},
                                 {"P99", Align::kRight, 0, 5},
                                 {"LAST RUN (UTC)", Align::kLeft, 0, 6},
                                 {"LAST FAILURE (UTC)", Align::kLeft, 0, 1}});
  TerminalTable table(std::move(columns));
  for (const FlowStatistics& flow : flows) {
    const std::uint64_t runs = sum(flow.runs);
    std::vector<TerminalTable::Cell> cells = {
        {flow.flow.empty() ? "(all flows)" : flow.flow, Style::kBold},
        {format_count(runs)},
        bad_count(count_in(flow.runs, RunStatus::kFailed))};
    if (timed_out) cells.push_back(bad_count(count_in(flow.runs, RunStatus::kTimedOut)));
    if (cancelled) cells.push_back(bad_count(count_in(flow.runs, RunStatus::kCancelled)));
    cells.insert(cells.end(), {{format_share(not_done(flow.runs), runs)},
                               {duration_or_nothing(flow.p50_ms)},
                               {duration_or_nothing(flow.p95_ms)},
                               {duration_or_nothing(flow.p99_ms)},
                               {flow.last_run ? format_instant(*flow.last_run) : ""},
                               {flow.last_failure ? format_instant(*flow.last_failure) : ""}});
    table.add_row(std::move(cells));
  }
  console.out.write(table.render(console.screen));
}

std::string bar(std::uint64_t count, std::uint64_t largest, const Screen& screen) {
  const auto columns = largest == 0 ? 0 : (count * kBarColumns + largest - 1) / largest;
  std::string out;
  for (std::uint64_t i = 0; i < columns; ++i) out += screen.utf8 ? "█" : "#";
  return out;
}

// All that is known: counters have the last days, with the runs that are gone, and runs may reach
// further back.
std::vector<FlowStatistics::Hour> hours_of(const std::vector<FlowStatistics>& flows,
                                           const FlowHistory& history) {
  std::vector<FlowStatistics::Hour> hours;
  if (!flows.empty()) hours = flows.front().by_hour;
  if (history.hours.empty()) return hours;
  std::erase_if(hours, [&](const FlowStatistics::Hour& hour) {
    return hour.start >= history.hours.front().start;
  });
  for (const CountedPeriod& hour : history.hours) hours.push_back({hour.start, hour.counts.runs});
  return hours;
}

void print_hours(const std::vector<FlowStatistics::Hour>& hours, Console& console) {
  const std::size_t skipped = hours.size() > kHoursShown ? hours.size() - kHoursShown : 0;
  if (skipped > 0) {
    console.out.write(
        fmt::format("\nthe last {} hours with runs, of {}:\n", kHoursShown, hours.size()));
  } else {
    console.out.write("\n");
  }
  std::uint64_t largest = 0;
  for (std::size_t i = skipped; i < hours.size(); ++i) {
    largest = std::max(largest, sum(hours[i].runs));
  }
  TerminalTable table({{"HOUR (UTC)"}, {"RUNS", Align::kRight}, {"FAILED", Align::kRight}, {""}});
  for (std::size_t i = skipped; i < hours.size(); ++i) {
    const FlowStatistics::Hour& hour = hours[i];
    table.add_row({{format_instant(hour.start).substr(0, 16)},
                   {format_count(sum(hour.runs))},
                   bad_count(not_done(hour.runs)),
                   {bar(sum(hour.runs), largest, console.screen)}});
  }
  console.out.write(table.render(console.screen));
}

std::string period_name(const FlowPeriod& period) {
  if (period.name == "24h") return "last 24 hours";
  if (period.name == "7d") return "last 7 days";
  if (period.name == "30d") return "last 30 days";
  return period.name == "30d before" ? "the 30 days before" : "all days counted";
}

void print_trend(const FlowTrend& trend, Console& console) {
  console.out.write("\n");
  TerminalTable table({{"ALSO RUNS THAT ARE GONE"},
                       {"RUNS", Align::kRight},
                       {"FAILED", Align::kRight},
                       {"FAIL %", Align::kRight},
                       {"P50", Align::kRight, 0, 2},
                       {"P95", Align::kRight, 0, 1}});
  for (const FlowPeriod& period : trend.periods) {
    const RunCounts& runs = period.counts.runs;
    table.add_row({{period_name(period)},
                   {format_count(sum(runs))},
                   bad_count(not_done(runs)),
                   {format_share(not_done(runs), sum(runs))},
                   {duration_or_nothing(period.counts.durations.percentile(0.50))},
                   {duration_or_nothing(period.counts.durations.percentile(0.95))}});
  }
  console.out.write(table.render(console.screen));
  const FlowHistory& history = trend.history;
  std::string reach = trend.runs_from ? "runs reach back to " + format_instant(*trend.runs_from)
                                      : "no runs are left";
  if (history.days_from)
    reach += ", counters to " + format_instant(*history.days_from).substr(0, 10);
  if (history.hours_from)
    reach += ", by hour to " + format_instant(*history.hours_from).substr(0, 16);
  console.out.write(reach + " (UTC)\n");
  if (history.dropped_before)
    remark(console, fmt::format("counters of hours and days before {} were dropped for their size",
                                format_instant(*history.dropped_before)));
  if (history.uncounted > 0)
    remark(console, fmt::format("{} damaged records could not be counted",
                                format_count(history.uncounted)));
  if (history.has_unnamed)
    remark(console, "in some hours or days there were more flows than counters name");
}

}  // namespace

ExitCode run_stats(const LogPlace& place, const StatsOptions& options, Console& console) {
  auto history = open_history(place, Access::kRead);
  if (!history) return complain(console, history.error());
  const auto answer = make_flows_answer((*history)->trend(options.flow),
                                        (*history)->statistics(options.flow),
                                        (*history)->is_incomplete());
  if (!answer) return complain(console, answer.error());
  const auto& [flows, past, incomplete] = *answer;
  if (options.json) {
    std::string json;
    write_flows_answer(*answer, json);
    console.out.write(json + "\n");
  } else {
    const bool has_runs = !flows.empty() && sum(flows.front().runs) > 0;
    if (has_runs)
      print_flows(flows, console);
    else
      remark(console, options.flow ? "the log holds no run of this flow any more"
                                   : "the log holds no runs");
    if (!past.history.days.empty()) print_trend(past, console);
    if (options.flow) print_hours(hours_of(flows, past.history), console);
  }
  warn_if_incomplete(incomplete, console);
  return ExitCode::kDone;
}

}  // namespace runlog
