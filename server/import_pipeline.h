// Appends runs to a log in batches while the next ones are being read: at most two batches are on
// their way to the disk, so that memory stays bounded however long the input is.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

#include "log/log.h"

namespace runlog {

class ImportPipeline {
 public:
  struct Counts {
    std::uint64_t appended = 0, superseding = 0, duplicates = 0;
    std::uint64_t stored() const { return appended + superseding + duplicates; }
  };

  explicit ImportPipeline(Log& log) : log_(log), batch_(log.make_batch()) {}
  // Waits for what is on its way.
  ~ImportPipeline() { static_cast<void>(finish()); }
  ImportPipeline(const ImportPipeline&) = delete;
  ImportPipeline& operator=(const ImportPipeline&) = delete;

  // Takes `run`, whose text may go afterwards; `json_bytes` is what it took in the input. May wait
  // for the disk. Errors: InvalidArgument, TooLarge (the run is refused, others are not touched).
  Expected<void> add(const Run& run, std::size_t json_bytes);
  // Sends what was added, without waiting for a full batch.
  void send();
  // Sends the last batch and waits until everything is on disk. Errors: see failure().
  Expected<void> finish();

  // Why an append failed; nothing is sent after that.
  std::optional<Error> failure() const;
  // What is safely on disk.
  Counts counts() const;

 private:
  void on_stored(Expected<std::vector<AppendResult>> results);

  Log& log_;
  Batch batch_;
  std::size_t batch_json_bytes_ = 0;

  mutable std::mutex mutex_;  // guards what follows, which the log's thread changes
  std::condition_variable stored_;
  unsigned in_flight_ = 0;
  Counts counts_;
  std::optional<Error> failure_;
};

}  // namespace runlog
