// What few steps of a run have, stored as one struct for each such step beside the columns.
#pragma once

#include <span>

#include "log/record.capnp.h"
#include "log/step_columns.h"

namespace runlog {

// Whether the columns alone do not hold all of `step`.
bool needs_detail(const Step& step, const ColumnGaps& gaps);

// Writes the detail of the step at `index`. `run_message` is the run's own error message, which the
// step where it failed repeats.
void write_detail(const Step& step, std::size_t index, const ColumnGaps& gaps,
                  std::string_view run_message, SymbolWriter& symbols,
                  stored::StepDetail::Builder out);

// Adds a stored detail to its step. Errors: Corruption (no such step, a symbol without a name).
Expected<void> read_detail(stored::StepDetail::Reader stored, std::string_view run_message,
                           NameReader& names, std::vector<Step>& steps);

}  // namespace runlog
