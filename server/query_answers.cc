#include "server/query_answers.h"

#include <numeric>

#include "log/json_writer.h"
#include "log/run_json.h"
#include "query/run_reader.h"
#include "server/quantities.h"

namespace runlog {
namespace {

using RunCounts = std::array<std::uint64_t, kRunStatusCount>;

Expected<void> write_summary_of(const ListResult& page, std::optional<RunReader>& runs,
                                RunHead& run, std::string& out) {
  if (!run.error_is_cut || !page.snapshot) {  // a server sends messages whole
    write_json(run, out);
    return {};
  }
  if (!runs) runs.emplace(page.snapshot);
  // By its number: under its id there may be a later life, which waits.
  const auto whole = runs->read(run.sequence);
  if (!whole) return tl::unexpected(whole.error());
  const auto beginning = run.error_message;
  if ((*whole)->error && (*whole)->error->message) run.error_message = *(*whole)->error->message;
  write_json(run, out);
  run.error_message = beginning;  // `whole` goes away
  return {};
}

// Writes the runs of a page as elements, as far as it may grow, at least one; returns how many.
Expected<std::size_t> write_summaries(ListResult& page, std::size_t most_bytes, JsonWriter& json) {
  std::optional<RunReader> runs;
  std::size_t count = 0, bytes = 0;
  std::string text;
  for (RunHead& run : page.runs) {
    if (count > 0 && bytes >= most_bytes) break;
    text.clear();
    if (auto written = write_summary_of(page, runs, run, text); !written) {
      return tl::unexpected(written.error());
    }
    json.json(text);
    bytes += text.size();
    ++count;
  }
  return count;
}

void write_counts(JsonWriter& json, const RunCounts& runs) {
  ObjectWriter counts(json, {});
  for (unsigned status = 0; status < kRunStatusCount; ++status) {
    counts.number(status_name(RunStatus(status)), std::int64_t(runs[status]));
  }
}

void write_time(ObjectWriter& object, std::string_view name, const std::optional<UnixMs>& time) {
  time ? object.time(name, time) : object.json(name, "null");
}

void write_duration(ObjectWriter& object, std::string_view name, std::int64_t ms) {
  ms < 0 ? object.json(name, "null") : object.number(name, ms);
}

void write_counted(JsonWriter& json, ObjectWriter& object, const FlowCounts& counts) {
  object.number("total", std::int64_t(std::accumulate(counts.runs.begin(), counts.runs.end(),
                                                      std::uint64_t{0})));
  object.begin("runs");
  write_counts(json, counts.runs);
  write_duration(object, "p50Ms", counts.durations.percentile(0.50));
  write_duration(object, "p95Ms", counts.durations.percentile(0.95));
  write_duration(object, "p99Ms", counts.durations.percentile(0.99));
  object.number("selected", counts.selected);
  object.number("acted", counts.acted);
  object.number("unmeasured", counts.unmeasured);
}

void write_periods(JsonWriter& json, const std::vector<CountedPeriod>& periods) {
  json.begin_array();
  for (const CountedPeriod& period : periods) {
    ObjectWriter entry(json, {});
    entry.time("start", period.start);
    write_counted(json, entry, period.counts);
  }
  json.end_array();
}

void write_trend(JsonWriter& json, const FlowTrend& trend) {
  ObjectWriter object(json, {});
  write_time(object, "runsFrom", trend.runs_from);
  write_time(object, "hoursFrom", trend.history.hours_from);
  write_time(object, "daysFrom", trend.history.days_from);
  write_time(object, "droppedBefore", trend.history.dropped_before);
  object.number("uncounted", std::int64_t(trend.history.uncounted));
  object.truth("hasUnnamedFlows", trend.history.has_unnamed);
  object.begin("periods");
  json.begin_array();
  for (const FlowPeriod& period : trend.periods) {
    ObjectWriter entry(json, {});
    entry.text("name", std::string_view(period.name));
    entry.time("from", period.from);
    entry.time("to", period.to);
    write_counted(json, entry, period.counts);
  }
  json.end_array();
  object.begin("byHour");
  write_periods(json, trend.history.hours);
  object.begin("byDay");
  write_periods(json, trend.history.days);
}

void write_flow(JsonWriter& json, const FlowStatistics& flow) {
  ObjectWriter object(json, {});
  object.text("flowName", std::string_view(flow.flow));
  object.number("total", std::int64_t(std::accumulate(flow.runs.begin(), flow.runs.end(),
                                                      std::uint64_t{0})));
  object.begin("runs");
  write_counts(json, flow.runs);
  write_duration(object, "p50Ms", flow.p50_ms);
  write_duration(object, "p95Ms", flow.p95_ms);
  write_duration(object, "p99Ms", flow.p99_ms);
  object.number("selected", flow.selected);
  object.number("acted", flow.acted);
  object.number("unmeasured", flow.unmeasured);
  object.number("bytes", std::int64_t(flow.bytes));
  write_time(object, "lastRun", flow.last_run);
  write_time(object, "lastFailure", flow.last_failure);
  object.begin("byHour");
  json.begin_array();
  for (const FlowStatistics::Hour& hour : flow.by_hour) {
    ObjectWriter entry(json, {});
    entry.time("start", hour.start);
    entry.begin("runs");
    write_counts(json, hour.runs);
  }
  json.end_array();
}

}  // namespace

Expected<void> end_page_after(std::size_t count, ListRequest asked, ListResult& page) {
  if (count >= page.runs.size()) return {};
  asked.limit = std::uint32_t(count);
  asked.with_total = false;
  auto shorter = list(page.snapshot, asked);
  if (!shorter) return tl::unexpected(shorter.error());
  page.has_more = shorter->has_more;
  page.next_cursor = std::move(shorter->next_cursor);
  return {};
}

Expected<void> write_list_answer(const ListRequest& asked, ListResult& page,
                                 std::size_t most_bytes, std::string& out) {
  JsonWriter json(out);
  ObjectWriter object(json, {});
  object.begin("runs");
  json.begin_array();
  const auto count = write_summaries(page, most_bytes, json);
  if (!count) return tl::unexpected(count.error());
  json.end_array();
  if (auto ended = end_page_after(*count, asked, page); !ended) return ended;
  object.truth("hasMore", page.has_more);
  object.text("nextCursor", std::string_view(page.next_cursor));
  object.number("total", std::int64_t(page.total));
  if (page.incomplete) object.truth("incomplete", true);
  return {};
}

void write_groups_answer(std::string_view by, const std::vector<Group>& all, std::size_t shown,
                         std::uint64_t matching, bool incomplete, std::string& out) {
  JsonWriter json(out);
  ObjectWriter object(json, {});
  object.text("by", by);
  object.begin("groups");
  json.begin_array();
  for (std::size_t i = 0; i < shown; ++i) {
    ObjectWriter group(json, {});
    if (all[i].object) group.text("object", std::string_view(*all[i].object));
    group.text("name", std::string_view(all[i].name));
    group.number("count", std::int64_t(all[i].count));
  }
  json.end_array();
  object.truth("hasMore", shown < all.size());
  object.number("totalGroups", std::int64_t(all.size()));
  object.number("totalRuns", std::int64_t(matching));
  if (incomplete) object.truth("incomplete", true);
}

Expected<FlowsAnswer> make_flows_answer(Expected<FlowTrend> trend,
                                        Expected<std::vector<FlowStatistics>> flows,
                                        Expected<bool> incomplete) {
  if (!trend) return tl::unexpected(trend.error());
  const bool is_gone = !flows && flows.error().code == ErrorCode::NotFound;
  if (is_gone && !trend->history.days.empty()) flows = std::vector<FlowStatistics>();
  if (!flows) return tl::unexpected(flows.error());
  if (!incomplete) return tl::unexpected(incomplete.error());
  return FlowsAnswer{std::move(*flows), std::move(*trend), *incomplete};
}

void write_flows_answer(const FlowsAnswer& answer, std::string& out) {
  JsonWriter json(out);
  ObjectWriter object(json, {});
  object.begin("flows");
  json.begin_array();
  for (const FlowStatistics& flow : answer.flows) write_flow(json, flow);
  json.end_array();
  object.begin("trend");
  write_trend(json, answer.trend);
  if (answer.incomplete) object.truth("incomplete", true);
}

}  // namespace runlog
