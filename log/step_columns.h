// A step log as columns of numbers: what nearly every step has, in a few bytes a step. What few
// steps have (errors, warnings, names that are too long) stands beside it in StepDetail structs.
// log/FORMAT.md has the layout.
#pragma once

#include <span>

#include "log/name_reader.h"
#include "log/run.h"
#include "log/symbol_writer.h"
#include "log/varint.h"

namespace runlog {

// More steps than this are never stored, whatever RunLimits says, so that a damaged count cannot
// make a reader fill memory.
inline constexpr std::size_t kMaxStoredSteps = 100'000;

// The names of a step that the columns could not take, because they have no symbol.
struct ColumnGaps {
  bool shape = false;
  bool parent = false;
  bool region = false;
};

// Appends the columns of `steps` to `out`. Times are stored relative to `base`. `gaps` gets one
// entry a step.
void write_columns(std::span<const Step* const> steps, UnixMs base, SymbolWriter& symbols,
                   std::vector<ColumnGaps>& gaps, ByteWriter& out);

// Reads columns into `out`. Errors: Corruption (counts that do not fit, a symbol without a name).
Expected<void> read_columns(std::span<const std::byte> columns, UnixMs base, NameReader& names,
                            std::vector<Step>& out);

}  // namespace runlog
