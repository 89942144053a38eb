#include "server/transport/loop.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace runlog {
namespace {

constexpr std::size_t kReadBytes = 64u << 10;

// A loop that cannot be made means that the process has no descriptors or memory left at its start.
void require(int result, const char* deed) {
  if (result == 0) return;
  std::fprintf(stderr, "runlog: %s: %s\n", deed, uv_strerror(result));
  std::abort();
}

// A peer that is gone is an error of that write alone, not a signal for the process.
void block_broken_pipes() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace

Loop::Loop(unsigned workers) : read_buffer_(kReadBytes), worker_count_(workers) {
  require(uv_loop_init(&loop_), "the event loop could not be made");
  loop_.data = this;
  require(uv_async_init(&loop_, &async_,
                        [](uv_async_t* async) {
                          static_cast<Loop*>(async->loop->data)->run_posted();
                        }),
          "the event loop could not be made");
  uv_prepare_init(&loop_, &before_poll_);
  uv_prepare_start(&before_poll_, [](uv_prepare_t* handle) {
    static_cast<Loop*>(handle->loop->data)->run_end_of_turn();
  });
  uv_check_init(&loop_, &after_poll_);
  uv_check_start(&after_poll_, [](uv_check_t* handle) {
    static_cast<Loop*>(handle->loop->data)->run_end_of_turn();
  });
  // The loop's thread looks at thread_ through is_current(), so it waits until that is set.
  std::promise<void> thread_is_known;
  thread_ = std::thread([this, known = thread_is_known.get_future()]() mutable {
    known.wait();
    run();
  });
  thread_is_known.set_value();
  for (unsigned i = 0; i < workers; ++i) workers_.emplace_back([this] { run_worker(); });
}

Loop::~Loop() { stop(); }

void Loop::post(std::function<void()> task) {
  const std::lock_guard lock(posted_mutex_);
  if (is_stopped_) return;
  posted_.push_back(std::move(task));
  if (posted_.size() == 1) uv_async_send(&async_);  // else the loop was woken already
}

void Loop::work(const std::string& lane, std::function<void()> task) {
  const std::lock_guard lock(work_mutex_);
  if (work_ends_) return;
  const auto entry = lanes_.try_emplace(lane).first;
  entry->second.most_at_work =
      lane.empty() ? worker_count_ : std::max(worker_count_ - 1, 1u);
  entry->second.waiting.push_back(std::move(task));
  ++waiting_work_;
  let_work(entry);
}

// Lets a worker take the lane's next task, unless enough of them are at work for it.
void Loop::let_work(Lanes::iterator entry) {
  Lane& lane = entry->second;
  if (lane.is_next || lane.waiting.empty() || lane.at_work >= lane.most_at_work) return;
  lane.is_next = true;
  next_.push_back(entry);
  work_there_.notify_one();
}

std::size_t Loop::waiting_work() const {
  const std::lock_guard lock(work_mutex_);
  return waiting_work_;
}

void Loop::run_posted() {
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(posted_mutex_);
    tasks.swap(posted_);
  }
  for (auto& task : tasks) task();
}

void Loop::run_end_of_turn() {
  // A task may add others, which belong to this turn too.
  while (!at_end_of_turn_.empty()) {
    std::vector<std::function<void()>> tasks;
    tasks.swap(at_end_of_turn_);
    for (auto& task : tasks) task();
  }
}

void Loop::run() {
  block_broken_pipes();
  uv_run(&loop_, UV_RUN_DEFAULT);  // until stop() closes what keeps it going
}

void Loop::run_worker() {
  block_broken_pipes();
  std::unique_lock lock(work_mutex_);
  for (;;) {
    // At the end, whoever is at work for a lane takes what waits in it too.
    work_there_.wait(lock, [this] { return work_ends_ || !next_.empty(); });
    if (next_.empty()) return;
    const auto entry = next_.front();
    next_.pop_front();
    Lane& lane = entry->second;
    lane.is_next = false;
    std::function<void()> task = std::move(lane.waiting.front());
    lane.waiting.pop_front();
    --waiting_work_;
    ++lane.at_work;
    let_work(entry);
    lock.unlock();
    task();
    task = nullptr;  // not while the lock is held: it may be the last to hold a log
    lock.lock();
    --lane.at_work;
    let_work(entry);
    if (lane.at_work == 0 && !lane.is_next) lanes_.erase(entry);
  }
}

void Loop::close_handles() {
  run_end_of_turn();
  // Listeners, connections and timers are closed by whoever owns them, before; what is left is ours.
  // Closing others' handles too makes a forgotten one a leak and not a thread that never ends.
  uv_walk(
      &loop_,
      [](uv_handle_t* handle, void*) {
        if (!uv_is_closing(handle)) uv_close(handle, nullptr);
      },
      nullptr);
}

void Loop::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(work_mutex_);
    work_ends_ = true;
  }
  work_there_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  {
    const std::lock_guard lock(posted_mutex_);
    posted_.push_back([this] { close_handles(); });
    is_stopped_ = true;
    uv_async_send(&async_);
  }
  thread_.join();
  uv_loop_close(&loop_);
}

// ---- Timer ------------------------------------------------------------------------------------

Timer::Timer(Loop& loop, std::function<void()> task) : handle_(new Handle) {
  uv_timer_init(loop.uv(), &handle_->timer);
  handle_->timer.data = handle_;
  handle_->task = std::move(task);
}

Timer::~Timer() {
  if (uv_is_closing(reinterpret_cast<uv_handle_t*>(&handle_->timer))) return;
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_->timer), [](uv_handle_t* handle) {
    delete static_cast<Handle*>(handle->data);
  });
}

void Timer::start(std::chrono::milliseconds after, std::chrono::milliseconds period) {
  uv_timer_start(
      &handle_->timer, [](uv_timer_t* timer) { static_cast<Handle*>(timer->data)->task(); },
      std::uint64_t(after.count()), std::uint64_t(period.count()));
}

void Timer::stop() { uv_timer_stop(&handle_->timer); }

}  // namespace runlog
