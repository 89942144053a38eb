// The options that say which runs, equal for `list`, `export` and `groups`.
#pragma once

#include <optional>
#include <string>

#include "query/query.h"

namespace CLI {
class App;
}

namespace runlog {

// Adds the options to `command`; parsing fills `filter`, which must outlive it. `with_live`: the
// command knows paused and running runs too.
void add_filter_options(CLI::App& command, Filter& filter, bool with_live);

// The status of this name, with - or _ between words; paused and running too.
std::optional<RunStatus> status_named(std::string name);

// The status that `--status` names, with - or _ between words. `with_live`: paused and running too.
// Throws CLI::ValidationError for any other name.
RunStatus parse_status(std::string name, bool with_live);

// What runs can be grouped by, as `groups --by` names it; and all these names, with commas.
std::optional<TermKind> group_kind_named(const std::string& name);
std::string group_kind_names();

// A check for options. An empty value usually is a shell variable that was not set; taking it as
// "no condition" would answer another question.
std::string refuse_empty(const std::string& value);

// What is wrong with a filter whose options each are right: a time range without an instant in it.
std::optional<std::string> contradiction_in(const Filter& filter);

}  // namespace runlog
