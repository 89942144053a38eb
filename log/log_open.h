// Opening a log for writing: takes the lock, reads the catalog, opens every segment, removes what an
// interrupted merge left, and works out from the records which runs are hidden.
#pragma once

#include <filesystem>
#include <memory>

#include "index/error.h"
#include "log/active_segment.h"
#include "log/log_state.h"

namespace runlog {

struct OpenedLog {
  std::unique_ptr<LogState> state;
  std::shared_ptr<ActiveSegment> active;
  UnixMs last_recorded_at = 0;
};

// Errors: as Log::open.
Expected<OpenedLog> open_for_writing(const std::filesystem::path& directory,
                                     const LogOptions& options);

// Makes a running writer's snapshot and files what the catalog says, after a change of it by the
// maintenance failed: the change may have taken effect. Errors: Corruption; IoError; DiskFull.
Expected<void> catch_up(LogState& state);

// A reader can do without a sealed segment that is damaged. A writer cannot: it would give the
// symbols of names that only this segment knows to other names.
enum class DamagedSegments { kRefuse, kLeaveOut };

// The segments of a catalog as a snapshot, which hides what `reuse` hides. Segments that `reuse` has
// open in the right form are taken from there. A snapshot from which one is left out is incomplete.
// Errors: Corruption; IoError.
Expected<Snapshot> open_segments(LogState& state, const Catalog::Contents& contents,
                                 const Snapshot* reuse,
                                 DamagedSegments damaged = DamagedSegments::kRefuse);

}  // namespace runlog
