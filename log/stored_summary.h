// A run's summary where it is stored because its steps do not add up to it.
#pragma once

#include "log/name_reader.h"
#include "log/record.capnp.h"
#include "log/symbol_writer.h"

namespace runlog {

void write_summary(const RunSummary& summary, SymbolWriter& symbols, stored::Summary::Builder out);
// Symbols without a name are left to `names`.
void read_summary(stored::Summary::Reader stored, NameReader& names, RunSummary& out);

}  // namespace runlog
