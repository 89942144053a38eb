#include "server/client/remote_import.h"

#include <fmt/format.h>

namespace runlog {
namespace {

constexpr std::size_t kBatchRuns = 1000;
constexpr std::size_t kBatchBytes = 512u << 10;  // of JSON; a request may have 1 MiB
constexpr std::size_t kRoom = 4096;              // of what surrounds one run in a request
constexpr unsigned kBatchesInFlight = 4;

}  // namespace

Expected<void> RemoteImport::add(const Run&, std::string_view json, const std::string& line) {
  if (json.size() > kMaxRequestBytes - kRoom) {
    return fail(ErrorCode::TooLarge,
                fmt::format("the run has {} bytes of JSON; over a connection it may have {}",
                            json.size(), kMaxRequestBytes - kRoom));
  }
  if (bytes_ + json.size() > kBatchBytes || texts_.size() >= kBatchRuns) send();
  texts_.emplace_back(json);
  lines_.push_back(line);
  bytes_ += json.size();
  return {};
}

void RemoteImport::send() {
  if (texts_.empty()) return;
  bool is_over = false;  // what is left is never sent
  {
    std::unique_lock lock(mutex_);
    stored_.wait(lock, [&] { return in_flight_ < kBatchesInFlight; });
    if (!failure_) ++in_flight_;
    is_over = failure_.has_value();
  }
  if (!is_over) {
    log_.append_async({texts_.begin(), texts_.end()},
                      [this, lines = std::move(lines_)](auto outcomes) {
                        on_stored(lines, outcomes);
                      });
  }
  texts_.clear();
  lines_.clear();
  bytes_ = 0;
}

void RemoteImport::on_stored(const std::vector<std::string>& lines,
                             const Expected<std::vector<RemoteLog::AppendOutcome>>& outcomes) {
  // Notified under the lock: the waiter may destroy this object as soon as it sees the change.
  const std::lock_guard lock(mutex_);
  --in_flight_;
  if (!outcomes && !failure_) failure_ = outcomes.error();
  for (std::size_t i = 0; outcomes && i < outcomes->size(); ++i) {
    const auto& outcome = (*outcomes)[i];
    if (!outcome) {
      refusals_.push_back(lines[i] + ": " + outcome.error().message);
      continue;
    }
    switch (outcome->outcome) {
      case AppendResult::Outcome::kAppended: ++counts_.appended; break;
      case AppendResult::Outcome::kDuplicate: ++counts_.duplicates; break;
      case AppendResult::Outcome::kSuperseded: ++counts_.superseding; break;
    }
  }
  stored_.notify_all();
}

Expected<void> RemoteImport::finish() {
  send();
  std::unique_lock lock(mutex_);
  stored_.wait(lock, [&] { return in_flight_ == 0; });
  if (failure_) return tl::unexpected(*failure_);
  return {};
}

std::optional<Error> RemoteImport::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

ImportPipeline::Counts RemoteImport::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

std::vector<std::string> RemoteImport::take_refusals() {
  const std::lock_guard lock(mutex_);
  return std::exchange(refusals_, {});
}

}  // namespace runlog
