// The background work of a log that is open for writing: sealing closed segments, merging
// neighbouring sealed ones of like size, so that a log has few segments however it grew, and, on an
// interval, hiding what has expired and giving its space back.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "index/error.h"
#include "log/log_state.h"
#include "log/sweep.h"

namespace runlog {

class Maintenance {
 public:
  explicit Maintenance(LogState& state);
  ~Maintenance() { stop(); }

  // Ends the background work and waits for its thread. One thread at a time.
  void stop();
  // Says that there may be something to do.
  void wake();
  // Waits until nothing is left to do. Errors: as problem(); Closed.
  Expected<void> wait_idle();
  // What kept the last round from finishing, or the newest damage for which segments were left as
  // they are. Thread-safe.
  std::optional<Error> problem() const;
  // Sweeps now: hides what has expired, then waits until the space was given back. Returns what
  // this and all other work did meanwhile. Errors: as wait_idle; ArchiveFailed.
  Expected<Reclaimed> sweep();
  // Calls `work` in this thread while nothing is sealed, merged or swept; it should end when its
  // argument becomes true. If it fails, the background work makes sure of the catalog's state before
  // it goes on. Errors: those of `work`; Closed; Corruption, IoError, DiskFull (catch_up()).
  Expected<void> alone(const std::function<Expected<void>(const std::atomic<bool>& stop)>& work);

 private:
  void run();
  Expected<void> round(bool after_failure, bool sweep);
  Expected<void> give_back();
  Expected<void> seal_and_merge();
  Expected<void> pass_over_archive(Expected<void> done, bool sweep);
  Expected<void> finish_forgetting();
  Expected<void> pass_over_damage(Expected<void> done, std::span<const SegmentView> segments);
  std::optional<Error> problem_locked() const { return error_ ? error_ : damage_; }

  LogState& state_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool wanted_ = true;  // somebody called wake() since the last round began
  bool sweep_wanted_ = false;
  Reclaimed reclaimed_;  // since the log was opened
  bool busy_ = false;
  std::atomic<bool> stop_ = false;  // set under mutex_
  std::optional<Error> error_;  // of the last round
  std::optional<Error> damage_;
  std::optional<Error> archive_error_;  // of the last sweep, or of a merge since
  // Segments that turned out to be damaged when they were to be sealed or merged, which would fail
  // again each time: not tried again before the log is opened again. The thread's own.
  std::vector<std::uint64_t> damaged_;
  std::thread thread_;
};

}  // namespace runlog
