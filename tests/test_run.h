// Runs that own their text: what the tests of queries share.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "log/log.h"
#include "tests/temp_dir.h"

namespace runlog {

struct TestRun {
  using OptionalString = std::optional<std::string>;
  std::string run_id;
  std::string flow = "flow";
  std::optional<std::int64_t> version;
  RunStatus status = RunStatus::kCompleted;
  UnixMs started_at = 1'760'000'000'000;
  std::optional<UnixMs> finished_at;
  std::optional<std::int64_t> duration_ms = 1000;
  OptionalString error_code, error_message, error_node;
  OptionalString organization, user, trigger_type, object, record;
  std::vector<std::pair<std::string, std::string>> labels;
  std::optional<std::int64_t> selected;  // of the summary
  unsigned steps = 0;

  friend bool operator==(const TestRun&, const TestRun&) = default;

  // Borrows from this.
  Run view() const {
    Run run;
    run.run_id = run_id;
    run.flow_name = flow;
    run.flow_version = version;
    run.status = status;
    run.started_at = started_at;
    run.finished_at = finished_at;
    run.duration_ms = duration_ms;
    if (error_code || error_message || error_node) {
      run.error.emplace();
      run.error->code = error_code;
      run.error->message = error_message;
      run.error->node_id = error_node;
    }
    run.organization_id = organization;
    run.user_id = user;
    run.trigger_type = trigger_type;
    run.trigger_object = object;
    run.trigger_record_id = record;
    for (const auto& [key, value] : labels) run.labels.emplace_back(key, value);
    if (selected) {
      run.summary.emplace();
      run.summary->selected = *selected;
      run.summary->acted = *selected / 2;
      run.summary->unmeasured = 1;
    }
    if (steps > 0) run.steps.emplace();
    for (unsigned i = 0; i < steps; ++i) {
      Step step;
      step.node_id = i % 2 == 0 ? "read" : "write";
      step.node_type = "query";
      step.status = StepStatus::kSuccess;
      step.started_at = started_at + i;
      step.duration_ms = i;
      run.steps->push_back(step);
    }
    return run;
  }
};

// Small segments that merge early, so that a few hundred runs see all of a log's life.
inline LogOptions small_segments() {
  LogOptions options;
  options.segment_runs = 32;
  options.merge_fanout = 3;
  options.retention = RetentionPolicy();
  return options;
}

}  // namespace runlog
