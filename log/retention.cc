#include "log/retention.h"

#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "log/active_segment.h"
#include "log/archive.h"
#include "log/kill_point.h"
#include "log/log_state.h"
#include "log/sealed_segment.h"

namespace runlog {
namespace {

// Runs that the stored set hides are hidden before anything else is looked at.
void hide_stored(const std::map<std::uint64_t, OrdinalSet>& chunks, Hiding& hiding) {
  std::array<Ordinal, 256> batch;
  for (const auto& [chunk, low_halves] : chunks) {
    const auto reader = low_halves.read(1u << kHiddenChunkBits, Direction::kOldestFirst);
    while (const std::size_t count = reader->next(batch))
      for (std::size_t i = 0; i < count; ++i) hiding.hide(chunk << kHiddenChunkBits | batch[i]);
  }
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
  withheld_ = std::move(stored.withheld);
  archive_problem_ = std::move(stored.archive_problem);

  forgotten_.clear();
  if (stored.forgotten) forgotten_ = std::move(stored.forgotten->records);

  pins_.clear();
  pinned_.clear();
  changed_pins_.clear();
  Hiding places(snapshot, changed_chunks_);
  for (Pin& pin : stored.pins) {
    const auto place = places.find(pin.sequence);
    if (!place || places.is_hidden(*place)) {
      changed_pins_.insert(pin_key(pin.run_id));  // set aside by a repair
      continue;
    }
    // A damaged record stays pinned; which flow's cap it does not count for is not known.
    const auto flow = flow_of(snapshot, *place);
    if (!flow) snapshot.incomplete = true;
    pinned_[pin.sequence] = flow.value_or(0);
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
    for (const SequenceNumber sequence : view.segment->supersedes())
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

Retention::View Retention::view() {
  const UnixMs now = state_.now();
  return state_.current->with_edits_held([&](std::shared_ptr<const Snapshot> snapshot) {
    ClockGuard clock = clock_;  // a look that is only asked about changes nothing
    const UnixMs time = clock.look(now);
    return View{std::move(snapshot), policy_, pinned_, time, clock.jumped_to() != 0};
  });
}

Expected<std::shared_ptr<const Snapshot>> Retention::without_expired(
    std::shared_ptr<const Snapshot> snapshot) {
  if (!state_.current->with_edits_held([&](const auto&) { return policy_.has_age(); }))
    return snapshot;
  const View known = view();
  auto expired = expired_by_age(*snapshot, known.policy, known.pinned, known.now);
  if (!expired) return tl::unexpected(expired.error());
  const bool any = std::any_of(expired->begin(), expired->end(),
                               [](const OrdinalSet& runs) { return !runs.is_empty(); });
  if (!any) return snapshot;
  auto rest = std::make_shared<Snapshot>(*snapshot);
  hide_expired(*rest, *expired);
  return rest;
}

// ---- changes ---------------------------------------------------------------------------------

Expected<void> Retention::check_open() const {
  return closed_ ? fail(ErrorCode::Closed, "the log is closed") : Expected<void>();
}

Expected<void> Retention::set_policy(const RetentionPolicy& policy) {
  if (auto good = check_policy(policy); !good) return good;
  if (!policy.archive.empty())
    if (auto made = make_archive(policy.archive, state_.directory); !made) return made;
  std::lock_guard lock(mutex_);
  if (auto open = check_open(); !open) return open;
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
  const UnixMs now = state_.now();
  if (until && *until <= now)
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the pin of run '{}' would have ended already", run_id));
  std::lock_guard lock(mutex_);
  if (auto open = check_open(); !open) return tl::unexpected(open.error());
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
  if (auto open = check_open(); !open) return open;
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

}  // namespace runlog
