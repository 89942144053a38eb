#include "log/hidden_flows.h"

#include <string>
#include <vector>

#include "log/active_segment.h"
#include "log/segment.h"
#include "log/snapshot.h"

namespace runlog {
namespace {

// The flow table of the runs of one segment that `ordinals` names. A head that cannot be read counts
// for nothing and is noted in `is_exact`: the run is hidden, so nothing else need fail for it.
FlowTable table_of(const Snapshot& snapshot, std::size_t position, const OrdinalSet& ordinals,
                   bool& is_exact) {
  const SegmentView& view = snapshot.segments[position];
  FlowTable table;
  RecordReader records(snapshot);
  std::vector<TermKey> terms;
  std::string run_id;
  const auto reader = ordinals.read(view.index().count(), Direction::kOldestFirst);
  std::vector<Ordinal> batch(256);
  while (const std::size_t count = reader->next(batch)) {
    for (std::size_t i = 0; i < count; ++i) {
      const Ordinal ordinal = batch[i];
      auto record = records.read(position, ordinal);
      const auto head = record ? HeadView::open(*record, view.sequence(ordinal))
                               : tl::unexpected(record.error());
      if (head)
        add_to(table, index_entry(*head, terms, run_id));
      else
        is_exact = false;
    }
  }
  return table;
}

}  // namespace

Expected<bool> HiddenFlows::of(const Snapshot& snapshot, std::size_t position,
                               const std::function<void(const FlowTable&)>& look) {
  const SegmentView& view = snapshot.segments[position];
  std::lock_guard lock(mutex_);
  OrdinalSet missing = *view.dead;
  missing -= counted_;
  const bool is_sealed = view.segment->environment() == nullptr;
  if (is_sealed && missing.count() > view.live()) {
    // Fewer are left than were hidden: all but those.
    OrdinalSet alive;
    alive.add_range(0, view.end);
    alive -= *view.dead;
    auto all = view.index().flow_table();
    if (!all) return tl::unexpected(all.error());
    for (const auto& [flow, counts] : table_of(snapshot, position, alive, is_exact_))
      (*all)[flow].subtract(counts);
    table_ = std::move(*all);
  } else if (!missing.is_empty()) {
    for (const auto& [flow, counts] : table_of(snapshot, position, missing, is_exact_))
      table_[flow].add(counts);
  }
  counted_ |= *view.dead;
  OrdinalSet newer = counted_;
  newer -= *view.dead;
  if (newer.is_empty()) {
    look(table_);
    return is_exact_;
  }
  // Somebody asked for a newer snapshot before.
  FlowTable older = table_;
  for (const auto& [flow, counts] : table_of(snapshot, position, newer, is_exact_))
    older[flow].subtract(counts);
  look(older);
  return is_exact_;
}

}  // namespace runlog
