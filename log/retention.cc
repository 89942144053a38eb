#include "log/retention.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "log/active_segment.h"
#include "log/hidden_flows.h"
#include "log/kill_point.h"
#include "log/log_state.h"
#include "log/sealed_segment.h"

namespace runlog {
namespace {

const std::vector<SequenceNumber>& supersedes_of(const Segment& segment) {
  return segment.environment() == nullptr
             ? static_cast<const SealedSegment&>(segment).supersedes()
             : static_cast<const ActiveSegment&>(segment).supersedes();
}

// Runs that the stored set hides are hidden before anything else is looked at.
void hide_stored(const std::map<std::uint64_t, OrdinalSet>& chunks, Hiding& hiding) {
  std::array<Ordinal, 256> batch;
  for (const auto& [chunk, low_halves] : chunks) {
    const auto reader = low_halves.read(1u << kHiddenChunkBits, Direction::kOldestFirst);
    while (const std::size_t count = reader->next(batch))
      for (std::size_t i = 0; i < count; ++i) hiding.hide(chunk << kHiddenChunkBits | batch[i]);
  }
}

UnixMs system_clock_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

// ---- opening ---------------------------------------------------------------------------------

Expected<void> Retention::restore(Snapshot& snapshot, StoredRetention stored) {
  policy_ = stored.policy.value_or(RetentionPolicy());
  const RetentionMark mark = stored.mark.value_or(RetentionMark());
  is_stored_ = stored.mark.has_value();
  hidden_to_ = mark.hidden_to;
  clock_ = stored_clock_ = ClockGuard(mark.trusted_time, mark.jumped_to);
  state_.names->reserve(mark.names_end);
  changed_chunks_.clear();
  stored_chunks_.clear();
  {
    std::set<std::uint64_t> known;
    Hiding hiding(snapshot, known);
    hide_stored(stored.hidden, hiding);
    hiding.apply();
  }
  for (const auto& [chunk, runs] : stored.hidden) stored_chunks_.insert(chunk);

  pins_.clear();
  pinned_.clear();
  changed_pins_.clear();
  Hiding places(snapshot, changed_chunks_);
  for (Pin& pin : stored.pins) {
    const auto place = places.find(pin.sequence);
    if (!place || places.is_hidden(*place)) continue;  // set aside by a repair
    auto flow = flow_of(snapshot, *place);
    if (!flow) return tl::unexpected(flow.error());
    pinned_[pin.sequence] = *flow;
    pins_[pin.run_id] = std::move(pin);
  }
  tracking_ = policy_.has_cap() || !pins_.empty();
  // What is not yet known to be hidden is found by taking the records once more.
  return restore_records(snapshot, tracking_ ? hidden_to_ : snapshot.end);
}

// Hides what the records below `from` supersede, then takes the others in their order.
Expected<void> Retention::restore_records(Snapshot& snapshot, SequenceNumber from) {
  std::vector<NewRecord> records;
  std::unordered_set<SequenceNumber> superseded;
  RecordReader reader(snapshot);
  for (std::size_t i = 0; i < snapshot.segments.size(); ++i) {
    const SegmentView& view = snapshot.segments[i];
    for (Ordinal ordinal = view.lower_bound(from); ordinal < view.end; ++ordinal) {
      // After a repair some of them are known to be hidden; below, so is what they supersede.
      if (view.is_dead(ordinal)) continue;
      const SequenceNumber sequence = view.sequence(ordinal);
      auto record = reader.read(i, ordinal);
      if (!record) return tl::unexpected(record.error());
      const auto head = HeadView::open(*record, sequence);
      if (!head) return tl::unexpected(reader.with_place(head.error(), i, ordinal));
      records.push_back({sequence, head->supersedes(), head->flow()});
      if (head->supersedes() != 0) superseded.insert(head->supersedes());
    }
  }
  Hiding hiding(snapshot, changed_chunks_);
  for (const SegmentView& view : snapshot.segments)
    for (const SequenceNumber sequence : supersedes_of(*view.segment))
      if (superseded.count(sequence) == 0) hiding.hide(sequence);
  hiding.apply();
  if (!tracking_) return {};
  if (auto started = start_tracking(snapshot, from); !started) return started;
  return take(snapshot, records);
}

Expected<void> Retention::start_tracking(const Snapshot& snapshot, SequenceNumber end) {
  tracking_ = policy_.has_cap() || !pins_.empty();
  caps_.clear();
  return policy_.has_cap() ? caps_.count(snapshot, pinned_, end) : Expected<void>();
}

// ---- new records -----------------------------------------------------------------------------

Expected<Symbol> Retention::flow_of(const Snapshot& snapshot, Hiding::Place place) const {
  RecordReader reader(snapshot);
  auto record = reader.read(place.position, place.ordinal);
  if (!record) return tl::unexpected(record.error());
  const auto head = HeadView::open(*record, snapshot.segments[place.position].sequence(place.ordinal));
  if (!head)
    return tl::unexpected(reader.with_place(head.error(), place.position, place.ordinal));
  return head->flow();
}

Expected<void> Retention::take(Snapshot& next, std::span<const NewRecord> records) {
  Expected<void> result;
  Hiding hiding(next, changed_chunks_);
  for (const NewRecord& record : records) {
    if (!tracking_) {
      if (record.supersedes != 0) hiding.hide(record.supersedes);
    } else if (auto taken = take_one(next, record, hiding); !taken) {
      result = taken;
    }
  }
  hiding.apply();
  return result;
}

Expected<void> Retention::take_one(Snapshot& next, const NewRecord& record, Hiding& hiding) {
  Symbol flow = record.flow;
  const auto place = flow == 0 ? hiding.find(record.sequence) : std::nullopt;
  if (place) {
    auto found = flow_of(next, *place);
    if (!found) return tl::unexpected(found.error());
    flow = *found;
  }
  bool is_pinned = pinned_.count(record.sequence) != 0;  // of a record taken once more
  if (record.supersedes != 0) {
    const auto old_place = hiding.find(record.supersedes);
    const bool was_visible = old_place && hiding.hide(*old_place);
    const auto pin = pinned_.find(record.supersedes);
    if (pin != pinned_.end()) {
      // The pin is the run's, so it goes on to the run's new record.
      is_pinned = true;
      pinned_.erase(pin);
      pinned_[record.sequence] = flow;
      for (auto& [id, known] : pins_)
        if (known.sequence == record.supersedes) {
          known.sequence = record.sequence;
          changed_pins_.insert(pin_key(id));
        }
    } else if (was_visible && policy_.has_cap()) {
      if (const auto old_flow = flow_of(next, *old_place)) {
        caps_.remove(*old_flow);
      } else {
        // Its head is damaged, and the flow that has one run less is not known.
        hiding.apply();
        if (auto counted = caps_.count(next, pinned_, record.sequence); !counted) return counted;
      }
    }
  }
  if (is_pinned || !policy_.has_cap()) return {};
  caps_.add(flow);
  auto hidden = caps_.enforce(flow, next, policy_, pinned_, hiding);
  if (!hidden) return tl::unexpected(hidden.error());
  hidden_.by_cap += *hidden;
  return {};
}

// ---- looking ---------------------------------------------------------------------------------

RetentionPolicy Retention::policy() const {
  return state_.current->with_edits_held([&](const auto&) { return policy_; });
}

std::vector<Pin> Retention::pins() const {
  return state_.current->with_edits_held([&](const auto&) {
    std::vector<Pin> pins;
    for (const auto& [id, pin] : pins_) pins.push_back(pin);
    return pins;
  });
}

HiddenRuns Retention::hidden() const {
  return state_.current->with_edits_held([&](const auto&) { return hidden_; });
}

UnixMs Retention::clock_now() {
  return state_.options.now ? state_.options.now() : system_clock_ms();
}

Retention::View Retention::view() {
  const UnixMs now = clock_now();
  return state_.current->with_edits_held([&](std::shared_ptr<const Snapshot> snapshot) {
    ClockGuard clock = clock_;  // a look that is only asked about changes nothing
    const UnixMs time = clock.look(now);
    return View{std::move(snapshot), policy_, pinned_, time, clock.jumped_to() != 0};
  });
}

Expected<std::shared_ptr<const Snapshot>> Retention::without_expired(
    std::shared_ptr<const Snapshot> snapshot) {
  const View known = view();
  if (!known.policy.has_age()) return snapshot;
  auto expired = expired_by_age(*snapshot, known.policy, known.pinned, known.now);
  if (!expired) return tl::unexpected(expired.error());
  const bool any = std::any_of(expired->begin(), expired->end(),
                               [](const OrdinalSet& runs) { return !runs.is_empty(); });
  if (!any) return snapshot;
  auto rest = std::make_shared<Snapshot>(*snapshot);
  hide_expired(*rest, *expired);
  return rest;
}

// ---- expiring --------------------------------------------------------------------------------

// What a look found in one snapshot.
struct Retention::Found {
  std::shared_ptr<const Snapshot> snapshot;
  ExpiredRuns runs;             // by segment of `snapshot`
  std::vector<FlowRuns> flows;  // of `runs`, where caps are counted
  HiddenRuns counts;
};

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
  return expire_locked(false);
}

Expected<void> Retention::expire_after_open() {
  std::lock_guard lock(mutex_);
  auto is_exceeded = state_.current->with_edits_held([&](const auto& snapshot) {
    return caps_.is_any_exceeded(*snapshot, policy_);
  });
  if (!is_exceeded) return tl::unexpected(is_exceeded.error());
  return expire_locked(*is_exceeded);
}

Expected<void> Retention::expire_locked(bool caps_too) {
  const UnixMs clock = clock_now();
  const UnixMs now =
      state_.current->with_edits_held([&](const auto&) { return clock_.look(clock); });
  auto ended = end_pins(now);
  if (!ended) return tl::unexpected(ended.error());
  const auto snapshot = state_.current->get();
  auto found = find_expired(*snapshot, now, caps_too || *ended);
  if (!found) return tl::unexpected(found.error());
  Expected<void> result;
  if (found->counts.total() == 0) {
    if (has_clock_moved())
      state_.current->change([&](Snapshot& next) { result = persist_edit(next); });
    return result;
  }
  found->snapshot = snapshot;
  state_.current->change([&](Snapshot& next) {
    const Snapshot before = next;
    const auto changed_before = changed_chunks_;
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
    std::vector<StateEntry> entries;
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

// ---- changes ---------------------------------------------------------------------------------

Expected<void> Retention::set_policy(const RetentionPolicy& policy) {
  if (auto good = check_policy(policy); !good) return good;
  std::lock_guard lock(mutex_);
  Expected<void> result;
  state_.current->change([&](Snapshot& next) {
    // What the old policy has hidden is written down with the new one.
    result = persist_edit(next, {policy_entry(policy)});
    if (!result) return;
    policy_ = policy;
    result = start_tracking(next, next.end);
  });
  kill_point("retention.after_policy");
  if (!result) return result;
  return expire_locked(true);
}

Expected<Pin> Retention::pin(std::string_view run_id, std::string_view reason,
                             std::optional<UnixMs> until) {
  if (reason.size() > kMaxPinReasonBytes || !is_utf8(reason))
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the reason for a pin is {} bytes long; it must be UTF-8 text of at most "
                            "{}", reason.size(), kMaxPinReasonBytes));
  const UnixMs now = clock_now();
  if (until && *until <= now)
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the pin of run '{}' would have ended already", run_id));
  std::lock_guard lock(mutex_);
  Expected<Pin> result;
  state_.current->change([&](Snapshot& next) {
    RecordReader reader(next);
    auto place = find_run(next, reader, run_id);
    if (!place) {
      result = tl::unexpected(place.error());
      return;
    }
    if (!*place) {
      result = fail(ErrorCode::NotFound, fmt::format("the log has no run '{}'", run_id));
      return;
    }
    auto flow = flow_of(next, {(*place)->segment, (*place)->ordinal});
    if (!flow) {
      result = tl::unexpected(flow.error());
      return;
    }
    const auto pins_before = pins_;
    Pin pin{std::string(run_id), std::string(reason), now, until, (*place)->sequence};
    pins_.insert_or_assign(pin.run_id, pin);
    changed_pins_.insert(pin_key(run_id));
    if (auto stored = persist_edit(next); !stored) {
      pins_ = pins_before;
      result = tl::unexpected(stored.error());
      return;
    }
    pinned_[pin.sequence] = *flow;
    result = std::move(pin);
    if (auto started = start_tracking(next, next.end); !started)
      result = tl::unexpected(started.error());
  });
  return result;
}

Expected<void> Retention::unpin(std::string_view run_id) {
  std::lock_guard lock(mutex_);
  Expected<void> result;
  state_.current->change([&](Snapshot& next) {
    const auto found = pins_.find(run_id);
    if (found == pins_.end()) {
      result = fail(ErrorCode::NotFound, fmt::format("the run '{}' is not pinned", run_id));
      return;
    }
    const Pin pin = found->second;
    pins_.erase(found);
    changed_pins_.insert(pin_key(run_id));
    result = persist_edit(next);
    if (!result) {
      pins_[pin.run_id] = pin;
      return;
    }
    pinned_.erase(pin.sequence);
    result = start_tracking(next, next.end);
  });
  if (!result) return result;
  return expire_locked(true);
}

// ---- writing down ----------------------------------------------------------------------------

// Whether another process should know it: when the clock was last looked at, roughly, and that it
// jumped. Otherwise a log that is opened now and then would never believe its clock.
bool Retention::has_clock_moved() const {
  constexpr UnixMs kEnough = 3'600'000;
  return state_.current->with_edits_held([&](const auto&) {
    if (!is_in_use()) return false;
    return clock_.jumped_to() != stored_clock_.jumped_to() ||
           clock_.trusted() < stored_clock_.trusted() ||
           clock_.trusted() >= stored_clock_.trusted() + kEnough;
  });
}

bool Retention::is_in_use() const {
  return is_stored_ || policy_.has_any_limit() || !pins_.empty();
}

Expected<void> Retention::persist(bool always) {
  std::lock_guard lock(mutex_);
  Expected<void> result;
  state_.current->change([&](Snapshot& next) {
    const bool is_known = changed_chunks_.empty() && changed_pins_.empty() &&
                          (!tracking_ || hidden_to_ == next.end);
    if (is_known || (!always && !is_in_use())) return;
    result = persist_edit(next);
  });
  return result;
}

// The hidden runs, the pins that moved, the mark and `more`, in one commit.
Expected<void> Retention::persist_edit(const Snapshot& next, std::vector<StateEntry> more) {
  std::vector<StateEntry> entries = std::move(more);
  std::set<std::uint64_t> filled, emptied;
  for (const std::uint64_t chunk : changed_chunks_) {
    const OrdinalSet runs = hidden_in_chunk(next, chunk);
    (runs.is_empty() ? emptied : filled).insert(chunk);
    entries.push_back(hidden_entry(chunk, runs));
  }
  for (const std::uint64_t key : changed_pins_) entries.push_back(pins_entry(key));
  RetentionMark mark;
  mark.hidden_to = next.end;
  mark.names_end = state_.names->end();
  mark.trusted_time = clock_.trusted();
  mark.jumped_to = clock_.jumped_to();
  entries.push_back(mark_entry(mark));
  if (auto written = state_.catalog->write_state(entries); !written) return written;
  is_stored_ = true;
  stored_clock_ = clock_;
  hidden_to_ = next.end;
  stored_chunks_.insert(filled.begin(), filled.end());
  for (const std::uint64_t chunk : emptied) stored_chunks_.erase(chunk);
  changed_chunks_.clear();
  changed_pins_.clear();
  return {};
}

OrdinalSet Retention::hidden_in_chunk(const Snapshot& snapshot, std::uint64_t chunk) const {
  const SequenceNumber first = chunk << kHiddenChunkBits;
  const SequenceNumber end = first + (1u << kHiddenChunkBits);
  OrdinalSet runs;
  for (const SegmentView& view : snapshot.segments) {
    if (!view.dead || view.segment->base() >= end) continue;
    const Ordinal stop = view.lower_bound(end);
    const auto reader = view.dead->read(stop, Direction::kOldestFirst);
    reader->skip_to(view.lower_bound(first));
    std::array<Ordinal, 256> batch;
    while (const std::size_t count = reader->next(batch))
      for (std::size_t i = 0; i < count; ++i)
        runs.add(Ordinal(view.sequence(batch[i]) - first));
  }
  return runs;
}

StateEntry Retention::pins_entry(std::uint64_t key) const {
  std::vector<const Pin*> pins;
  for (const auto& [id, pin] : pins_)
    if (pin_key(id) == key) pins.push_back(&pin);
  return pin_entry(key, pins);
}

void Retention::forget_between(SequenceNumber base, SequenceNumber end) {
  state_.current->with_edits_held([&](const auto&) {
    const auto first = stored_chunks_.lower_bound(hidden_chunk_of(base));
    const auto last = stored_chunks_.upper_bound(hidden_chunk_of(end));
    changed_chunks_.insert(first, last);
  });
}

}  // namespace runlog
