// How many visible, unpinned runs each flow has, so that an append knows at once whether its flow has
// more than it may. Belongs to the edits of the current snapshot: one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "index/error.h"
#include "log/current_snapshot.h"
#include "log/expiry.h"
#include "log/names.h"
#include "log/retention_policy.h"

namespace runlog {

class FlowCaps {
 public:
  // Counts anew. Records from `end` on are not counted. Errors: Corruption.
  Expected<void> count(const Snapshot& snapshot, const PinnedRuns& pinned, SequenceNumber end);
  void clear() { flows_.clear(); }

  // A run of the flow became visible, or is no longer pinned.
  void add(Symbol flow) { ++flows_[flow].runs; }
  // A run of the flow was hidden.
  void remove(Symbol flow, std::uint64_t runs = 1);

  // Whether any flow has more runs than the policy lets it have. Errors: Corruption.
  Expected<bool> is_any_exceeded(const Snapshot& snapshot, const RetentionPolicy& policy) const;
  // Hides the flow's oldest runs as long as it has more than the policy lets it have. Returns how
  // many. Errors: Corruption.
  Expected<std::uint64_t> enforce(Symbol flow, const Snapshot& snapshot,
                                  const RetentionPolicy& policy, const PinnedRuns& pinned,
                                  Hiding& hiding);

 private:
  struct Flow {
    std::uint64_t runs = 0;
    std::int64_t cap = 0;         // 0: not looked up yet
    SequenceNumber hidden_to = 0;  // below it the flow has no visible, unpinned run
  };
  Expected<std::optional<Hiding::Place>> find_oldest(Symbol flow, Flow& known,
                                                     const Snapshot& snapshot,
                                                     const PinnedRuns& pinned,
                                                     const Hiding& hiding) const;

  std::unordered_map<Symbol, Flow> flows_;
};

}  // namespace runlog
