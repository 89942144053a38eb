// The import of runs over a network; see server/import_pipeline.h.
#pragma once

#include <condition_variable>
#include <mutex>

#include "server/client/remote_log.h"
#include "server/import_pipeline.h"

namespace runlog {

class RemoteImport final : public ImportPipeline {
 public:
  explicit RemoteImport(RemoteLog& log) : log_(log) {}
  ~RemoteImport() override { static_cast<void>(finish()); }

  Expected<void> add(const Run& run, std::string_view json, const std::string& line) override;
  void send() override;
  Expected<void> finish() override;
  std::optional<Error> failure() const override;
  Counts counts() const override;
  std::vector<std::string> take_refusals() override;

 private:
  void on_stored(const std::vector<std::string>& lines,
                 const Expected<std::vector<RemoteLog::AppendOutcome>>& outcomes);

  RemoteLog& log_;
  std::vector<std::string> texts_, lines_;  // of the batch that is being filled
  std::size_t bytes_ = 0;

  mutable std::mutex mutex_;  // guards what follows, which the client's thread changes
  std::condition_variable stored_;
  unsigned in_flight_ = 0;
  Counts counts_;
  std::vector<std::string> refusals_;
  std::optional<Error> failure_;
};

}  // namespace runlog
