#include "log/current_snapshot.h"

#include <algorithm>

#include "log/hidden_flows.h"
#include "log/retention_state.h"
#include "log/segment.h"

namespace runlog {

std::optional<SegmentPlace> find_sequence(const Snapshot& snapshot, SequenceNumber sequence) {
  const auto& segments = snapshot.segments;
  const auto after = std::upper_bound(
      segments.begin(), segments.end(), sequence,
      [](SequenceNumber s, const SegmentView& view) { return s < view.segment->base(); });
  if (after == segments.begin()) return std::nullopt;
  const auto position = std::size_t(after - segments.begin()) - 1;
  const SegmentView& view = segments[position];
  const Ordinal ordinal = view.lower_bound(sequence);
  if (ordinal >= view.end || view.sequence(ordinal) != sequence) return std::nullopt;
  return SegmentPlace{position, ordinal};
}

bool Hiding::is_hidden(Place place) const {
  const auto found = changed_.find(place.position);
  return found != changed_.end() ? found->second.contains(place.ordinal)
                                 : snapshot_.segments[place.position].is_dead(place.ordinal);
}

bool Hiding::hide(Place place) {
  if (is_hidden(place)) return false;
  const SegmentView& view = snapshot_.segments[place.position];
  const auto [found, is_new] = changed_.try_emplace(place.position);
  if (is_new && view.dead) found->second = *view.dead;
  found->second.add(place.ordinal);
  chunks_.insert(hidden_chunk_of(view.sequence(place.ordinal)));
  return true;
}

bool Hiding::hide(SequenceNumber sequence) {
  const auto place = find(sequence);
  return place && hide(*place);
}

void Hiding::apply() {
  for (auto& [position, dead] : changed_) {
    SegmentView& view = snapshot_.segments[position];
    view.dead = std::make_shared<const OrdinalSet>(std::move(dead));
    if (!view.hidden_flows) view.hidden_flows = std::make_shared<HiddenFlows>();
  }
  changed_.clear();
}

}  // namespace runlog
