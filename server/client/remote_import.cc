#include "server/client/remote_import.h"

#include <fmt/format.h>

namespace runlog {
namespace {

constexpr std::size_t kRequestRuns = 1000;
constexpr std::size_t kBatchBytes = 512u << 10;  // of JSON; a request may have 1 MiB
constexpr std::size_t kRoom = 4096;              // of what surrounds one run in a request
constexpr unsigned kRequestsInFlight = 4;

}  // namespace

RemoteImport::RemoteImport(RemoteLog& log) : ImportPipeline(kRequestsInFlight), log_(log) {}

Expected<void> RemoteImport::add(const Run&, std::string_view json, const std::string& line) {
  if (json.size() > kMaxRequestBytes - kRoom) {
    return fail(ErrorCode::TooLarge,
                fmt::format("the run has {} bytes of JSON; over a connection it may have {}",
                            json.size(), kMaxRequestBytes - kRoom));
  }
  if (bytes_ + json.size() > kBatchBytes || texts_.size() >= kRequestRuns) send();
  texts_.emplace_back(json);
  lines_.push_back(line);
  bytes_ += json.size();
  return {};
}

void RemoteImport::send() {
  if (texts_.empty()) return;
  if (begin_batch()) {
    log_.append_async({texts_.begin(), texts_.end()},
                      [this, lines = std::move(lines_)](const auto& outcomes) {
                        on_stored(lines, outcomes);
                      });
  }
  texts_.clear();
  lines_.clear();
  bytes_ = 0;
}

void RemoteImport::on_stored(const std::vector<std::string>& lines,
                             const Expected<std::vector<RemoteLog::AppendOutcome>>& outcomes) {
  if (!outcomes) return end_batch(tl::unexpected(outcomes.error()));
  Counts counted;
  std::vector<std::string> refusals;
  for (std::size_t i = 0; i < outcomes->size(); ++i) {
    const RemoteLog::AppendOutcome& outcome = (*outcomes)[i];
    if (outcome)
      counted.add(outcome->outcome);
    else
      refusals.push_back(lines[i] + ": " + outcome.error().message);
  }
  end_batch(counted, refusals);
}

}  // namespace runlog
