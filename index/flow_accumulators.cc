#include "index/flow_accumulators.h"

#include <type_traits>

#include "index/flow_counts.h"

namespace runlog {
namespace {

constexpr std::size_t kFirstSlots = 64;

std::size_t slot_of(std::uint32_t symbol, std::size_t slots) {
  return (symbol * 0x9E3779B97F4A7C15ull >> 32) & (slots - 1);
}

}  // namespace

FlowAccumulators::FlowAccumulators() : slots_(kFirstSlots) {
  // A copy would leave last_hour_runs pointing into the original.
  static_assert(std::is_nothrow_move_constructible_v<Flow>);
}

FlowAccumulators::Flow& FlowAccumulators::flow_of(std::uint32_t symbol) {
  for (std::size_t at = slot_of(symbol, slots_.size());; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at] == 0) {
      if (2 * (flows_.size() + 1) > slots_.size()) {
        grow();
        return flow_of(symbol);
      }
      flows_.emplace_back().symbol = symbol;
      slots_[at] = std::uint32_t(flows_.size());
      return flows_.back();
    }
    if (flows_[slots_[at] - 1].symbol == symbol) return flows_[slots_[at] - 1];
  }
}

void FlowAccumulators::grow() {
  std::vector<std::uint32_t> bigger(2 * slots_.size());
  for (std::uint32_t i = 0; i < flows_.size(); ++i) {
    std::size_t at = slot_of(flows_[i].symbol, bigger.size());
    while (bigger[at] != 0) at = (at + 1) & (bigger.size() - 1);
    bigger[at] = i + 1;
  }
  slots_ = std::move(bigger);
}

void FlowAccumulators::add(const IndexEntry& entry) {
  Flow& flow = flow_of(entry.flow);
  const unsigned status = entry.status & 3;
  flow.runs[status] += 1;
  flow.bytes += entry.record_bytes;
  flow.selected = wrapping_add(flow.selected, entry.selected);
  flow.acted = wrapping_add(flow.acted, entry.acted);
  flow.unmeasured = wrapping_add(flow.unmeasured, entry.unmeasured);

  if (entry.duration_ms) {
    const std::uint16_t bucket = DurationHistogram::bucket_of(*entry.duration_ms);
    if (bucket >= flow.durations.size()) flow.durations.resize(bucket + 1u);
    flow.durations[bucket] += 1;
  }

  const std::int64_t hour = hour_of(entry.finished_at_ms);
  if (flow.last_hour_runs == nullptr || flow.last_hour != hour) {
    flow.last_hour = hour;
    flow.last_hour_runs = &flow.by_hour[hour];
  }
  (*flow.last_hour_runs)[status] += 1;
}

FlowTable FlowAccumulators::table() const {
  FlowTable table;
  for (const Flow& flow : flows_) {
    FlowCounts& counts = table[flow.symbol];
    counts.runs = flow.runs;
    counts.bytes = flow.bytes;
    counts.selected = flow.selected;
    counts.acted = flow.acted;
    counts.unmeasured = flow.unmeasured;
    for (std::size_t bucket = 0; bucket < flow.durations.size(); ++bucket)
      if (flow.durations[bucket] != 0)
        counts.durations.buckets[std::uint16_t(bucket)] = flow.durations[bucket];
    counts.by_hour = flow.by_hour;
  }
  return table;
}

std::size_t FlowAccumulators::memory_bytes() const {
  constexpr std::size_t kHourBytes = sizeof(std::pair<const std::int64_t, ByStatus>) + 40;
  std::size_t bytes = flows_.capacity() * sizeof(Flow) + slots_.size() * sizeof(slots_[0]);
  for (const Flow& flow : flows_)
    bytes += flow.durations.capacity() * sizeof(std::uint32_t) + flow.by_hour.size() * kHourBytes;
  return bytes;
}

}  // namespace runlog
