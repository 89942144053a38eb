// What the hidden runs of one segment count for in its flow table. Hiding a run costs no look at its
// record: the counts are brought up to date when somebody asks for them.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>

#include "index/error.h"
#include "index/index.h"
#include "index/ordinal_set.h"

namespace runlog {

class Snapshot;

class HiddenFlows {
 public:
  // Calls `look` with the flow table of the runs that snapshot.segments[position] hides, and returns
  // whether it is exact: a damaged head counts for nothing. Thread-safe. Errors: Corruption (the
  // index's own flow table).
  Expected<bool> of(const Snapshot& snapshot, std::size_t position,
                    const std::function<void(const FlowTable&)>& look);

 private:
  std::mutex mutex_;
  OrdinalSet counted_;
  FlowTable table_;
  bool is_exact_ = true;
};

}  // namespace runlog
