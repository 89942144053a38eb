// The parts of a run that several JSON objects have: steps and summaries.
#pragma once

#include "log/json_fields.h"

namespace runlog {

// Reads a step log. False if it is no array of objects.
bool read_json_steps(JsonReading& reading, JsonValue value,
                     std::optional<std::vector<Step>>& out);
// Reads a summary. False if not all of it fits; `out` then has what does.
bool read_json_summary(JsonReading& reading, JsonValue value, std::optional<RunSummary>& out);

std::optional<StepStatus> step_status_of(std::string_view name);

}  // namespace runlog
