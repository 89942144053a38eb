// What flows did, from the flow tables, which the log keeps net of hidden runs.
#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <string>

#include "index/flow_counts.h"
#include "query/query.h"

namespace runlog {
namespace {

// The sum over the statuses, of FlowCounts and FlowStatistics alike.
template <typename Counts>
std::uint64_t runs_of(const Counts& counts) {
  return std::accumulate(counts.runs.begin(), counts.runs.end(), std::uint64_t(0));
}

FlowStatistics from_counts(std::string flow, const FlowCounts& counts) {
  FlowStatistics out;
  out.flow = std::move(flow);
  out.runs = counts.runs;
  out.p50_ms = counts.durations.percentile(0.50);
  out.p95_ms = counts.durations.percentile(0.95);
  out.p99_ms = counts.durations.percentile(0.99);
  out.selected = counts.selected;
  out.acted = counts.acted;
  out.unmeasured = counts.unmeasured;
  out.bytes = counts.bytes;
  out.by_hour.reserve(counts.by_hour.size());
  for (const auto& [hour, runs] : counts.by_hour) out.by_hour.push_back({hour * kHourMs, runs});
  return out;
}

// The newest ordinal of `term` in one segment that is visible.
Expected<std::optional<Ordinal>> newest_in(const SegmentView& view, TermKey term) {
  auto postings = view.index().read(term, view.end, Direction::kNewestFirst);
  if (!postings) return tl::unexpected(postings.error());
  std::array<Ordinal, 16> batch;
  while (const std::size_t read = (*postings)->next(batch)) {
    for (std::size_t i = 0; i < read; ++i) {
      if (!view.is_dead(batch[i])) return std::optional(batch[i]);
    }
  }
  return std::optional<Ordinal>();
}

// When the newest visible run that carries any of `terms` finished.
Expected<std::optional<UnixMs>> last_finish(const Snapshot& snapshot,
                                            std::span<const TermKey> terms) {
  for (auto view = snapshot.segments.rbegin(); view != snapshot.segments.rend(); ++view) {
    std::optional<Ordinal> newest;
    for (const TermKey term : terms) {
      const auto found = newest_in(*view, term);
      if (!found) return tl::unexpected(found.error());
      if (*found && (!newest || **found > *newest)) newest = *found;
    }
    if (!newest) continue;
    const auto time = view->index().finished_at_ms(*newest);
    if (!time) return tl::unexpected(time.error());
    return std::optional<UnixMs>(*time);
  }
  return std::optional<UnixMs>();
}

// Fills in the times of the last run and the last failure. `any` are the terms of the runs that
// `out` counts, `failed` the term of the failed ones.
Expected<void> add_last_times(const Snapshot& snapshot, std::span<const TermKey> any,
                              TermKey failed, FlowStatistics& out) {
  const auto last_run = last_finish(snapshot, any);
  if (!last_run) return tl::unexpected(last_run.error());
  out.last_run = *last_run;
  if (out.runs[std::size_t(RunStatus::kFailed)] == 0) return {};
  const auto last_failure = last_finish(snapshot, {&failed, 1});
  if (!last_failure) return tl::unexpected(last_failure.error());
  out.last_failure = *last_failure;
  return {};
}

Expected<FlowStatistics> of_flow(const Snapshot& snapshot, Symbol flow, const FlowCounts& counts) {
  const auto name = snapshot.names->name(NameKind::kFlow, flow);
  if (!name) return tl::unexpected(name.error());
  FlowStatistics out = from_counts(std::string(*name), counts);
  const TermKey any = TermKey::exact(TermKind::kFlow, flow);
  const TermKey failed = TermKey::flow_status(flow, unsigned(RunStatus::kFailed));
  const auto added = add_last_times(snapshot, {&any, 1}, failed, out);
  if (!added) return tl::unexpected(added.error());
  return out;
}

Expected<FlowStatistics> of_all(const Snapshot& snapshot, const FlowTable& table) {
  FlowCounts sum;
  for (const auto& [flow, counts] : table) sum.add(counts);
  FlowStatistics out = from_counts({}, sum);
  std::array<TermKey, kRunStatusCount> any;
  for (unsigned status = 0; status < kRunStatusCount; ++status) {
    any[status] = TermKey::exact(TermKind::kStatus, status);
  }
  const auto added =
      add_last_times(snapshot, any, any[std::size_t(RunStatus::kFailed)], out);
  if (!added) return tl::unexpected(added.error());
  return out;
}

}  // namespace

Expected<std::vector<FlowStatistics>> statistics(Log& log, const std::optional<std::string>& flow) {
  const auto flows = log.flows();
  if (!flows) return tl::unexpected(flows.error());
  const Snapshot& snapshot = *flows->snapshot;
  std::vector<FlowStatistics> out;
  if (flow) {
    const auto symbol = snapshot.names->find(NameKind::kFlow, *flow);
    const auto found = symbol ? flows->table.find(*symbol) : flows->table.end();
    if (found == flows->table.end() || runs_of(found->second) == 0) {
      return fail(ErrorCode::NotFound, "the log has no run of the flow '" + *flow + "'");
    }
    auto statistics = of_flow(snapshot, *symbol, found->second);
    if (!statistics) return tl::unexpected(statistics.error());
    out.push_back(std::move(*statistics));
    return out;
  }

  for (const auto& [symbol, counts] : flows->table) {
    if (runs_of(counts) == 0) continue;
    auto statistics = of_flow(snapshot, symbol, counts);
    if (!statistics) return tl::unexpected(statistics.error());
    out.push_back(std::move(*statistics));
  }
  std::sort(out.begin(), out.end(), [](const FlowStatistics& a, const FlowStatistics& b) {
    return runs_of(a) != runs_of(b) ? runs_of(a) > runs_of(b) : a.flow < b.flow;
  });
  auto sum = of_all(snapshot, flows->table);
  if (!sum) return tl::unexpected(sum.error());
  out.insert(out.begin(), std::move(*sum));
  return out;
}

}  // namespace runlog
