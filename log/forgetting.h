// Removes what a forget has found. The order makes sure that what has begun is finished, whatever
// crash comes between:
//
// 1. One commit in state/ hides the records, lets their pins go and lists what is to be removed, by
//    number: the list says nothing of what was in it. From here on no reader sees the runs, and a log
//    that is opened after a crash goes on at 2.
// 2. The paused runs go, then the records: a segment with nothing visible is dropped, the others are
//    written anew, without what is hidden and the names that only it used.
// 3. state/ is written anew without the list, and replaces the old file, whose pages keep bytes of what
//    was removed. That ends it.
#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

#include "index/error.h"
#include "log/forget.h"
#include "log/log_state.h"
#include "log/retention_state.h"

namespace runlog {

// Removes `found` and what an earlier forget has listed and not finished; without `found` only that,
// and the old file of state/ if a crash has left it. All records stand in sealed segments, and nothing
// is sealed or merged meanwhile: the caller is the maintenance, or within Maintenance::alone(). Adds to
// `report` what was done. Errors: Closed (`stop` was set), DiskFull, IoError, Corruption (a segment that
// holds one of the records is damaged, and a repair has to mend it), ArchiveFailed (of other runs that
// stand in the same segments). If the list was written, state.is_forgetting stays set, and the next
// call goes on.
Expected<void> forget_found(LogState& state, const ForgottenRuns& found,
                            const std::atomic<bool>& stop, ForgetReport& report,
                            const ForgetProgress& progress);

// The positions of the segments in `snapshot` that have to go, or to be written anew, for these
// records: those that hold one, and those with leftovers (see CatalogEntry). Errors: Corruption;
// IoError.
Expected<std::vector<std::size_t>> segments_to_rewrite(const LogState& state,
                                                       const Snapshot& snapshot,
                                                       const std::vector<SequenceNumber>& records);

}  // namespace runlog
