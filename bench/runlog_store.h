// runlog itself, asked like its peers. Each question takes a snapshot of its own, as a server
// would.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "bench/store.h"
#include "log/log.h"
#include "query/query.h"

namespace runlog::bench {

class RunlogStore final : public Store {
 public:
  RunlogStore(const std::filesystem::path& directory, const LogOptions& options);
  ~RunlogStore() override;

  std::string_view name() const override { return "runlog"; }
  void append(std::span<const Run> runs) override;
  void load(std::span<const Run> runs) override;
  void settle() override;
  // Waits until nothing is left to seal or to merge.
  void wait_idle();
  std::size_t get_stored(std::string_view run_id) override;
  const Run& get(std::string_view run_id) override;
  std::span<const RunHead> list(const PageRequest& request) override;
  std::string next_cursor() const override { return page_.next_cursor; }
  std::uint64_t count_flow(std::string_view flow) override;
  std::uint64_t count_status(RunStatus status) override;

  // Encodes in the caller's thread; `done` is called when the runs are on disk. Thread-safe.
  void append_async(std::span<const Run> runs, std::function<void()> done);
  // Throws if an asynchronous append has failed.
  void check_async();
  // The first sequence number of the active segment: another once a segment was full and sealed.
  SequenceNumber active_segment() { return log_->describe().segments.back().first; }
  Log& log() { return *log_; }

 private:
  std::shared_ptr<Log> log_;
  std::vector<std::byte> stored_;
  OwnedRun run_;
  ListResult page_;
  std::mutex mutex_;
  std::string async_failure_;
};

// The value, or the error as an exception.
template <typename T>
T take(Expected<T> value) {
  if (!value) throw std::runtime_error(value.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*value);
}

}  // namespace runlog::bench
