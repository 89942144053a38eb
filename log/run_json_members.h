// The members of a run's JSON that other shapes of a run have too.
#pragma once

#include <vector>

#include "log/run.h"

namespace runlog {

class JsonWriter;

// Each writes one value; field names as in RunRecord.
void write_steps(JsonWriter& writer, const std::vector<Step>& steps);
void write_summary(JsonWriter& writer, const RunSummary& summary);
void write_error(JsonWriter& writer, const RunError& error);

}  // namespace runlog
