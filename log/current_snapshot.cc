#include "log/current_snapshot.h"

#include <algorithm>

#include "log/active_segment.h"
#include "log/segment.h"

namespace runlog {

void Hiding::hide(SequenceNumber sequence) {
  auto& segments = snapshot_.segments;
  const auto after = std::upper_bound(
      segments.begin(), segments.end(), sequence,
      [](SequenceNumber s, const SegmentView& view) { return s < view.segment->base(); });
  if (after == segments.begin()) return;
  const auto position = std::size_t(after - segments.begin()) - 1;
  const SegmentView& view = segments[position];
  const Ordinal ordinal = view.lower_bound(sequence);
  // A run that was merged away or dropped needs no hiding any more.
  if (ordinal >= view.end || view.sequence(ordinal) != sequence) return;
  if (view.is_dead(ordinal)) return;

  auto [found, is_new] = changed_.try_emplace(position);
  Dead& dead = found->second;
  if (is_new && view.dead) dead.ordinals = *view.dead;
  if (is_new && view.dead_flows) dead.flows = *view.dead_flows;
  if (dead.ordinals.contains(ordinal)) return;
  // Hidden it is even if its head turns out to be damaged: no list may show it beside its successor,
  // which is what answers come from, so nothing else fails for it.
  dead.ordinals.add(ordinal);

  RecordReader reader(snapshot_);
  const auto record = reader.read(position, ordinal);
  const auto head = record ? HeadView::open(*record, sequence) : tl::unexpected(record.error());
  if (!head) {
    snapshot_.incomplete = true;
    return;
  }
  std::vector<TermKey> terms;
  std::string run_id;
  add_to(dead.flows, index_entry(*head, terms, run_id));
}

void Hiding::apply() {
  for (auto& [position, dead] : changed_) {
    SegmentView& view = snapshot_.segments[position];
    view.dead = std::make_shared<const OrdinalSet>(std::move(dead.ordinals));
    view.dead_flows = std::make_shared<const FlowTable>(std::move(dead.flows));
  }
  changed_.clear();
}

}  // namespace runlog
