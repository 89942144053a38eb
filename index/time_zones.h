// Time ranges over a column of times, shared by both forms of the index. Runs are cut into zones of
// 4,096; each knows its earliest and latest start and finish, so that a range looks into few zones:
// runs are folded in the order in which they finished.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>

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

// Adds the ordinals below `end` whose time lies in `range` to `set`. `zone_of(zone)` gives a zone's
// bounds, an optional that is empty for a zone without any; `time_of(ordinal)` one run's time; Min
// and Max say which bounds are meant.
template <std::int64_t TimeZone::*Min, std::int64_t TimeZone::*Max, typename ZoneOf,
          typename TimeOf>
void collect_times(TimeRange range, Ordinal end, OrdinalSet& set, ZoneOf&& zone_of,
                   TimeOf&& time_of) {
  std::array<Ordinal, kZoneRuns> found;
  for (std::uint64_t first = 0; first < end; first += kZoneRuns) {
    const auto last = Ordinal(std::min<std::uint64_t>(end, first + kZoneRuns));
    if (const std::optional<TimeZone> zone = zone_of(std::uint32_t(first / kZoneRuns))) {
      if ((*zone).*Max < range.from || (*zone).*Min > range.to) continue;
      if ((*zone).*Min >= range.from && (*zone).*Max <= range.to) {
        set.add_range(Ordinal(first), last);
        continue;
      }
    }
    std::size_t count = 0;
    for (auto ordinal = Ordinal(first); ordinal < last; ++ordinal) {
      const std::int64_t time = time_of(ordinal);
      found[count] = ordinal;
      count += std::size_t(time >= range.from && time <= range.to);
    }
    if (count > 0) set.add_many(std::span(found).first(count));
  }
}

template <typename ZoneOf, typename TimeOf>
void collect_starts(TimeRange range, Ordinal end, OrdinalSet& set, ZoneOf&& zone_of,
                    TimeOf&& time_of) {
  collect_times<&TimeZone::started_min, &TimeZone::started_max>(range, end, set, zone_of, time_of);
}

template <typename ZoneOf, typename TimeOf>
void collect_finishes(TimeRange range, Ordinal end, OrdinalSet& set, ZoneOf&& zone_of,
                      TimeOf&& time_of) {
  collect_times<&TimeZone::finished_min, &TimeZone::finished_max>(range, end, set, zone_of,
                                                                  time_of);
}

inline tl::unexpected<Error> no_such_ordinal(Ordinal ordinal, Ordinal count) {
  return fail(ErrorCode::InvalidArgument, "ordinal " + std::to_string(ordinal) +
                                              " is not below the index's count of " +
                                              std::to_string(count));
}

}  // namespace runlog
