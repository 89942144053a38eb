#include "log/json_writer.h"
#include "log/run_json_members.h"

namespace runlog {
namespace {

// By RunStatus and StepStatus.
constexpr std::string_view kRunStatusNames[] = {"completed", "failed", "cancelled",
                                                "timed_out", "paused", "running"};
constexpr std::string_view kStepStatusNames[] = {"success", "failure", "skipped"};

std::string_view name_of(RunStatus status) {
  const std::size_t at = std::size_t(status);
  return at < std::size(kRunStatusNames) ? kRunStatusNames[at] : "failed";
}

std::string_view name_of(StepStatus status) {
  const std::size_t at = std::size_t(status);
  return at < std::size(kStepStatusNames) ? kStepStatusNames[at] : "failure";
}

template <typename List, typename Write>
void write_array(JsonWriter& writer, const List& list, Write&& write) {
  writer.begin_array();
  for (const auto& element : list) write(element);
  writer.end_array();
}

void write_step_error(JsonWriter& writer, const StepError& error) {
  ObjectWriter object(writer, error.extra_json);
  object.text("code", error.code);
  object.text("message", error.message);
  object.text("stack", error.stack);
}

void write_metrics(JsonWriter& writer, const StepMetrics& metrics) {
  ObjectWriter object(writer, metrics.extra_json);
  object.number("selected", metrics.selected);
  object.number("acted", metrics.acted);
  object.truth("unmeasuredEffect", metrics.unmeasured_effect);
}

void write_gate(JsonWriter& writer, const SkippedBy& gate) {
  ObjectWriter object(writer, {});
  object.text("nodeId", gate.node_id);
  object.text("edgeId", gate.edge_id);
  object.text("label", gate.label);
}

void write_step(JsonWriter& writer, const Step& step) {
  ObjectWriter object(writer, step.extra_json);
  object.text("nodeId", step.node_id);
  object.text("nodeType", step.node_type);
  object.text("nodeLabel", step.node_label);
  if (step.status) object.text("status", name_of(*step.status));
  object.time("startedAt", step.started_at);
  object.time("completedAt", step.completed_at);
  object.number("durationMs", step.duration_ms);
  if (step.error && object.begin("error")) write_step_error(writer, *step.error);
  if (step.metrics && object.begin("metrics")) write_metrics(writer, *step.metrics);
  object.text("parentNodeId", step.parent_node_id);
  object.text("regionKind", step.region_kind);
  object.number("iteration", step.iteration);
  object.number("branch", step.branch);
  object.number("retryAttempt", step.retry_attempt);
  if (step.warnings && object.begin("warnings")) {
    write_array(writer, *step.warnings, [&](Text warning) { writer.text(warning); });
  }
  if (step.skipped_by && object.begin("skippedBy")) write_gate(writer, *step.skipped_by);
}

void write_steps(JsonWriter& writer, ObjectWriter& object,
                 const std::optional<std::vector<Step>>& steps) {
  if (steps && object.begin("steps")) write_steps(writer, *steps);
}

void write_node(JsonWriter& writer, const NodeSummary& node) {
  ObjectWriter object(writer, {});
  object.text("nodeId", node.node_id);
  object.text("nodeType", node.node_type);
  object.text("nodeLabel", node.node_label);
  object.text("status", name_of(node.status));
  object.number("runs", node.runs);
  object.number("failures", node.failures);
  object.number("skipped", node.skipped);
  object.number("selected", node.selected);
  object.number("acted", node.acted);
  object.number("unmeasured", node.unmeasured);
}

void write_gate(JsonWriter& writer, const GateSummary& gate) {
  ObjectWriter object(writer, {});
  object.text("nodeId", gate.node_id);
  object.text("targetNodeId", gate.target_node_id);
  object.text("edgeId", gate.edge_id);
  object.text("label", gate.label);
  object.number("skipped", gate.skipped);
}

void write_suspended(JsonWriter& writer, const SuspendedRun& run) {
  ObjectWriter object(writer, run.extra_json);
  object.text("runId", run.run_id);
  object.text("flowName", run.flow_name);
  object.number("flowVersion", run.flow_version);
  object.text("nodeId", run.node_id);
  object.text("nodeType", run.node_type);
  object.json("variables", run.variables_json);
  write_steps(writer, object, run.steps);
  object.json("context", run.context_json);
  object.time("startedAt", run.started_at);
  object.number("startTime", run.start_time);
  object.text("correlation", run.correlation);
  object.json("screen", run.screen_json);
}

void write_labels(JsonWriter& writer, const Run& run) {
  ObjectWriter object(writer, {});
  for (const auto& [key, value] : run.labels) object.text(key, value);
}

void write_run(JsonWriter& writer, const Run& run) {
  ObjectWriter object(writer, run.extra_json);
  object.text("runId", run.run_id);
  object.text("flowName", run.flow_name);
  object.number("flowVersion", run.flow_version);
  object.text("status", name_of(run.status));
  object.time("startedAt", run.started_at);
  object.number("startTime", run.start_time);
  object.time("finishedAt", run.finished_at);
  object.number("durationMs", run.duration_ms);
  if (run.error && object.begin("error")) write_error(writer, *run.error);
  object.text("userId", run.user_id);
  object.text("organizationId", run.organization_id);
  object.json("triggerRecord", run.trigger_record_json);
  object.text("triggerType", run.trigger_type);
  object.text("triggerObject", run.trigger_object);
  object.text("triggerRecordId", run.trigger_record_id);
  object.text("nodeId", run.node_id);
  write_steps(writer, object, run.steps);
  if (run.omitted_steps != 0) object.number("omittedSteps", run.omitted_steps);
  if (run.summary && object.begin("summary")) write_summary(writer, *run.summary);
  if (run.consumed_suspension && object.begin("consumedSuspension")) {
    write_suspended(writer, *run.consumed_suspension);
  }
  if (!run.labels.empty() && object.begin("labels")) write_labels(writer, run);
}

void write_head(JsonWriter& writer, const RunHead& head) {
  ObjectWriter object(writer, {});
  object.text("runId", head.run_id);
  object.text("flowName", head.flow_name);
  object.number("flowVersion", head.flow_version);
  object.text("status", name_of(head.status));
  object.time("startedAt", head.started_at);
  object.time("finishedAt", head.finished_at);
  object.number("durationMs", head.duration_ms);
  const bool has_error = head.error_code || head.error_message || head.error_node_id;
  if (has_error && object.begin("error")) {
    ObjectWriter error(writer, {});
    error.text("code", head.error_code);
    error.text("message", head.error_message);
    error.text("nodeId", head.error_node_id);
  }
  object.text("userId", head.user_id);
  object.text("organizationId", head.organization_id);
  object.text("triggerType", head.trigger_type);
  object.text("triggerObject", head.trigger_object);
  object.text("triggerRecordId", head.trigger_record_id);
  object.text("nodeId", head.node_id);
}

}  // namespace

void write_steps(JsonWriter& writer, const std::vector<Step>& steps) {
  write_array(writer, steps, [&](const Step& step) { write_step(writer, step); });
}

void write_summary(JsonWriter& writer, const RunSummary& summary) {
  ObjectWriter object(writer, summary.extra_json);
  object.number("selected", summary.selected);
  object.number("acted", summary.acted);
  object.number("skipped", summary.skipped);
  object.number("unmeasured", summary.unmeasured);
  object.number("failed", summary.failed);
  if (object.begin("nodes")) {
    write_array(writer, summary.nodes, [&](const NodeSummary& node) { write_node(writer, node); });
  }
  if (object.begin("gates")) {
    write_array(writer, summary.gates, [&](const GateSummary& gate) { write_gate(writer, gate); });
  }
  object.truth("detailOmitted", summary.detail_omitted);
}

void write_error(JsonWriter& writer, const RunError& error) {
  ObjectWriter object(writer, error.extra_json);
  object.text("code", error.code);
  object.text("message", error.message);
  object.text("nodeId", error.node_id);
}

void write_json(const Run& run, std::string& out) {
  JsonWriter writer(out);
  write_run(writer, run);
}

void write_json(const SuspendedRun& run, std::string& out) {
  JsonWriter writer(out);
  write_suspended(writer, run);
}

void write_json(const RunHead& head, std::string& out) {
  JsonWriter writer(out);
  write_head(writer, head);
}

}  // namespace runlog
