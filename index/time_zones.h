// Time ranges over a column of times, shared by both forms of the index. Runs are cut into zones of
// 4,096; each knows its earliest and latest start and finish, so that a range looks into few zones:
// runs are folded in the order in which they finished.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "index/ordinal_set.h"

namespace runlog {

inline constexpr std::uint32_t kZoneRuns = 4096;

struct TimeZone {
  std::int64_t started_min = std::numeric_limits<std::int64_t>::max();
  std::int64_t started_max = std::numeric_limits<std::int64_t>::min();
  std::int64_t finished_min = std::numeric_limits<std::int64_t>::max();
  std::int64_t finished_max = std::numeric_limits<std::int64_t>::min();

  void add(std::int64_t started, std::int64_t finished) {
    started_min = std::min(started_min, started);
    started_max = std::max(started_max, started);
    finished_min = std::min(finished_min, finished);
    finished_max = std::max(finished_max, finished);
  }
};

struct TimeRange {
  std::int64_t from, to;  // both inclusive
};

// Adds the ordinals in [first, last) whose time lies in the range to `set`.
// `bounds(&min, &max)` gives the zone's bounds and returns false if it has none yet;
// `time_of(ordinal)` gives one run's time.
template <typename Bounds, typename TimeOf>
void collect_zone(TimeRange range, Ordinal first, Ordinal last, OrdinalSet& set, Bounds&& bounds,
                  TimeOf&& time_of) {
  std::int64_t min, max;
  if (bounds(min, max)) {
    if (max < range.from || min > range.to) return;
    if (min >= range.from && max <= range.to) return set.add_range(first, last);
  }
  std::array<Ordinal, kZoneRuns> found;
  std::size_t count = 0;
  for (Ordinal ordinal = first; ordinal < last; ++ordinal) {
    const std::int64_t time = time_of(ordinal);
    found[count] = ordinal;
    count += std::size_t(time >= range.from && time <= range.to);
  }
  if (count > 0) set.add_many(std::span(found).first(count));
}

}  // namespace runlog
