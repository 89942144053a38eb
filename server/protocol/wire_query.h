// Questions and answers (query/query.h) as messages, in both directions. What reads a message
// throws kj::Exception where its bytes are unsound, and checks what Cap'n Proto does not.
#pragma once

#include "query/query.h"
#include "server/protocol/protocol.capnp.h"

namespace runlog {

// Of a filter's flows, of its statuses and of its labels; also of the flows of a Follow.
inline constexpr unsigned kMostFilterValues = 64;

void write(const Filter& filter, wire::Filter::Builder out);
// Errors: InvalidArgument (a status that there is none of; more values than kMostFilterValues).
Expected<Filter> read_filter(wire::Filter::Reader in);

void write(const ListRequest& request, wire::ListRuns::Builder out);
// Errors: as read_filter.
Expected<ListRequest> read_list_request(wire::ListRuns::Reader in);

void write(const ListResult& page, wire::Page::Builder out);
// The heads borrow from the result's arena alone. Errors: InvalidArgument.
Expected<ListResult> read_page(wire::Page::Reader in);

// Which of the groups are sent, and counts over all of them.
struct GroupedRuns {
  std::vector<Group> groups;
  std::uint64_t total_groups = 0, total_runs = 0, grouped_runs = 0;
  bool incomplete = false;
};
void write(const GroupedRuns& groups, wire::Grouped::Builder out);
GroupedRuns read_groups(wire::Grouped::Reader in);

void write(const std::vector<FlowStatistics>& flows, wire::StatsOfFlows::Builder out);
std::vector<FlowStatistics> read_statistics(wire::StatsOfFlows::Reader in);

}  // namespace runlog
