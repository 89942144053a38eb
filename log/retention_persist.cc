// What state/ is told of hidden runs, pins and the clock, and when.
#include "log/retention.h"

#include <array>
#include <utility>

#include "log/log_state.h"

namespace runlog {

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
  return persist_locked(always);
}

Expected<void> Retention::close() {
  std::lock_guard lock(mutex_);
  if (closed_) return {};
  closed_ = true;
  return persist_locked(false);
}

Expected<void> Retention::persist_locked(bool always) {
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
