// The options that say which runs, equal for `list`, `export` and `groups`.
#pragma once

#include "query/query.h"

namespace CLI {
class App;
}

namespace runlog {

// Adds the options to `command`; parsing fills `filter`, which must outlive it.
void add_filter_options(CLI::App& command, Filter& filter);

}  // namespace runlog
