// The write path above a segment: decides for each run whether it is new, a duplicate or supersedes
// an earlier record, gives out sequence numbers, commits groups to the active segment, publishes
// them, and moves on to a new segment when the active one is full.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "log/active_segment.h"
#include "log/committer.h"
#include "log/log_state.h"

namespace runlog {

// The run ids of one group, by hash, with their positions in it. Made to be cleared often.
class PendingIds {
 public:
  void clear();
  void put(std::uint64_t hash, std::size_t position);
  std::vector<std::size_t> newest_first(std::uint64_t hash) const;

 private:
  struct Slot {
    std::uint64_t hash = 0;
    std::uint32_t position = 0;  // + 1; 0: empty
  };
  void place(const Slot& slot);
  std::vector<Slot> slots_;  // a power of two
  std::size_t used_ = 0;
};

class Appender {
 public:
  // `active` is the last segment of state.current. `wake_maintenance` is called after the log moved
  // on to a new one, and after a record ended a pause.
  Appender(LogState& state, std::shared_ptr<ActiveSegment> active, UnixMs last_recorded_at,
           std::function<void()> wake_maintenance);
  ~Appender() { close(); }

  // See Log::append.
  Expected<std::vector<AppendResult>> append(std::vector<EncodedRun> runs);
  void append_async(std::vector<EncodedRun> runs,
                    std::function<void(Expected<std::vector<AppendResult>>)> done);
  // The same as append, but in interval mode it returns when everything that was queued before and
  // `runs`, which may be none, are on disk.
  Expected<std::vector<AppendResult>> append_and_wait(std::vector<EncodedRun> runs);
  // Moves on to a new segment unless the active one is empty. Errors: as append.
  Expected<void> close_segment();
  // Commits what is queued and refuses the rest. The last error of interval mode, if there was one.
  Expected<void> close();

 private:
  // What a request's caller has not searched: segments from `first_segment` on.
  struct Unsearched {
    const Snapshot& snapshot;
    RecordReader& reader;
    std::size_t first_segment;
  };
  Expected<void> look_up(CommitRequest& request) const;
  // Hands over a request whose `done` is set; after a failure the caller still has it.
  Expected<void> queue(std::unique_ptr<CommitRequest>& request);
  void commit_group(std::span<CommitRequest* const> group);
  Expected<void> decide_all(std::span<CommitRequest* const> group);
  Expected<AppendResult> decide(EncodedRun& run, KnownRun known, UnixMs now,
                                const Unsearched& unsearched);
  Expected<std::optional<KnownRun>> find_in_group(const EncodedRun& run,
                                                  SequenceNumber sequence) const;
  Expected<std::optional<KnownRun>> find_newer(const EncodedRun& run, SequenceNumber sequence,
                                               const Unsearched& unsearched) const;
  Expected<bool> same_content(std::span<const std::byte> stored, SequenceNumber stored_sequence,
                              std::span<const std::byte> record, SequenceNumber sequence) const;
  std::span<const NewRecord> new_records();
  void publish();
  Expected<void> mend();
  Expected<void> make_next();
  Expected<void> roll();
  bool is_full() const;

  LogState& state_;
  std::function<void()> wake_maintenance_;

  // Owned by the one thread that commits.
  std::shared_ptr<ActiveSegment> active_;
  std::shared_ptr<ActiveSegment> next_;  // made, while the catalog is not known to name it
  UnixMs last_recorded_at_;
  bool needs_mending_ = false;
  std::vector<PendingRecord> pending_;
  std::vector<SequenceNumber> hidden_;
  std::vector<NewRecord> new_records_;
  PendingIds pending_ids_;

  std::mutex interval_mutex_;
  std::optional<Error> interval_error_;  // of a commit that nobody waited for

  std::mutex roll_mutex_;  // close_segment() against commits and close()
  bool closed_ = false;    // under roll_mutex_: another process may write from here on
  Committer committer_;    // last: its thread uses all of the above
};

}  // namespace runlog
