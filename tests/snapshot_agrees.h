// That a snapshot agrees with itself.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "query/query.h"
#include "tests/complaints.h"

namespace runlog {

// Each run is listed once, as many are listed as are counted (up to 1,000), and each can be read.
inline void check_agrees(const std::shared_ptr<const Snapshot>& snapshot, Complaints& complaints) {
  ListRequest request;
  request.limit = 1000;
  request.with_total = true;
  const auto page = list(snapshot, request);
  if (!complaints.check(page)) return;
  std::set<std::string> ids;
  for (const RunHead& run : page->runs)
    if (!ids.emplace(run.run_id).second) complaints.add("twice: " + std::string(run.run_id));
  if (page->total != ids.size()) complaints.add("a total is not what is listed");
  for (const std::string& id : ids) complaints.check(get(snapshot, id));
}

}  // namespace runlog
