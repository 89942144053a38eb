// The parameters of a query that say which runs: those of `runlog list`, by the same names without
// the dashes in front.
#pragma once

#include "query/query.h"
#include "server/http/query_string.h"

namespace runlog {

// What is wrong with a parameter becomes a problem of the query. Times may be relative to `now`.
// `with_live`: paused and running are statuses too.
Filter read_filter(QueryString& query, UnixMs now, bool with_live);

}  // namespace runlog
