// What a stretch of a log's records adds to counters and takes away from them.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "log/counter_format.h"
#include "log/snapshot.h"

namespace runlog {

using CounterChanges = std::map<std::uint64_t, BucketChange>;  // by the bucket's key

// Adds the changes that the records with sequence numbers from `from` to below `to` make to buckets
// that `reach` covers and that are in `only`, if it is not null. Returns how many records are damaged:
// they count for nothing. Errors: IoError (a segment could not be opened again after a failure); some
// changes may have been added then.
Expected<std::uint64_t> fold_into_counters(const Snapshot& snapshot, SequenceNumber from,
                                           SequenceNumber to, const CounterReach& reach,
                                           const std::set<std::uint64_t>* only,
                                           CounterChanges& changes);

}  // namespace runlog
