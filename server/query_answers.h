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
// message; the whole one is fetched, so the page, which `asked` for, also ends when its runs have
// `most_bytes`, with at least one. Errors: Corruption; IoError.
Expected<void> write_list_answer(const ListRequest& asked, ListResult& page,
                                 std::size_t most_bytes, std::string& out);

// Makes a page, which `asked` for, go on after its first `count` runs, at least one; the heads of the
// others stay. Errors: Corruption.
Expected<void> end_page_after(std::size_t count, ListRequest asked, ListResult& page);

// The first `shown` of all groups; `matching` runs met the filter.
void write_groups_answer(std::string_view by, const std::vector<Group>& all, std::size_t shown,
                         std::uint64_t matching, bool incomplete, std::string& out);

// What one flow, or all flows, did in the runs that are there, and in all.
struct FlowsAnswer {
  std::vector<FlowStatistics> flows;  // none when only counters are left of the one
  FlowTrend trend;
  bool incomplete = false;            // a segment could not be asked
};
// Out of what trend() and statistics() gave for one flow or for all. Errors: theirs; NotFound only if
// there are no counters either.
Expected<FlowsAnswer> make_flows_answer(Expected<FlowTrend> trend,
                                        Expected<std::vector<FlowStatistics>> flows,
                                        Expected<bool> incomplete);
// {"flows":[…],"trend":{…}}
void write_flows_answer(const FlowsAnswer& answer, std::string& out);

}  // namespace runlog
