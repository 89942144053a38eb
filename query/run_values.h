// The values of a run that its head keeps inline because they have no symbol.
#pragma once

#include <string>
#include <vector>

#include "index/term.h"
#include "log/snapshot.h"

namespace runlog {

// Replaces `out` by the values of `kind` that the run carries under a hash, each once: for kRecord
// "object/id". Only for runs that carry a hashed term of this kind. Errors: Corruption; IoError.
Expected<void> inline_values(const Snapshot& snapshot, RecordReader& records, std::size_t segment,
                             Ordinal ordinal, TermKind kind, std::vector<std::string>& out);

}  // namespace runlog
