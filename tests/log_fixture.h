// What tests of the log share: a directory of their own, and runs made of a few words.
#pragma once

#include <catch2/catch.hpp>

#include <filesystem>
#include <memory>
#include <string>

#include "log/log.h"
#include "log/run.h"
#include "tests/temp_dir.h"

namespace runlog {

// Fails the test with the error's own words.
template <typename T>
void must(const Expected<T>& result) {
  if (!result) FAIL(result.error().message);
}

// Runs of tests are older than the policy that a new log gets has it, and more.
inline LogOptions keep_all(LogOptions options = {}) {
  options.retention = RetentionPolicy();
  return options;
}

// A new log keeps everything.
inline std::shared_ptr<Log> open_log(const std::filesystem::path& directory,
                                     const LogOptions& options = {}) {
  auto log = Log::open(directory, keep_all(options));
  if (!log) FAIL(log.error().message);
  return *log;
}

// A run with a few steps. Keeps the text that run() borrows.
class SampleRun {
 public:
  explicit SampleRun(std::string id, std::string flow = "lead_routing")
      : id_(std::move(id)), flow_(std::move(flow)) {}
  SampleRun& failed(std::string message) {
    message_ = std::move(message);
    failed_ = true;
    return *this;
  }
  SampleRun& started(UnixMs time) {
    started_at_ = time;
    return *this;
  }

  Run run() const {
    Run run;
    run.run_id = id_;
    run.flow_name = flow_;
    run.flow_version = 3;
    run.status = failed_ ? RunStatus::kFailed : RunStatus::kCompleted;
    run.started_at = started_at_;
    run.finished_at = started_at_ + 120;
    run.duration_ms = 120;
    run.user_id = "usr_1";
    run.trigger_type = "api";
    auto& steps = run.steps.emplace();
    for (const char* node : {"start", "get_record", "update_record"}) {
      Step& step = steps.emplace_back();
      step.node_id = node;
      step.node_type = node;
      step.status = StepStatus::kSuccess;
      step.started_at = started_at_;
      step.completed_at = started_at_ + 40;
      step.duration_ms = 40;
    }
    if (failed_) {
      steps.back().status = StepStatus::kFailure;
      RunError& error = run.error.emplace();
      error.message = message_;
      error.code = "NODE_FAILURE";
      error.node_id = "update_record";
    }
    return run;
  }

 private:
  std::string id_, flow_, message_;
  bool failed_ = false;
  UnixMs started_at_ = 1'792'454'400'000;
};

}  // namespace runlog
