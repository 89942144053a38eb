// One run for people: what it was, why it failed, then its steps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "log/paused_runs.h"
#include "log/run.h"
#include "server/console.h"

namespace runlog {

// How often the log holds a run's error, and since when.
struct ErrorHistory {
  std::uint64_t runs = 0;
  UnixMs first_started_at = 0;
};

struct RunPageOptions {
  bool every_iteration = false;  // see RunTreeOptions
  UnixMs now = 0;                // what "3 hours ago" counts from
  std::optional<ErrorHistory> error_history;
  PausedRunPtr paused;           // set when the run is paused or running
};

std::string render_run(const Run& run, const RunPageOptions& options, const Screen& screen);

}  // namespace runlog
