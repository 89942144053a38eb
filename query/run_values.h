// The values of a run that its head keeps inline because they have no symbol.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <vector>

#include "index/term.h"
#include "log/snapshot.h"

namespace runlog {

struct RunValue {
  std::string name;
  std::optional<std::string> object = {};  // kRecord only; apart, since either may have a '/'
  friend auto operator<=>(const RunValue&, const RunValue&) = default;
};

// Replaces `out` by the values of `kind` that the run carries under a hash, each once. Only for
// runs that carry a hashed term of this kind. Errors: Corruption; IoError.
Expected<void> inline_values(const Snapshot& snapshot, RecordReader& records, std::size_t segment,
                             Ordinal ordinal, TermKind kind, std::vector<RunValue>& out);

}  // namespace runlog
