// The server's event loop: one thread on which every connection lives, and a small pool of worker
// threads for what may block (long scans, whatever writes). libuv's own pool is not used.
//
// What happens on the loop must be short: everybody waits for it. Only post(), work(), call() and
// stop() may be called from other threads; everything else of the transport belongs to the loop.
#pragma once

#include <uv.h>

#include <chrono>
#include <concepts>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace runlog {

class Loop {
 public:
  // Starts the threads.
  explicit Loop(unsigned workers = 4);
  // stop(), unless that was done.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  bool is_current() const { return std::this_thread::get_id() == thread_.get_id(); }

  // Runs `task` on the loop, in the order of the posts. Any thread. After stop() it is dropped.
  void post(std::function<void()> task);

  // Runs `task` on a worker. Any thread. After stop() it is dropped. Tasks stand in lanes, which
  // take turns; the lane of one tenant leaves a worker to the others, however much it has to do.
  // The lane "" is nobody's, for what is short, and has no such limit.
  void work(const std::string& lane, std::function<void()> task);
  void work(std::function<void()> task) { work(std::string(), std::move(task)); }
  // The same, then `done` with its result on the loop.
  template <std::invocable Task, typename Done>
  void work(Task task, Done done) {
    work(std::string(), std::move(task), std::move(done));
  }
  template <typename Task, typename Done>
  void work(const std::string& lane, Task task, Done done) {
    work(lane, [this, task = std::move(task), done = std::move(done)]() mutable {
      using Result = decltype(task());
      auto result = std::make_shared<Result>(task());
      post([done = std::move(done), result]() mutable { done(std::move(*result)); });
    });
  }
  // How many tasks wait for a worker. Any thread.
  std::size_t waiting_work() const;

  // Runs `task` on the loop and returns its result. Any thread but a worker that the loop waits for.
  template <typename Task>
  auto call(Task task) -> decltype(task()) {
    if (is_current()) return task();
    std::packaged_task<decltype(task())()> packaged(std::move(task));
    auto result = packaged.get_future();
    post([&packaged] { packaged(); });
    return result.get();
  }

  // Finishes the work that waits and what was posted until then, and ends the threads. Listeners,
  // connections and timers must be gone by then. Not on the loop or a worker.
  void stop();

  // ---- on the loop alone ----------------------------------------------------------------------

  // Runs `task` once, at the end of this turn of the loop: after everything that the system
  // reported in one go. What was written to connections meanwhile leaves in one piece.
  void at_end_of_turn(std::function<void()> task) { at_end_of_turn_.push_back(std::move(task)); }
  // When this turn began, in milliseconds of a steady clock.
  std::uint64_t now_ms() const { return uv_now(&loop_); }
  uv_loop_t* uv() { return &loop_; }
  // A buffer to read into, which every connection shares: nothing stays in it after a callback.
  std::vector<char>& read_buffer() { return read_buffer_; }

 private:
  void run();
  void run_posted();
  void run_end_of_turn();
  void run_worker();
  void close_handles();

  uv_loop_t loop_{};
  uv_async_t async_{};
  uv_prepare_t before_poll_{};
  uv_check_t after_poll_{};
  std::vector<char> read_buffer_;
  std::vector<std::function<void()>> at_end_of_turn_;

  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;
  bool is_stopped_ = false;

  struct Lane {
    unsigned most_at_work = 1;
    unsigned at_work = 0;  // workers
    bool is_next = false;  // stands in next_
    std::deque<std::function<void()>> waiting;
  };
  using Lanes = std::map<std::string, Lane>;
  void let_work(Lanes::iterator lane);

  mutable std::mutex work_mutex_;
  std::condition_variable work_there_;
  Lanes lanes_;  // those that have something to do
  std::deque<Lanes::iterator> next_;  // those a worker may take from
  std::size_t waiting_work_ = 0;
  bool work_ends_ = false;

  std::thread thread_;
  const unsigned worker_count_;
  std::vector<std::thread> workers_;
};

// Calls `task` on the loop after a while, again and again if a period is given. Made, used and
// destroyed on the loop; may be destroyed by its own task.
class Timer {
 public:
  Timer(Loop& loop, std::function<void()> task);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Starting again replaces the earlier time. `period` 0: once.
  void start(std::chrono::milliseconds after, std::chrono::milliseconds period = {});
  void stop();

 private:
  struct Handle {
    uv_timer_t timer{};
    std::function<void()> task;
  };
  Handle* handle_;  // outlives the Timer until libuv has let go of it
};

}  // namespace runlog
