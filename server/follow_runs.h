// The live tail of a log: its runs in the order in which they were stored, from a sequence number
// on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "index/error.h"
#include "log/snapshot.h"

namespace runlog {

struct FollowRequest {
  SequenceNumber from = 1;
  std::vector<std::string> flows;      // of these alone; empty: of all
  std::size_t max_runs = 64;           // of one piece
  std::size_t max_bytes = 256u << 10;  // of JSON; one run may have more
};

struct FollowedRun {
  SequenceNumber sequence = 0;
  std::string json;
};

struct FollowedRuns {
  std::vector<FollowedRun> runs;
  SequenceNumber next = 1;  // where to go on
  bool has_more = false;    // the snapshot has not been read to its end
};

// The next runs of `snapshot`. What is hidden or superseded is left out. Looks at a bounded number
// of records, so there may be none and yet more. Thread-safe. Errors: Corruption; IoError.
Expected<FollowedRuns> follow_runs(const Snapshot& snapshot, const FollowRequest& request);

}  // namespace runlog
