// A log that is open for reading beside another process's writer: before each snapshot it looks for
// what the writer has committed, sealed and merged since.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>

#include "index/error.h"
#include "log/log_state.h"
#include "log/snapshot.h"

namespace runlog {

class LogFollower {
 public:
  // Errors: as Log::open_read_only.
  static Expected<std::unique_ptr<LogFollower>> open(const std::filesystem::path& directory);

  // The newest snapshot. Thread-safe. Errors: Corruption; IoError.
  Expected<std::shared_ptr<const Snapshot>> refresh();

  LogState& state() { return state_; }

 private:
  Expected<void> reload();
  Expected<void> follow_records();

  LogState state_;
  std::mutex mutex_;  // one refresh at a time
  std::uint64_t generation_ = 0;
};

}  // namespace runlog
