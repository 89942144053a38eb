// Merging: the visible records of neighbouring sealed segments are copied, in order and with their
// sequence numbers, into one new segment, which then takes their place in one catalog commit.
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <span>

#include "index/error.h"
#include "log/archive.h"
#include "log/log_state.h"
#include "log/snapshot.h"

namespace runlog {

// Positions [first, first + count) in a snapshot's segments.
struct MergeChoice {
  std::size_t first = 0;
  std::size_t count = 0;
};

// The neighbours that should be merged next, none of them with an id in `except`, or nullopt. Size-tiered: as soon as merge_fanout
// neighbours belong to a tier or to lower ones, they become one of a higher tier, so that a record
// is copied once per tier and a log has at most (fanout − 1) segments a tier. Segments of half a GiB
// are not merged any more, and no more than a GiB at a time.
std::optional<MergeChoice> choose_merge(const Snapshot& snapshot, const LogOptions& options,
                                        std::span<const std::uint64_t> except);

// Merges them, and archives the runs of theirs that are hidden first, which is added to `archived`.
// Readers and appends go on meanwhile. Safe to repeat after a failure.
// Errors: Corruption (a record that cannot be copied: nothing is changed); Closed (`stop` was set
// while records were copied: likewise); ArchiveFailed (likewise); DiskFull; IoError.
Expected<void> merge_segments(LogState& state, const MergeChoice& choice,
                              const std::atomic<bool>& stop, Archived& archived);

}  // namespace runlog
