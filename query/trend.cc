// What flows did lately and before, from the log's counters.
#include "index/flow_counts.h"
#include "query/query.h"

namespace runlog {
namespace {

constexpr UnixMs kDayMs = 24 * kHourMs;

// The beginning of the hour or day that holds `time`.
UnixMs begin_of(UnixMs time, UnixMs length) {
  const UnixMs into = time % length;
  return time - (into < 0 ? into + length : into);
}

FlowPeriod sum_of(const char* name, const std::vector<CountedPeriod>& periods, UnixMs from,
                  UnixMs to) {
  FlowPeriod sum{name, from, to, {}};
  for (const CountedPeriod& period : periods)
    if (period.start >= from && period.start < to) sum.counts.add(period.counts);
  return sum;
}

std::vector<FlowPeriod> periods_of(const FlowHistory& history) {
  const UnixMs now = history.measured_at;
  const UnixMs next_hour = begin_of(now, kHourMs) + kHourMs;
  const UnixMs next_day = begin_of(now, kDayMs) + kDayMs;
  const UnixMs month = next_day - 30 * kDayMs;
  return {sum_of("24h", history.hours, next_hour - kDayMs, next_hour),
          sum_of("7d", history.hours, next_hour - 7 * kDayMs, next_hour),
          sum_of("30d", history.days, month, next_day),
          sum_of("30d before", history.days, month - 30 * kDayMs, month),
          sum_of("400d", history.days, history.days_from.value_or(next_day), next_day)};
}

// When the oldest visible run was stored; of damaged ones the next tells.
Expected<std::optional<UnixMs>> oldest_run(const Snapshot& snapshot) {
  RecordReader records(snapshot);
  for (std::size_t i = 0; i < snapshot.segments.size(); ++i) {
    const SegmentView& view = snapshot.segments[i];
    for (Ordinal ordinal = 0; ordinal < view.end && view.live() > 0; ++ordinal) {
      if (view.is_dead(ordinal)) continue;
      const auto record = records.read(i, ordinal);
      if (!record) return tl::unexpected(record.error());
      if (const auto head = HeadView::open(*record, view.sequence(ordinal)))
        return std::optional(head->recorded_at());
    }
  }
  return std::optional<UnixMs>();
}

}  // namespace

Expected<FlowTrend> trend(Log& log, const std::optional<std::string>& flow) {
  auto history = log.history(flow);
  if (!history) return tl::unexpected(history.error());
  const auto snapshot = log.snapshot();
  if (!snapshot) return tl::unexpected(snapshot.error());
  auto oldest = oldest_run(**snapshot);
  if (!oldest) return tl::unexpected(oldest.error());
  FlowTrend out;
  out.periods = periods_of(*history);
  out.history = std::move(*history);
  out.runs_from = *oldest;
  return out;
}

}  // namespace runlog
