// Gives the space of hidden runs back, by whole segments only: a sealed segment with nothing visible
// is unlinked; neighbours that are mostly hidden are merged, so that their visible runs stand in one
// new segment and the old ones can go. Nothing is ever deleted inside a segment.
//
// Afterwards no sealed segment takes more than twice what its visible runs would take in a segment of
// their own, so that the files take at most twice that, and the active segment.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "index/error.h"
#include "log/archive.h"
#include "log/log_state.h"
#include "log/merge.h"

namespace runlog {

struct Reclaimed {
  std::uint64_t dropped_segments = 0;
  std::uint64_t merged_segments = 0;   // whose visible runs were carried on
  std::uint64_t freed_bytes = 0;       // of the files that went
  std::uint64_t written_bytes = 0;     // of the files that came
  Archived archived;

  Reclaimed& operator+=(const Reclaimed& more);
  Reclaimed& operator-=(const Reclaimed& less);
};

// What of a segment's file the visible runs account for: their records, and their share of tables and
// pages by number. Where a flow table is damaged, of the records too.
std::uint64_t live_file_bytes(const Snapshot& snapshot, std::size_t position);
// Whether a segment with so many of them is to be merged for what it hides.
bool is_sparse(const SegmentView& view, std::uint64_t live_bytes);
// The oldest neighbours that are to be merged so, none of them with an id in `except`; nullopt if
// there are none.
std::optional<MergeChoice> choose_sparse(const Snapshot& snapshot,
                                         std::span<const std::uint64_t> except);

// The maintenance thread's; readers and appends go on meanwhile. What was done is added to `done`.
// Runs are archived before they go. Safe to repeat after a failure or a crash.
//
// Segments with an id in `except` stay, and those that turn out to hold a damaged run that was to be
// archived are added to it. Errors: Corruption (of such runs; all else was done); ArchiveFailed;
// DiskFull; IoError; Closed (`stop` was set).
Expected<void> drop_dead_segments(LogState& state, std::vector<std::uint64_t>& except,
                                  const std::atomic<bool>& stop, Reclaimed& done);
// Errors: as merge_segments.
Expected<void> merge_sparse(LogState& state, const MergeChoice& choice,
                            const std::atomic<bool>& stop, Reclaimed& done);

}  // namespace runlog
