// What flows did in the past, hour by hour and day by day, also in runs that are gone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "index/index.h"
#include "log/run.h"

namespace runlog {

// One hour, or one day in UTC, in which a flow ran. The counts have no bytes and no hours.
struct CountedPeriod {
  UnixMs start = 0;
  FlowCounts counts;
};

// Of one flow, or of all. A run counts where it finished, once, as what it became last; a run that
// went before it was appended again counts twice.
struct FlowHistory {
  std::vector<CountedPeriod> hours, days;  // oldest first; those without runs are left out
  UnixMs measured_at = 0;                  // what the log's clock says
  // The oldest hour and the oldest day in which any run is counted: so far counters reach back.
  std::optional<UnixMs> hours_from, days_from;
  // Older hours and days went because counters may take no more room.
  std::optional<UnixMs> dropped_before;
  // Damaged records that could not be counted, or taken away when they were superseded.
  std::uint64_t uncounted = 0;
  // The flow may have run more often: some hour or day has more flows than counters name.
  bool has_unnamed = false;
};

}  // namespace runlog
