#include "server/http/execution_log.h"

#include "log/json_writer.h"
#include "log/run_json_members.h"
#include "server/quantities.h"

namespace runlog {
namespace {

OptionalText view(const std::optional<std::string>& text) {
  return text ? OptionalText(*text) : std::nullopt;
}

void write_trigger(JsonWriter& json, std::string_view type, const OptionalText& object,
                   const OptionalText& record_id, const OptionalText& user_id) {
  ObjectWriter trigger(json, {});
  trigger.text("type", type);
  trigger.text("object", object);
  trigger.text("recordId", record_id);
  trigger.text("userId", user_id);
}

void write_steps_or_none(JsonWriter& json, const std::optional<std::vector<Step>>& steps) {
  static const std::vector<Step> kNone;
  write_steps(json, steps ? *steps : kNone);
}

}  // namespace

void write_execution_log(const Run& run, std::string& out) {
  JsonWriter json(out);
  ObjectWriter object(json, {});
  object.text("id", run.run_id);
  object.text("flowName", run.flow_name);
  object.number("flowVersion", run.flow_version);
  object.text("status", status_name(run.status));
  object.time("startedAt", run.started_at);
  object.time("completedAt", run.finished_at);
  object.number("durationMs", run.duration_ms);
  object.begin("trigger");
  // The type is required: ObjectStack writes an empty one where it was not recorded.
  write_trigger(json, run.trigger_type.value_or(""), run.trigger_object, run.trigger_record_id, run.user_id);
  object.begin("steps");
  write_steps_or_none(json, run.steps);
  if (run.omitted_steps != 0) object.number("omittedSteps", run.omitted_steps);
  if (run.summary && object.begin("summary")) write_summary(json, *run.summary);
  if (run.error && object.begin("error")) write_error(json, *run.error);
  object.text("tenantId", run.organization_id);
}

Expected<void> write_execution_log(const PausedRun& run, std::string& out) {
  const auto suspended = run.suspended();
  if (!suspended) return tl::unexpected(suspended.error());
  JsonWriter json(out);
  ObjectWriter object(json, {});
  object.text("id", std::string_view(run.run_id));
  object.text("flowName", std::string_view(run.flow_name));
  object.number("flowVersion", run.flow_version);
  object.text("status", status_name(run.status()));
  object.time("startedAt", run.started_at);
  object.begin("trigger");
  // For a run that waits ObjectStack takes it from the context, and says `manual` without one.
  write_trigger(json, view(run.trigger_type).value_or("manual"), view(run.trigger_object),
                view(run.trigger_record_id), view(run.user_id));
  object.begin("steps");
  write_steps_or_none(json, suspended->run.steps);
  const Text variables = suspended->run.variables_json;
  object.json("variables", variables.empty() ? "{}" : variables);
  object.text("tenantId", view(run.organization_id));
  return {};
}

}  // namespace runlog
