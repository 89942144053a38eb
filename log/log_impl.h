// What a Log is made of. For the files that implement it.
#pragma once

#include <memory>
#include <mutex>

#include "log/appender.h"
#include "log/log.h"
#include "log/log_follower.h"
#include "log/log_state.h"
#include "log/maintenance.h"
#include "log/paused_runs.h"

namespace runlog {

// Either a writer (state, maintenance, appender) or a follower.
struct Log::Impl {
  std::unique_ptr<LogState> writing;
  std::unique_ptr<Maintenance> maintenance;
  std::unique_ptr<Appender> appender;
  std::unique_ptr<LogFollower> follower;
  std::unique_ptr<PausedRuns> paused;
  std::mutex close_mutex;
  bool closed = false;

  LogState& state() { return writing ? *writing : follower->state(); }
};

}  // namespace runlog
