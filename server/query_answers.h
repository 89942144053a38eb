// The JSON answers to questions about runs, the same on the command line and over HTTP. Each function
// appends one object.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "query/query.h"

namespace runlog {

// {"runs":[…],"hasMore":…,"nextCursor":…,"total":…}. A head keeps only the beginning of a long error
// message; the whole one is fetched. Errors: Corruption.
Expected<void> write_list_answer(ListResult& page, std::string& out);

// The first `shown` of all groups; `matching` runs met the filter.
void write_groups_answer(std::string_view by, const std::vector<Group>& all, std::size_t shown,
                         std::uint64_t matching, bool incomplete, std::string& out);

// {"flows":[…],"trend":{…}}: what flows did in the runs that are there, and in all.
void write_flows_answer(const std::vector<FlowStatistics>& flows, const FlowTrend& trend,
                        bool incomplete, std::string& out);

}  // namespace runlog
