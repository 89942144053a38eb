// Finds what a forget is about.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "index/error.h"
#include "log/forget.h"
#include "log/retention_state.h"
#include "log/snapshot.h"

namespace runlog {

// Errors: InvalidArgument (no value, an empty one, an object without a record or the reverse).
Expected<void> check_request(const ForgetRequest& request);

struct ForgetMatches {
  ForgottenRuns found;
  std::set<std::string> run_ids;   // of all of them; of a request for runs, those that it names
  std::uint64_t runs = 0;          // that have a record
  std::uint64_t record_bytes = 0;  // of all records
};

// The records below `end` and the paused runs of `paused_in` that go. A record whose head cannot be
// read goes if the index says that it matches. Errors: Corruption (a table of an index); IoError.
Expected<ForgetMatches> find_matches(const Snapshot& snapshot, const Snapshot& paused_in,
                                     SequenceNumber end, const ForgetRequest& request);

// Whether a run, wherever it stands, is one of those.
bool is_match(const Run& run, const ForgetRequest& request, const std::set<std::string>& run_ids);

// Whether a segment holds one of these records.
bool holds_any(const SegmentView& view, const std::vector<SequenceNumber>& records);

}  // namespace runlog
