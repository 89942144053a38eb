// The paused run that a run resumed, as its body stores it.
#pragma once

#include "log/stored_steps.h"

namespace runlog {

void write_suspension(const SuspendedRun& suspended, const Run& run, SymbolWriter& symbols,
                      stored::Suspension::Builder out);
// `run` has its id, flow and start already. Errors: Corruption.
Expected<void> read_suspension(stored::Suspension::Reader stored, const Run& run,
                               NameReader& names, SuspendedRun& out);

}  // namespace runlog
