// What a retention policy says of a snapshot: which visible runs each of its rules lets go. Nothing
// here changes anything; log/retention.h hides what these functions find.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "index/error.h"
#include "index/ordinal_set.h"
#include "log/names.h"
#include "log/retention_policy.h"
#include "log/snapshot.h"

namespace runlog {

// The visible records of pinned runs, with their flows. No rule touches them, and none counts them.
using PinnedRuns = std::map<SequenceNumber, Symbol>;

// Ordinals by segment of the snapshot; visible and not pinned.
using ExpiredRuns = std::vector<OrdinalSet>;

// The rules are asked in this order, each of what the one before has left: a cap holds at every
// moment, ages and bytes only when somebody looks. All may fail with Corruption (an index's table).

// Runs of a flow beyond its newest max_per_flow.
Expected<ExpiredRuns> expired_by_cap(const Snapshot& snapshot, const RetentionPolicy& policy,
                                     const PinnedRuns& pinned);
// Runs that are as old as their maximum age at `now`, or older, but for each flow's newest
// min_per_flow.
Expected<ExpiredRuns> expired_by_age(const Snapshot& snapshot, const RetentionPolicy& policy,
                                     const PinnedRuns& pinned, UnixMs now);
// The oldest runs, as long as the records of the rest are larger than `max_bytes`. `published` is
// what the log shows, of which `snapshot` hides more.
Expected<ExpiredRuns> expired_by_bytes(const Snapshot& published, const Snapshot& snapshot,
                                       std::uint64_t max_bytes, const PinnedRuns& pinned);

// Hides `expired` in `snapshot`, which nobody else sees yet.
void hide_expired(Snapshot& snapshot, const ExpiredRuns& expired);

// How many runs of each flow one segment has below its end, without those in `except` (may be null).
using FlowRuns = std::unordered_map<Symbol, std::uint64_t>;
Expected<void> count_flow_runs(const SegmentView& view, const OrdinalSet* except, FlowRuns& into);
// How many of `among` belong to each flow.
Expected<void> count_flow_runs_among(const SegmentView& view, const OrdinalSet& among,
                                     FlowRuns& into);

// The size of the records of `ordinals`, without those whose heads are damaged.
std::uint64_t record_bytes_of(const Snapshot& snapshot, std::size_t position,
                              const OrdinalSet& ordinals);

}  // namespace runlog
