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
    void add(AppendResult::Outcome outcome);
  };

  // What is on its way must have arrived: those that inherit call finish() when they end.
  virtual ~ImportPipeline() = default;
  ImportPipeline(const ImportPipeline&) = delete;
  ImportPipeline& operator=(const ImportPipeline&) = delete;

  // Takes `run` and the JSON that it was parsed from; the text may go afterwards. `line` is what to
  // call it. May wait for the disk. Errors: InvalidArgument, TooLarge (the run is refused, others are
  // not touched).
  virtual Expected<void> add(const Run& run, std::string_view json, const std::string& line) = 0;
  // Sends what was added, without waiting for a full batch.
  virtual void send() = 0;
  // Sends the last batch and waits until everything is on disk. Errors: see failure().
  Expected<void> finish();

  // Why an append failed; nothing is sent after that.
  std::optional<Error> failure() const;
  // What is safely on disk.
  Counts counts() const;
  // Runs that were refused later than add(), since the last call: the line's name and why.
  std::vector<std::string> take_refusals();

 protected:
  explicit ImportPipeline(unsigned most_in_flight) : most_in_flight_(most_in_flight) {}
  // Waits until one more batch may be on its way. False: one has failed, and no more are sent.
  bool begin_batch();
  // The batch is stored, or failed. Any thread; touches nothing of this once it returns.
  void end_batch(const Expected<Counts>& counted, const std::vector<std::string>& refusals = {});

 private:
  const unsigned most_in_flight_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable ended_;
  unsigned in_flight_ = 0;
  Counts counts_;
  std::vector<std::string> refusals_;
  std::optional<Error> failure_;
};

// Into a log of this process.
class LogImport final : public ImportPipeline {
 public:
  explicit LogImport(Log& log);
  ~LogImport() override { static_cast<void>(finish()); }

  Expected<void> add(const Run& run, std::string_view json, const std::string& line) override;
  void send() override;

 private:
  Log& log_;
  Batch batch_;
  std::size_t batch_json_bytes_ = 0;
};

}  // namespace runlog
