// Appends runs in batches while the next ones are being read: at most a few batches are on their
// way to the disk, so that memory stays bounded however long the input is.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "log/log.h"

namespace runlog {

class ImportPipeline {
 public:
  struct Counts {
    std::uint64_t appended = 0, superseding = 0, duplicates = 0;
    std::uint64_t stored() const { return appended + superseding + duplicates; }
  };

  // Waits for what is on its way.
  virtual ~ImportPipeline() = default;

  // Takes `run` and the JSON that it was parsed from; the text may go afterwards. `line` is what to
  // call it. May wait for the disk. Errors: InvalidArgument, TooLarge (the run is refused, others are
  // not touched).
  virtual Expected<void> add(const Run& run, std::string_view json, const std::string& line) = 0;
  // Sends what was added, without waiting for a full batch.
  virtual void send() = 0;
  // Sends the last batch and waits until everything is on disk. Errors: see failure().
  virtual Expected<void> finish() = 0;

  // Why an append failed; nothing is sent after that.
  virtual std::optional<Error> failure() const = 0;
  // What is safely on disk.
  virtual Counts counts() const = 0;
  // Runs that were refused later than add(), since the last call: the line's name and why.
  virtual std::vector<std::string> take_refusals() { return {}; }
};

// Into a log of this process.
class LogImport final : public ImportPipeline {
 public:
  explicit LogImport(Log& log) : log_(log), batch_(log.make_batch()) {}
  ~LogImport() override { static_cast<void>(finish()); }
  LogImport(const LogImport&) = delete;
  LogImport& operator=(const LogImport&) = delete;

  Expected<void> add(const Run& run, std::string_view json, const std::string& line) override;
  void send() override;
  Expected<void> finish() override;
  std::optional<Error> failure() const override;
  Counts counts() const override;

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
