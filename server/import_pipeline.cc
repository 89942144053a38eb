#include "server/import_pipeline.h"

namespace runlog {
namespace {

// Batches of 1,000 come near the disk's speed; larger ones gain little and hold more memory.
constexpr std::size_t kBatchRuns = 1000;
constexpr std::size_t kBatchJsonBytes = 16u << 20;
constexpr unsigned kBatchesInFlight = 2;

}  // namespace

Expected<void> LogImport::add(const Run& run, std::string_view json, const std::string&) {
  if (auto added = batch_.add(run); !added) return added;
  batch_json_bytes_ += json.size();
  if (batch_.size() >= kBatchRuns || batch_json_bytes_ >= kBatchJsonBytes) send();
  return {};
}

void LogImport::send() {
  Batch full = std::move(batch_);
  batch_ = log_.make_batch();
  batch_json_bytes_ = 0;
  if (full.size() == 0) return;
  {
    std::unique_lock lock(mutex_);
    stored_.wait(lock, [&] { return in_flight_ < kBatchesInFlight; });
    if (failure_) return;
    ++in_flight_;
  }
  log_.append_async(std::move(full), [this](Expected<std::vector<AppendResult>> results) {
    on_stored(std::move(results));
  });
}

void LogImport::on_stored(Expected<std::vector<AppendResult>> results) {
  // Notified under the lock: the waiter may destroy this object as soon as it sees the change.
  const std::lock_guard lock(mutex_);
  --in_flight_;
  if (!results) {
    if (!failure_) failure_ = results.error();
  } else {
    for (const AppendResult& result : *results) {
      switch (result.outcome) {
        case AppendResult::Outcome::kAppended: ++counts_.appended; break;
        case AppendResult::Outcome::kDuplicate: ++counts_.duplicates; break;
        case AppendResult::Outcome::kSuperseded: ++counts_.superseding; break;
      }
    }
  }
  stored_.notify_all();
}

Expected<void> LogImport::finish() {
  send();
  std::unique_lock lock(mutex_);
  stored_.wait(lock, [&] { return in_flight_ == 0; });
  if (failure_) return tl::unexpected(*failure_);
  return {};
}

std::optional<Error> LogImport::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

ImportPipeline::Counts LogImport::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace runlog
