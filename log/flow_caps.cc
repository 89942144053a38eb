#include "log/flow_caps.h"

#include <algorithm>
#include <array>

#include "log/segment.h"

namespace runlog {

Expected<void> FlowCaps::count(const Snapshot& snapshot, const PinnedRuns& pinned,
                               SequenceNumber end) {
  flows_.clear();
  FlowRuns runs;
  for (const SegmentView& view : snapshot.segments) {
    SegmentView part = view;
    part.end = view.lower_bound(end);
    if (auto done = count_flow_runs(part, part.dead.get(), runs); !done) return done;
  }
  for (const auto& [flow, count] : runs) flows_[flow].runs = count;
  for (const auto& [sequence, flow] : pinned)
    if (sequence < end) remove(flow);
  return {};
}

void FlowCaps::remove(Symbol flow, std::uint64_t runs) {
  const auto found = flows_.find(flow);
  if (found != flows_.end()) found->second.runs -= std::min(found->second.runs, runs);
}

Expected<bool> FlowCaps::is_any_exceeded(const Snapshot& snapshot,
                                         const RetentionPolicy& policy) const {
  for (const auto& [flow, known] : flows_) {
    const auto name = snapshot.names->name(NameKind::kFlow, flow);
    if (!name) return tl::unexpected(name.error());
    if (known.runs > std::uint64_t(policy.resolve(*name).max_per_flow)) return true;
  }
  return false;
}

Expected<std::uint64_t> FlowCaps::enforce(Symbol flow, const Snapshot& snapshot,
                                          const RetentionPolicy& policy, const PinnedRuns& pinned,
                                          Hiding& hiding) {
  Flow& known = flows_[flow];
  if (known.cap == 0) {
    const auto name = snapshot.names->name(NameKind::kFlow, flow);
    if (!name) return tl::unexpected(name.error());
    known.cap = policy.resolve(*name).max_per_flow;
  }
  std::uint64_t hidden = 0;
  while (known.runs > std::uint64_t(known.cap)) {
    auto oldest = find_oldest(flow, known, snapshot, pinned, hiding);
    if (!oldest) return tl::unexpected(oldest.error());
    if (!*oldest) return fail(ErrorCode::Corruption, "a flow's runs and their count disagree");
    hiding.hide(**oldest);
    --known.runs;
    ++hidden;
  }
  return hidden;
}

Expected<std::optional<Hiding::Place>> FlowCaps::find_oldest(Symbol flow, Flow& known,
                                                             const Snapshot& snapshot,
                                                             const PinnedRuns& pinned,
                                                             const Hiding& hiding) const {
  std::array<Ordinal, 16> batch;
  const auto& segments = snapshot.segments;
  const auto after = std::upper_bound(
      segments.begin(), segments.end(), known.hidden_to,
      [](SequenceNumber s, const SegmentView& view) { return s < view.segment->base(); });
  const auto first = after == segments.begin() ? 0 : std::size_t(after - segments.begin()) - 1;
  for (std::size_t i = first; i < segments.size(); ++i) {
    const SegmentView& view = segments[i];
    auto postings = view.index().read(TermKey::exact(TermKind::kFlow, flow), view.end,
                                      Direction::kOldestFirst);
    if (!postings) return tl::unexpected(postings.error());
    if (i == first) (*postings)->skip_to(view.lower_bound(known.hidden_to));
    while (const std::size_t count = (*postings)->next(batch))
      for (std::size_t k = 0; k < count; ++k) {
        const Hiding::Place place{i, batch[k]};
        if (hiding.is_hidden(place)) continue;
        const SequenceNumber sequence = view.sequence(batch[k]);
        if (!pinned.empty() && pinned.count(sequence) != 0) continue;
        known.hidden_to = sequence + 1;
        return std::optional(place);
      }
  }
  return std::optional<Hiding::Place>();
}

}  // namespace runlog
