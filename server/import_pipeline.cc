#include "server/import_pipeline.h"

#include <utility>

namespace runlog {
namespace {

// Batches of 1,000 come near the disk's speed; larger ones gain little and hold more memory.
constexpr std::size_t kBatchRuns = 1000;
constexpr std::size_t kBatchJsonBytes = 16u << 20;
constexpr unsigned kBatchesInFlight = 2;

Expected<ImportPipeline::Counts> counted(const Expected<std::vector<AppendResult>>& results) {
  if (!results) return tl::unexpected(results.error());
  ImportPipeline::Counts counts;
  for (const AppendResult& result : *results) counts.add(result.outcome);
  return counts;
}

}  // namespace

// ---- what is on its way -----------------------------------------------------------------------

void ImportPipeline::Counts::add(AppendResult::Outcome outcome) {
  switch (outcome) {
    case AppendResult::Outcome::kAppended: ++appended; break;
    case AppendResult::Outcome::kDuplicate: ++duplicates; break;
    case AppendResult::Outcome::kSuperseded: ++superseding; break;
  }
}

bool ImportPipeline::begin_batch() {
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [&] { return in_flight_ < most_in_flight_; });
  if (failure_) return false;
  ++in_flight_;
  return true;
}

void ImportPipeline::end_batch(const Expected<Counts>& counted,
                               const std::vector<std::string>& refusals) {
  // Notified under the lock: the waiter may destroy this object as soon as it sees the change.
  const std::lock_guard lock(mutex_);
  --in_flight_;
  if (counted) {
    counts_.appended += counted->appended;
    counts_.superseding += counted->superseding;
    counts_.duplicates += counted->duplicates;
  } else if (!failure_) {
    failure_ = counted.error();
  }
  refusals_.insert(refusals_.end(), refusals.begin(), refusals.end());
  ended_.notify_all();
}

Expected<void> ImportPipeline::finish() {
  send();
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [&] { return in_flight_ == 0; });
  if (failure_) return tl::unexpected(*failure_);
  return {};
}

std::optional<Error> ImportPipeline::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

ImportPipeline::Counts ImportPipeline::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

std::vector<std::string> ImportPipeline::take_refusals() {
  const std::lock_guard lock(mutex_);
  return std::exchange(refusals_, {});
}

// ---- into a log of this process ---------------------------------------------------------------

LogImport::LogImport(Log& log)
    : ImportPipeline(kBatchesInFlight), log_(log), batch_(log.make_batch()) {}

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
  if (full.size() == 0 || !begin_batch()) return;
  log_.append_async(std::move(full), [this](const Expected<std::vector<AppendResult>>& results) {
    end_batch(counted(results));
  });
}

}  // namespace runlog
