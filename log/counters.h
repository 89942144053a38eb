// Counts what flows did, by hour and by day, for longer than their runs are kept: a fold over all
// records in the order of their sequence numbers, in which each is added and the one that it
// supersedes is taken away. What is hidden, and why, plays no part in it. log/FORMAT.md says where
// the counters stand and how they are bounded.
//
// Nothing is counted when a run is appended. Records are folded before any of them may go, and when
// somebody asks.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "index/error.h"
#include "log/counter_fold.h"
#include "log/counter_format.h"
#include "log/flow_history.h"
#include "log/lmdb_env.h"
#include "log/snapshot.h"

namespace runlog {

struct LogState;

class Counters {
 public:
  explicit Counters(LogState& state) : state_(state) {}

  // For a writer that has just opened the log. A repair may have set aside the newest segments, so
  // that their sequence numbers are given out again. Errors: Corruption; DiskFull; IoError.
  Expected<void> open(SequenceNumber end);

  // Counts every record that is stored and writes it down: any may go afterwards. Whoever lets
  // records go calls it first. Thread-safe. Errors: Corruption (a bucket; a repair helps); DiskFull;
  // IoError.
  Expected<void> persist();

  // What the flow, or all flows together, did in the records below snapshot.end, and perhaps in a few
  // newer ones. Thread-safe. Errors: Corruption; IoError.
  Expected<FlowHistory> history(const Snapshot& snapshot, const std::optional<std::string>& flow);

 private:
  Expected<void> catch_up(const LmdbRead& read, const Snapshot& snapshot);
  Expected<void> read_buckets(
      const LmdbRead& read,
      const std::function<Expected<void>(std::uint64_t key, Bytes value)>& visit) const;
  struct Write;
  Expected<Write> prepare(const Snapshot& snapshot);
  Error in_file(const Error& error) const;

  LogState& state_;
  std::mutex mutex_;  // held while records are folded and written; nothing that appends waits for it
  bool is_known_ = false;          // the rest says something
  CounterMark mark_;               // as state/ has it
  CounterReach reach_;             // not below the mark's
  CounterChanges pending_;         // of the records from mark_.counted_to on
  SequenceNumber pending_to_ = 1;  // and below this
  std::uint64_t pending_uncounted_ = 0;
};

}  // namespace runlog
