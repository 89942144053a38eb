// A log that is open for reading beside another process's writer: before each snapshot it looks for
// what the writer has committed, sealed and merged since.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>

#include "index/error.h"
#include "log/log_open.h"
#include "log/log_state.h"
#include "log/snapshot.h"

namespace runlog {

class LogFollower {
 public:
  // Errors: as Log::open_read_only.
  static Expected<std::unique_ptr<LogFollower>> open(const std::filesystem::path& directory);

  // Takes what the writer has committed over into state().current, which shows also what is too old
  // by now. Thread-safe. Errors: Corruption; IoError.
  Expected<void> follow();
  // The newest snapshot as a reader should see it. Thread-safe. Errors: Corruption; IoError.
  Expected<std::shared_ptr<const Snapshot>> refresh();

  LogState& state() { return state_; }

 private:
  Expected<void> look();
  Expected<void> reload(bool afresh = false);
  Expected<void> load(const Catalog::Contents& contents, DamagedSegments damaged, bool afresh);
  Expected<void> follow_records();
  // Whether state/ has other paused runs than before.
  Expected<bool> read_paused();
  Expected<void> show_paused(bool has_changed);

  LogState state_;
  std::mutex mutex_;  // one refresh at a time
  std::uint64_t generation_ = 0;
  std::optional<std::uint64_t> paused_changes_;  // of state/ that paused_ has; none: it was not read
  PausedSet paused_;                      // as state/ has them, ended or not
  SequenceNumber paused_checked_end_ = 0;  // no record below it ended a pause of the snapshot's
};

}  // namespace runlog
