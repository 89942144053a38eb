#include "log/run_json_parts.h"

namespace runlog {

std::optional<StepStatus> step_status_of(std::string_view name) {
  if (name == "success") return StepStatus::kSuccess;
  if (name == "failure") return StepStatus::kFailure;
  if (name == "skipped") return StepStatus::kSkipped;
  return std::nullopt;
}

namespace {

std::optional<StepStatus> status_of(JsonValue value) {
  std::string_view name;
  if (value.get_string().get(name) != simdjson::SUCCESS) return std::nullopt;
  return step_status_of(name);
}

// ---- steps ----------------------------------------------------------------------------------

constexpr JsonField<StepError> kStepErrorFields[] = {
    {"code", field<&StepError::code>},
    {"message", field<&StepError::message>},
    {"stack", field<&StepError::stack>},
};

constexpr JsonField<StepMetrics> kMetricFields[] = {
    {"selected", field<&StepMetrics::selected>},
    {"acted", field<&StepMetrics::acted>},
    {"unmeasuredEffect", field<&StepMetrics::unmeasured_effect>},
};

constexpr JsonField<SkippedBy> kSkippedByFields[] = {
    {"nodeId", field<&SkippedBy::node_id>},
    {"edgeId", field<&SkippedBy::edge_id>},
    {"label", field<&SkippedBy::label>},
};

bool read_status(JsonReading&, JsonValue value, Step& out) {
  out.status = status_of(value);
  return out.status.has_value();
}

bool read_error(JsonReading& reading, JsonValue value, Step& out) {
  StepError error;
  if (!read_object(reading, value, kStepErrorFields, error)) return false;
  out.error = error;
  return true;
}

bool read_metrics(JsonReading& reading, JsonValue value, Step& out) {
  StepMetrics metrics;
  if (!read_object(reading, value, kMetricFields, metrics)) return false;
  out.metrics = metrics;
  return true;
}

bool read_skipped_by(JsonReading& reading, JsonValue value, Step& out) {
  SkippedBy gate;
  if (!read_closed_object(reading, value, kSkippedByFields, 1, gate)) return false;
  out.skipped_by = gate;
  return true;
}

bool read_warnings(JsonReading& reading, JsonValue value, Step& out) {
  simdjson::dom::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS) return false;
  std::vector<Text> warnings;
  for (const JsonValue element : array) {
    if (!read_text(reading, element, warnings.emplace_back())) return false;
  }
  out.warnings = std::move(warnings);
  return true;
}

constexpr JsonField<Step> kStepFields[] = {
    {"nodeId", field<&Step::node_id>},
    {"nodeType", field<&Step::node_type>},
    {"nodeLabel", field<&Step::node_label>},
    {"status", read_status},
    {"startedAt", time_field<&Step::started_at>},
    {"completedAt", time_field<&Step::completed_at>},
    {"durationMs", field<&Step::duration_ms>},
    {"error", read_error},
    {"metrics", read_metrics},
    {"parentNodeId", field<&Step::parent_node_id>},
    {"regionKind", field<&Step::region_kind>},
    {"iteration", field<&Step::iteration>},
    {"branch", field<&Step::branch>},
    {"retryAttempt", field<&Step::retry_attempt>},
    {"warnings", read_warnings},
    {"skippedBy", read_skipped_by},
};

}  // namespace

bool read_json_steps(JsonReading& reading, JsonValue value,
                     std::optional<std::vector<Step>>& out) {
  simdjson::dom::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS) return false;
  std::vector<Step> steps;
  steps.reserve(array.size());
  for (const JsonValue element : array) {
    if (!read_object(reading, element, kStepFields, steps.emplace_back())) return false;
  }
  out = std::move(steps);
  return true;
}

// ---- summaries ------------------------------------------------------------------------------

namespace {

bool read_node_status(JsonReading&, JsonValue value, NodeSummary& out) {
  const std::optional<StepStatus> status = status_of(value);
  if (status) out.status = *status;
  return status.has_value();
}

// The first six are required.
constexpr JsonField<NodeSummary> kNodeFields[] = {
    {"nodeId", field<&NodeSummary::node_id>},
    {"nodeType", field<&NodeSummary::node_type>},
    {"status", read_node_status},
    {"runs", field<&NodeSummary::runs>},
    {"failures", field<&NodeSummary::failures>},
    {"skipped", field<&NodeSummary::skipped>},
    {"nodeLabel", field<&NodeSummary::node_label>},
    {"selected", field<&NodeSummary::selected>},
    {"acted", field<&NodeSummary::acted>},
    {"unmeasured", field<&NodeSummary::unmeasured>},
};
constexpr std::uint64_t kRequiredOfNode = 0x3f;

// The first three are required.
constexpr JsonField<GateSummary> kGateFields[] = {
    {"nodeId", field<&GateSummary::node_id>},
    {"targetNodeId", field<&GateSummary::target_node_id>},
    {"skipped", field<&GateSummary::skipped>},
    {"edgeId", field<&GateSummary::edge_id>},
    {"label", field<&GateSummary::label>},
};
constexpr std::uint64_t kRequiredOfGate = 0x07;

template <typename T, std::size_t N>
bool read_list(JsonReading& reading, JsonValue value, const JsonField<T> (&fields)[N],
               std::uint64_t required, std::vector<T>& out) {
  simdjson::dom::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS) return false;
  std::vector<T> list;
  list.reserve(array.size());
  for (const JsonValue element : array) {
    if (!read_closed_object(reading, element, fields, required, list.emplace_back())) return false;
  }
  out = std::move(list);
  return true;
}

bool read_nodes(JsonReading& reading, JsonValue value, RunSummary& out) {
  return read_list(reading, value, kNodeFields, kRequiredOfNode, out.nodes);
}

bool read_gates(JsonReading& reading, JsonValue value, RunSummary& out) {
  return read_list(reading, value, kGateFields, kRequiredOfGate, out.gates);
}

// The first six are required: they are written out even when they are zero or empty.
constexpr JsonField<RunSummary> kSummaryFields[] = {
    {"selected", field<&RunSummary::selected>},
    {"acted", field<&RunSummary::acted>},
    {"skipped", field<&RunSummary::skipped>},
    {"unmeasured", field<&RunSummary::unmeasured>},
    {"nodes", read_nodes},
    {"gates", read_gates},
    {"failed", field<&RunSummary::failed>},
    {"detailOmitted", field<&RunSummary::detail_omitted>},
};
constexpr std::uint64_t kRequiredOfSummary = 0x3f;

}  // namespace

bool read_json_summary(JsonReading& reading, JsonValue value, std::optional<RunSummary>& out) {
  std::uint64_t seen = 0;
  RunSummary summary;
  if (!read_object(reading, value, kSummaryFields, summary, &seen)) return false;
  out = std::move(summary);
  return (seen & kRequiredOfSummary) == kRequiredOfSummary;
}

}  // namespace runlog
