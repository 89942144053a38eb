// A run in the shape that ObjectStack's Runs surfaces expect, its ExecutionLog. It differs from
// RunRecord, which `export` writes and POST takes, in names (id, completedAt, tenantId), in the
// trigger, which is one object, and in `steps`, which are always there.
#pragma once

#include <string>

#include "log/paused_runs.h"
#include "log/run.h"

namespace runlog {

// Appends one object. Beyond ObjectStack's schema it has `error` {code, message, nodeId}, as the run
// has it, and omittedSteps, how many steps were left out, if any.
void write_execution_log(const Run& run, std::string& out);
// A run that waits or was claimed, with its variables. Errors: Corruption.
Expected<void> write_execution_log(const PausedRun& run, std::string& out);

}  // namespace runlog
