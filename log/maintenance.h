// The background work of a log that is open for writing: sealing closed segments, and merging
// neighbouring sealed ones of like size, so that a log has few segments however it grew.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "index/error.h"
#include "log/log_state.h"

namespace runlog {

class Maintenance {
 public:
  explicit Maintenance(LogState& state);
  ~Maintenance() { stop(); }

  // Ends the background work and waits for its thread. One thread at a time.
  void stop();
  // Says that there may be something to do.
  void wake();
  // Waits until nothing is left to do. Errors: what kept the last round from finishing; Closed.
  Expected<void> wait_idle();

 private:
  void run();
  Expected<void> round(bool after_failure);

  LogState& state_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool wanted_ = true;  // somebody called wake() since the last round began
  bool busy_ = false;
  std::atomic<bool> stop_ = false;  // set under mutex_
  std::optional<Error> error_;  // of the last round
  std::thread thread_;
};

}  // namespace runlog
