// How many runs match a filter.
#include "query/live_runs.h"
#include "query/matcher.h"
#include "query/query.h"

namespace runlog {

Expected<std::uint64_t> count(const Snapshot& snapshot, const Filter& filter) {
  auto plan = plan_filter(filter, *snapshot.names);
  if (!plan) return tl::unexpected(plan.error());
  Matcher matcher(snapshot, std::move(*plan));
  std::uint64_t total = LiveRuns(snapshot, filter).count();
  for (std::size_t segment = 0; segment < snapshot.segments.size(); ++segment) {
    auto match = matcher.in_segment(segment);
    if (!match) return tl::unexpected(match.error());
    const auto matches = matcher.count(segment, *match);
    if (!matches) return matches;
    total += *matches;
  }
  return total;
}

}  // namespace runlog
