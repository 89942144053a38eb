// The look for what has expired: asks the rules without a lock that appends wait for, takes what they
// say over into the snapshot of then, and ends pins.
#include "log/retention.h"

#include <algorithm>
#include <utility>

#include "log/hidden_flows.h"
#include "log/kill_point.h"
#include "log/log_state.h"

namespace runlog {
namespace {

std::uint64_t total_of(const ExpiredRuns& runs) {
  std::uint64_t total = 0;
  for (const OrdinalSet& set : runs) total += set.count();
  return total;
}

void add_to(ExpiredRuns& all, const ExpiredRuns& more) {
  for (std::size_t i = 0; i < all.size(); ++i) all[i] |= more[i];
}

}  // namespace

// What a look found in one snapshot.
struct Retention::Found {
  std::shared_ptr<const Snapshot> snapshot;
  ExpiredRuns runs;             // by segment of `snapshot`
  std::vector<FlowRuns> flows;  // of `runs`, where caps are counted
  HiddenRuns counts;
};

// Asks the rules, each of what the one before left. Holds no lock but mutex_.
Expected<Retention::Found> Retention::find_expired(const Snapshot& snapshot, UnixMs now,
                                                   bool caps_too) {
  Found found;
  found.runs.resize(snapshot.segments.size());
  // Only this class moves pins, and supersedes hide what a pin leaves.
  const PinnedRuns pinned = state_.current->with_edits_held([&](const auto&) { return pinned_; });
  Snapshot rest = snapshot;
  const auto take_rule = [&](Expected<ExpiredRuns> expired,
                             std::uint64_t& count) -> Expected<void> {
    if (!expired) return tl::unexpected(expired.error());
    count = total_of(*expired);
    if (count == 0) return {};
    hide_expired(rest, *expired);
    add_to(found.runs, *expired);
    return {};
  };
  Expected<void> done;
  if (caps_too) done = take_rule(expired_by_cap(rest, policy_, pinned), found.counts.by_cap);
  if (done) done = take_rule(expired_by_age(rest, policy_, pinned, now), found.counts.by_age);
  if (done && policy_.has_max_bytes())
    done = take_rule(
        expired_by_bytes(snapshot, rest, std::uint64_t(*policy_.max_bytes), pinned),
        found.counts.by_bytes);
  if (!done) return tl::unexpected(done.error());
  found.flows.resize(found.runs.size());
  if (policy_.has_cap())
    for (std::size_t i = 0; i < found.runs.size() && done; ++i)
      if (!found.runs[i].is_empty())
        done = count_flow_runs_among(snapshot.segments[i], found.runs[i], found.flows[i]);
  if (!done) return tl::unexpected(done.error());
  return found;
}

// Takes what was found over into a newer snapshot, whose segments may be others and hide more.
Expected<void> Retention::hide_found(Snapshot& next, const Found& found) {
  Hiding hiding(next, changed_chunks_);
  bool recount = false;
  for (std::size_t i = 0; i < found.runs.size(); ++i) {
    const OrdinalSet& runs = found.runs[i];
    if (runs.is_empty()) continue;
    const SegmentView& before = found.snapshot->segments[i];
    const auto now = std::find_if(
        next.segments.begin(), next.segments.end(),
        [&](const SegmentView& view) { return view.segment->id() == before.segment->id(); });
    if (now != next.segments.end() && (now->dead == before.dead || !now->dead ||
                                       runs.and_count(*now->dead) == 0)) {
      OrdinalSet dead = runs;
      if (now->dead) dead |= *now->dead;
      now->dead = std::make_shared<const OrdinalSet>(std::move(dead));
      if (!now->hidden_flows) now->hidden_flows = std::make_shared<HiddenFlows>();
      const auto reader = runs.read(before.end, Direction::kOldestFirst);
      Ordinal ordinal = 0;
      while (reader->next({&ordinal, 1}) == 1) {
        const std::uint64_t chunk = hidden_chunk_of(now->sequence(ordinal));
        changed_chunks_.insert(chunk);
        // On to the next chunk.
        reader->skip_to(now->lower_bound((chunk + 1) << kHiddenChunkBits));
      }
      for (const auto& [flow, count] : found.flows[i]) caps_.remove(flow, count);
      continue;
    }
    // Some were superseded or capped meanwhile, or the segment was merged: one by one.
    const auto reader = runs.read(before.end, Direction::kOldestFirst);
    Ordinal ordinal = 0;
    while (reader->next({&ordinal, 1}) == 1) {
      const auto place = hiding.find(before.sequence(ordinal));
      if (!place || !hiding.hide(*place) || !policy_.has_cap()) continue;
      if (const auto flow = flow_of(next, *place))
        caps_.remove(*flow);
      else
        recount = true;  // its head is damaged
    }
  }
  hiding.apply();
  return recount ? caps_.count(next, pinned_, next.end) : Expected<void>();
}

Expected<void> Retention::expire() {
  std::lock_guard lock(mutex_);
  if (auto open = check_open(); !open) return open;
  auto is_exceeded = state_.current->with_edits_held([&](const auto& snapshot) {
    return caps_.is_any_exceeded(*snapshot, policy_);
  });
  if (!is_exceeded) return tl::unexpected(is_exceeded.error());
  return expire_locked(*is_exceeded);
}

Expected<void> Retention::expire_locked(bool caps_too) {
  const UnixMs clock = state_.now();
  const UnixMs now =
      state_.current->with_edits_held([&](const auto&) { return clock_.look(clock); });
  auto ended = end_pins(now);
  if (!ended) return tl::unexpected(ended.error());
  const auto snapshot = state_.current->get();
  auto found = find_expired(*snapshot, now, caps_too || *ended);
  if (!found) return tl::unexpected(found.error());
  if (found->counts.total() == 0)
    return state_.current->with_edits_held([&](const auto&) { return has_clock_moved(); })
               ? persist_locked(false)
               : Expected<void>();
  Expected<void> result;
  found->snapshot = snapshot;
  state_.current->change([&](Snapshot& next) {
    const Snapshot before = next;
    const FlowCaps caps_before = caps_;
    result = hide_found(next, *found);
    if (result) result = persist_edit(next);
    if (result) {
      hidden_.by_cap += found->counts.by_cap;
      hidden_.by_age += found->counts.by_age;
      hidden_.by_bytes += found->counts.by_bytes;
      return;
    }
    // Nothing disappears that might be back after a crash.
    next = before;
    caps_ = caps_before;
  });
  if (result) kill_point("retention.after_expiry");
  return result;
}

// Pins that have ended. True if there were any.
Expected<bool> Retention::end_pins(UnixMs now) {
  Expected<void> result;
  bool any = false;
  state_.current->change([&](Snapshot& next) {
    const auto pins_before = pins_;
    const auto pinned_before = pinned_;
    for (auto pin = pins_.begin(); pin != pins_.end();) {
      if (!pin->second.until || *pin->second.until > now) {
        ++pin;
        continue;
      }
      any = true;
      changed_pins_.insert(pin_key(pin->first));
      pinned_.erase(pin->second.sequence);
      pin = pins_.erase(pin);
    }
    if (!any) return;
    result = persist_edit(next);
    if (!result) {
      pins_ = pins_before;
      pinned_ = pinned_before;
      return;
    }
    result = start_tracking(next, next.end);
  });
  if (!result) return tl::unexpected(result.error());
  return any;
}

}  // namespace runlog
