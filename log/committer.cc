#include "log/committer.h"

#include <exception>
#include <utility>

namespace runlog {
namespace {

// Bounds on one group, so that an acknowledgement never waits for more than a few milliseconds of
// other runs' work.
constexpr std::size_t kMaxGroupRuns = 16384;
constexpr std::size_t kMaxGroupBytes = 16u << 20;
// What may wait in interval mode, where nobody else holds appenders back.
constexpr std::size_t kMaxQueuedBytes = 64u << 20;

std::size_t bytes_of(const CommitRequest& request) {
  std::size_t bytes = 0;
  for (const EncodedRun& run : request.runs) bytes += run.bytes.size();
  return bytes;
}

}  // namespace

Committer::Committer(CommitGroup commit_group, std::chrono::milliseconds interval)
    : commit_group_(std::move(commit_group)), interval_(interval) {
  writer_ = std::thread([this] { run_writer(); });
}

Committer::~Committer() { close(); }

bool Committer::commit(CommitRequest& request) {
  request.waited_for = true;
  std::unique_lock lock(mutex_);
  if (closed_) return false;
  queue_.push_back(&request);
  queued_bytes_ += bytes_of(request);
  bool my_turn = !leading_;
  leading_ = true;
  for (;;) {
    if (my_turn) {
      request.state.store(CommitRequest::kWaiting, std::memory_order_relaxed);
      lead(lock);
    } else {
      lock.unlock();
    }
    // A group is bounded, so even the one that this thread led may have ended before its request.
    request.state.wait(CommitRequest::kWaiting, std::memory_order_acquire);
    if (request.state.load(std::memory_order_acquire) == CommitRequest::kDone) return true;
    my_turn = true;
    lock.lock();
  }
}

bool Committer::submit(std::unique_ptr<CommitRequest>& request) {
  std::unique_lock lock(mutex_);
  if (interval_.count() > 0)
    queue_drained_.wait(lock, [&] { return closed_ || queued_bytes_ < kMaxQueuedBytes; });
  if (closed_) return false;
  queued_bytes_ += bytes_of(*request);
  queue_.push_back(request.release());
  if (leading_ || interval_.count() > 0) return true;
  leading_ = true;
  writer_turn_ = true;
  lock.unlock();
  writer_wake_.notify_one();
  return true;
}

std::vector<CommitRequest*> Committer::take_group() {
  std::vector<CommitRequest*> group;
  std::size_t runs = 0, bytes = 0;
  while (!queue_.empty() && (group.empty() || (runs < kMaxGroupRuns && bytes < kMaxGroupBytes))) {
    CommitRequest* const request = queue_.front();
    queue_.pop_front();
    runs += request->runs.size();
    bytes += bytes_of(*request);
    group.push_back(request);
  }
  queued_bytes_ -= bytes;
  return group;
}

// Commits one group. Called with the lock held and leading_ set; returns with the lock released.
void Committer::lead(std::unique_lock<std::mutex>& lock) {
  const std::vector<CommitRequest*> group = take_group();
  lock.unlock();
  try {
    commit_group_(group);
  } catch (const std::exception& problem) {
    // No memory, perhaps. Those that wait here or come later must not wait for ever.
    for (CommitRequest* const request : group)
      request->error = Error{ErrorCode::OutcomeUnknown, problem.what()};
  }
  lock.lock();
  pass_on_lead();
  lock.unlock();
  queue_drained_.notify_all();
  for (CommitRequest* const request : group) {
    if (request->waited_for) {
      // The waiting thread may return, and its request go, as soon as the state is set.
      std::atomic<int>& state = request->state;
      state.store(CommitRequest::kDone, std::memory_order_release);
      state.notify_one();
      continue;
    }
    const std::unique_ptr<CommitRequest> owned(request);
    if (!owned->done) continue;
    if (owned->error)
      owned->done(tl::unexpected(*owned->error));
    else
      owned->done(std::move(owned->results));
  }
}

void Committer::pass_on_lead() {
  if (queue_.empty() || interval_.count() > 0) {
    leading_ = false;
    if (closed_) writer_wake_.notify_one();
    return;
  }
  for (CommitRequest* const request : queue_) {
    if (!request->waited_for) continue;
    request->state.store(CommitRequest::kLead, std::memory_order_release);
    request->state.notify_one();
    return;
  }
  writer_turn_ = true;
  writer_wake_.notify_one();
}

void Committer::run_writer() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (interval_.count() > 0) {
      writer_wake_.wait_for(lock, interval_, [&] { return closed_; });
      while (!queue_.empty()) {
        leading_ = true;
        lead(lock);
        lock.lock();
      }
    } else {
      writer_wake_.wait(lock, [&] { return writer_turn_ || (closed_ && !leading_); });
      while (writer_turn_) {
        writer_turn_ = false;
        lead(lock);
        lock.lock();
      }
    }
    if (closed_ && queue_.empty() && !leading_) return;
  }
}

void Committer::close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  writer_wake_.notify_all();
  queue_drained_.notify_all();
  if (writer_.joinable()) writer_.join();
}

}  // namespace runlog
