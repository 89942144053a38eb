// The import of runs over a network; see server/import_pipeline.h.
#pragma once

#include <string>
#include <vector>

#include "server/client/remote_log.h"
#include "server/import_pipeline.h"

namespace runlog {

class RemoteImport final : public ImportPipeline {
 public:
  explicit RemoteImport(RemoteLog& log);
  ~RemoteImport() override { static_cast<void>(finish()); }

  Expected<void> add(const Run& run, std::string_view json, const std::string& line) override;
  void send() override;

 private:
  void on_stored(const std::vector<std::string>& lines,
                 const Expected<std::vector<RemoteLog::AppendOutcome>>& outcomes);

  RemoteLog& log_;
  std::vector<std::string> texts_, lines_;  // of the batch that is being filled
  std::size_t bytes_ = 0;
};

}  // namespace runlog
