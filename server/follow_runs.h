// The live tail of a log: its runs in the order in which they were stored, from a sequence number
// on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "index/error.h"
#include "log/snapshot.h"
#include "server/tenants/tenants.h"

namespace runlog {

struct FollowRequest {
  SequenceNumber from = 1;
  std::vector<std::string> flows;      // of these alone; empty: of all
  std::size_t max_runs = 64;           // of one piece
  std::size_t max_bytes = 256u << 10;  // of JSON; one run alone may have more
  std::size_t largest_run = SIZE_MAX;  // of one with more JSON there is only its head, as lists have it
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
// of records, so there may be none and yet more. What was read before a failure is given, with more to
// come; the next call, which begins there, fails. Thread-safe. Errors: Corruption; IoError.
Expected<FollowedRuns> follow_runs(const Snapshot& snapshot, const FollowRequest& request);

// The same of a tenant's log, which is opened if it is not; `from` 0: from now on. Blocks.
// Errors: also those of Tenants::open.
Expected<FollowedRuns> follow_runs(Tenants& tenants, const std::string& tenant,
                                   FollowRequest request);

// Whether the tenant's log may have something at `from` or behind it, without waiting. Whoever asks
// this again and again does not keep the log open.
bool has_news(Tenants& tenants, std::string_view tenant, SequenceNumber from);

}  // namespace runlog
