// Group commit: any number of threads hand in batches, and whatever waits when a commit begins goes
// into it. There is always at most one commit under way.
//
// Who commits? A thread that waits for its own batch (the leader): for a lone appender this saves
// the hand-over to another thread, which costs more than a sync. Batches that nobody waits for are
// committed by one standing writer thread. When a leader is done and more has queued up, the first
// waiting thread of the queue leads next, or the writer thread if nobody there waits.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "index/error.h"
#include "log/log.h"
#include "log/record.h"

namespace runlog {

// What is known of a run before it is committed: its visible record among the segments that end at
// or below `CommitRequest::searched_end`.
struct KnownRun {
  SequenceNumber sequence = 0;  // 0: not there
  bool same_content = false;
};

struct CommitRequest {
  std::vector<EncodedRun> runs;
  std::vector<KnownRun> known;  // one per run
  SequenceNumber searched_end = 0;
  std::vector<AppendResult> results;  // filled by the commit, one per run
  std::optional<Error> error;         // set by the commit if it failed
  std::function<void(Expected<std::vector<AppendResult>>)> done;  // empty: a thread waits
  bool waited_for = false;

 private:
  friend class Committer;
  // kWaiting → kLead (this thread commits now) or kDone.
  enum State : int { kWaiting, kLead, kDone };
  std::atomic<int> state{kWaiting};
};

class Committer {
 public:
  // Commits a group and fills in each request's results or error; what it throws is the error of
  // all. Called by one thread at a time.
  using CommitGroup = std::function<void(std::span<CommitRequest* const>)>;

  // With `interval` above zero the standing writer makes one commit per interval, and no thread
  // leads.
  Committer(CommitGroup commit_group, std::chrono::milliseconds interval);
  ~Committer();

  // Queues `request` and waits until it is committed. False: the committer is closed.
  bool commit(CommitRequest& request);
  // Queues `request`, whose `done` is called after the commit. False: the committer is closed, and
  // `request` is left with the caller.
  bool submit(std::unique_ptr<CommitRequest>& request);
  // Commits what is queued, then refuses everything. Blocks until the writer thread has ended.
  void close();

 private:
  void lead(std::unique_lock<std::mutex>& lock);
  std::vector<CommitRequest*> take_group();
  void pass_on_lead();
  void run_writer();

  CommitGroup commit_group_;
  std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::condition_variable writer_wake_;   // the writer thread has something to do
  std::condition_variable queue_drained_;  // room in the queue, in interval mode
  std::deque<CommitRequest*> queue_;       // those with `done` are owned
  std::size_t queued_bytes_ = 0;
  bool leading_ = false;      // somebody commits, or was asked to
  bool writer_turn_ = false;  // it is the writer thread
  bool closed_ = false;
  std::thread writer_;
};

}  // namespace runlog
