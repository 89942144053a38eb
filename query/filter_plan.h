// A filter in the terms of one log: what to look up in each segment's index, and what must be
// compared in the runs' heads because the index cannot tell it for certain.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "index/error.h"
#include "index/term.h"
#include "log/names.h"
#include "log/record.h"
#include "query/query.h"

namespace runlog {

// A value whose runs are found under its hash: they are candidates until the value is compared.
struct HashedValue {
  TermKey key;
  std::string value;      // for kRecord: the record's id
  std::string object;     // kRecord only
};

// One condition: a run meets it if it carries any of the exact terms, or any of the hashed ones and
// then the value too. A value may have both forms: it was kept inline in some records, and in
// others it is a name of the log's table.
struct Clause {
  TermKind kind;
  std::vector<TermKey> exact;
  std::vector<HashedValue> hashed;
  // Whether the run has one of the clause's hashed values.
  bool verify(const HeadView& head, const NameTable& names) const;
};

struct TimeWindow {
  UnixMs from = std::numeric_limits<UnixMs>::min();
  UnixMs to = std::numeric_limits<UnixMs>::max();
};

struct FilterPlan {
  bool impossible = false;       // no run of the log can match
  std::vector<Clause> clauses;   // all must be met
  std::optional<TimeWindow> finished, started;
  std::optional<std::string> error_text;  // to be searched for in every run that is left
};

// `names` must hold the names of every snapshot that the plan is used on.
// Errors: InvalidArgument (a record without its object).
Expected<FilterPlan> plan_filter(const Filter& filter, const NameTable& names);

// The kind of name that the values of a term are; nullopt for kinds whose values are no names.
std::optional<NameKind> name_kind(TermKind kind);

}  // namespace runlog
