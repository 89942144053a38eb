// Adding flow tables up and taking them away again.

#include "index/flow_counts.h"

#include "index/index.h"

namespace runlog {
namespace {

void add_runs(std::array<std::uint64_t, 4>& to, const std::array<std::uint64_t, 4>& from) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
}

void subtract_runs(std::array<std::uint64_t, 4>& to, const std::array<std::uint64_t, 4>& from) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] -= from[i];
}

}  // namespace

void FlowCounts::add(const FlowCounts& other) {
  add_runs(runs, other.runs);
  bytes += other.bytes;
  selected = wrapping_add(selected, other.selected);
  acted = wrapping_add(acted, other.acted);
  unmeasured = wrapping_add(unmeasured, other.unmeasured);
  for (const auto& [bucket, count] : other.durations.buckets) durations.buckets[bucket] += count;
  for (const auto& [hour, counts] : other.by_hour) add_runs(by_hour[hour], counts);
}

void FlowCounts::subtract(const FlowCounts& other) {
  subtract_runs(runs, other.runs);
  bytes -= other.bytes;
  selected = wrapping_subtract(selected, other.selected);
  acted = wrapping_subtract(acted, other.acted);
  unmeasured = wrapping_subtract(unmeasured, other.unmeasured);
  for (const auto& [bucket, count] : other.durations.buckets) {
    const auto at = durations.buckets.try_emplace(bucket).first;
    at->second -= count;
    if (at->second == 0) durations.buckets.erase(at);
  }
  for (const auto& [hour, counts] : other.by_hour) {
    const auto at = by_hour.try_emplace(hour).first;
    subtract_runs(at->second, counts);
    if (at->second == std::array<std::uint64_t, 4>{}) by_hour.erase(at);
  }
}

void add_to(FlowTable& table, const IndexEntry& entry) {
  const unsigned status = entry.status & 3;
  FlowCounts& counts = table[entry.flow];
  counts.runs[status] += 1;
  counts.bytes += entry.record_bytes;
  counts.selected = wrapping_add(counts.selected, entry.selected);
  counts.acted = wrapping_add(counts.acted, entry.acted);
  counts.unmeasured = wrapping_add(counts.unmeasured, entry.unmeasured);
  if (entry.duration_ms) {
    counts.durations.buckets[DurationHistogram::bucket_of(*entry.duration_ms)] += 1;
  }
  counts.by_hour[hour_of(entry.finished_at_ms)][status] += 1;
}

}  // namespace runlog
