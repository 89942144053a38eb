// A run in memory: what an engine hands to the log when a flow execution has ended, and what the
// log gives back. The shapes are ObjectStack's RunRecord, StepLogEntry, FlowRunSummary and
// SuspendedRun.
//
// All text is borrowed: whoever makes a Run keeps the bytes alive while it is used. OwnedRun (see
// log/record.h) carries its own.
//
// Absent, empty and zero differ, so optional fields are std::optional. Whatever a field of ours
// cannot hold exactly (an unknown field, a null, a number with a fraction where we keep an integer)
// stands in `extra_json`: the text of a JSON object whose members belong to that level and win over
// a field of the same name when the run is written out. An empty view means that there is none.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace runlog {

using SequenceNumber = std::uint64_t;
using Text = std::string_view;
using OptionalText = std::optional<std::string_view>;

// Milliseconds since 1970-01-01T00:00:00Z.
using UnixMs = std::int64_t;

// Persistent: never renumber. The first four are terminal, the only ones that a record has; paused
// and running (claimed) are the runs of log/paused_runs.h.
enum class RunStatus : std::uint8_t {
  kCompleted = 0,
  kFailed = 1,
  kCancelled = 2,
  kTimedOut = 3,
  kPaused = 4,
  kRunning = 5,
};
inline constexpr unsigned kRunStatusCount = 4;  // terminal ones

// Persistent: never renumber.
enum class StepStatus : std::uint8_t { kSuccess = 0, kFailure = 1, kSkipped = 2 };

struct StepError {
  OptionalText code;
  OptionalText message;
  OptionalText stack;
  Text extra_json;
  friend bool operator==(const StepError&, const StepError&) = default;
};

struct StepMetrics {
  std::optional<std::int64_t> selected;
  std::optional<std::int64_t> acted;
  std::optional<bool> unmeasured_effect;
  Text extra_json;
  friend bool operator==(const StepMetrics&, const StepMetrics&) = default;
};

// The gate that closed in front of a skipped step.
struct SkippedBy {
  Text node_id;
  OptionalText edge_id;
  OptionalText label;
  friend bool operator==(const SkippedBy&, const SkippedBy&) = default;
};

struct Step {
  OptionalText node_id;
  OptionalText node_type;
  OptionalText node_label;
  std::optional<StepStatus> status;
  std::optional<UnixMs> started_at;
  std::optional<UnixMs> completed_at;
  std::optional<std::int64_t> duration_ms;
  std::optional<StepError> error;
  std::optional<std::vector<Text>> warnings;
  OptionalText parent_node_id;
  std::optional<std::int64_t> iteration;
  std::optional<std::int64_t> branch;
  OptionalText region_kind;
  std::optional<std::int64_t> retry_attempt;
  std::optional<StepMetrics> metrics;
  std::optional<SkippedBy> skipped_by;
  Text extra_json;
  friend bool operator==(const Step&, const Step&) = default;
};

struct NodeSummary {
  Text node_id;
  Text node_type;
  OptionalText node_label;
  StepStatus status = StepStatus::kSkipped;
  std::int64_t runs = 0;
  std::int64_t failures = 0;
  std::int64_t skipped = 0;
  std::optional<std::int64_t> selected;
  std::optional<std::int64_t> acted;
  std::optional<std::int64_t> unmeasured;
  friend bool operator==(const NodeSummary&, const NodeSummary&) = default;
};

struct GateSummary {
  Text node_id;
  Text target_node_id;
  OptionalText edge_id;
  OptionalText label;
  std::int64_t skipped = 0;
  friend bool operator==(const GateSummary&, const GateSummary&) = default;
};

struct RunSummary {
  std::int64_t selected = 0;
  std::int64_t acted = 0;
  std::int64_t skipped = 0;
  std::int64_t unmeasured = 0;
  std::optional<std::int64_t> failed;
  std::vector<NodeSummary> nodes;
  std::vector<GateSummary> gates;
  std::optional<bool> detail_omitted;
  Text extra_json;
  friend bool operator==(const RunSummary&, const RunSummary&) = default;
};

// A run that waits at a node to be resumed. Text ending in _json is JSON text; empty when absent.
struct SuspendedRun {
  Text run_id;
  Text flow_name;
  std::optional<std::int64_t> flow_version;
  OptionalText node_id;
  OptionalText node_type;
  Text variables_json;
  std::optional<std::vector<Step>> steps;
  Text context_json;
  std::optional<UnixMs> started_at;
  std::optional<std::int64_t> start_time;
  OptionalText correlation;
  Text screen_json;
  Text extra_json;
  friend bool operator==(const SuspendedRun&, const SuspendedRun&) = default;
};

// Why a run failed. `code` and `node_id` are filled in from the failing step when the engine gave
// only a message (see derive_error in log/record.h).
struct RunError {
  OptionalText code;
  OptionalText message;
  OptionalText node_id;
  Text extra_json;
  friend bool operator==(const RunError&, const RunError&) = default;
};

struct Run {
  Text run_id;
  Text flow_name;
  std::optional<std::int64_t> flow_version;
  RunStatus status = RunStatus::kCompleted;
  UnixMs started_at = 0;
  std::optional<std::int64_t> start_time;  // ObjectStack's redundant epoch form of started_at
  std::optional<UnixMs> finished_at;
  std::optional<std::int64_t> duration_ms;
  std::optional<RunError> error;
  OptionalText node_id;  // the run's last node
  OptionalText organization_id;
  OptionalText user_id;
  OptionalText trigger_type;
  OptionalText trigger_object;
  OptionalText trigger_record_id;
  Text trigger_record_json;
  std::optional<std::vector<Step>> steps;
  std::int64_t omitted_steps = 0;  // left out by the step log's limit, see log/record.h
  std::optional<RunSummary> summary;
  std::shared_ptr<const SuspendedRun> consumed_suspension;  // null when absent
  std::vector<std::pair<Text, Text>> labels;
  Text extra_json;
};

// Compares content, through consumed_suspension.
bool operator==(const Run& a, const Run& b);

}  // namespace runlog
