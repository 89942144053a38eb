// What state/ is told of hidden runs, pins and the clock, and when.
#include "log/retention.h"

#include <array>
#include <iterator>
#include <optional>
#include <utility>

#include "log/log_state.h"

namespace runlog {

// Whether another process should know it: when the clock was last looked at, roughly, and that it
// jumped. Otherwise a log that is opened now and then would never believe its clock.
bool Retention::has_clock_moved() const {
  constexpr UnixMs kEnough = 3'600'000;
  if (!is_in_use()) return false;
  return clock_.jumped_to() != stored_clock_.jumped_to() ||
         clock_.trusted() < stored_clock_.trusted() ||
         clock_.trusted() >= stored_clock_.trusted() + kEnough;
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

// What is under way to state/. Changes that come meanwhile are noted anew.
struct Retention::Write {
  std::vector<StateEntry> entries;  // pins and the mark
  std::set<std::uint64_t> chunks, pins;
  std::set<std::uint64_t> filled, emptied;  // of `chunks`
  std::map<std::uint64_t, OrdinalSet> withheld, gone;  // likewise; what of them is not there any more
  SequenceNumber hidden_to = 1;
  ClockGuard clock;
};

Expected<void> Retention::persist_locked(bool always) {
  std::shared_ptr<const Snapshot> snapshot;
  std::optional<Write> write;
  state_.current->with_edits_held([&](std::shared_ptr<const Snapshot> now) {
    const bool is_known = changed_chunks_.empty() && changed_pins_.empty() && !has_clock_moved() &&
                          (!tracking_ || hidden_to_ == now->end);
    if (is_known || (!always && !is_in_use())) return;
    write = begin_write(*now);
    snapshot = std::move(now);
  });
  if (!write) return {};
  auto written = write_out(*snapshot, *write, {});
  state_.current->with_edits_held([&](const auto&) { end_write(*write, written.has_value()); });
  return written;
}

// The hidden runs, the pins that moved, the mark and `more`, in one commit.
Expected<void> Retention::persist_edit(const Snapshot& next, std::vector<StateEntry> more) {
  Write write = begin_write(next);
  auto written = write_out(next, write, std::move(more));
  end_write(write, written.has_value());
  return written;
}

Retention::Write Retention::begin_write(const Snapshot& snapshot) {
  Write write;
  write.chunks = std::exchange(changed_chunks_, {});
  write.pins = std::exchange(changed_pins_, {});
  for (const std::uint64_t chunk : write.chunks)
    if (const auto found = withheld_.find(chunk); found != withheld_.end())
      write.withheld.insert(*found);
  for (const std::uint64_t key : write.pins) write.entries.push_back(pins_entry(key));
  RetentionMark mark;
  mark.hidden_to = write.hidden_to = snapshot.end;
  mark.names_end = state_.names->end();
  write.clock = clock_;
  mark.trusted_time = clock_.trusted();
  mark.jumped_to = clock_.jumped_to();
  write.entries.push_back(mark_entry(mark));
  return write;
}

// Needs no lock but mutex_.
Expected<void> Retention::write_out(const Snapshot& snapshot, Write& write,
                                    std::vector<StateEntry> more) {
  std::vector<StateEntry> entries = std::move(more);
  entries.insert(entries.end(), std::make_move_iterator(write.entries.begin()),
                 std::make_move_iterator(write.entries.end()));
  for (const std::uint64_t chunk : write.chunks) {
    const OrdinalSet runs = hidden_in_chunk(snapshot, chunk);
    (runs.is_empty() ? write.emptied : write.filled).insert(chunk);
    entries.push_back(hidden_entry(chunk, runs));
  }
  for (auto& [chunk, runs] : write.withheld) {
    OrdinalSet there = records_in_chunk(snapshot, chunk);
    there &= runs;
    entries.push_back(withheld_entry(chunk, there));
    runs -= there;
    if (!runs.is_empty()) write.gone[chunk] = std::move(runs);
  }
  return state_.catalog->write_state(entries);
}

void Retention::end_write(const Write& write, bool is_done) {
  if (!is_done) {
    changed_chunks_.insert(write.chunks.begin(), write.chunks.end());
    changed_pins_.insert(write.pins.begin(), write.pins.end());
    return;
  }
  is_stored_ = true;
  stored_clock_ = write.clock;
  hidden_to_ = write.hidden_to;
  stored_chunks_.insert(write.filled.begin(), write.filled.end());
  for (const std::uint64_t chunk : write.emptied) stored_chunks_.erase(chunk);
  // Those that are gone, also if others were added meanwhile.
  for (const auto& [chunk, gone] : write.gone) {
    const auto known = withheld_.find(chunk);
    if (known == withheld_.end()) continue;
    known->second -= gone;
    if (known->second.is_empty()) withheld_.erase(known);
  }
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

// The low halves of the sequence numbers in a chunk of which the records are still there.
OrdinalSet Retention::records_in_chunk(const Snapshot& snapshot, std::uint64_t chunk) const {
  const SequenceNumber first = chunk << kHiddenChunkBits;
  OrdinalSet there;
  for (const SegmentView& view : snapshot.segments) {
    const Ordinal stop = view.lower_bound(first + (1u << kHiddenChunkBits));
    for (Ordinal ordinal = view.lower_bound(first); ordinal < stop; ++ordinal)
      there.add(Ordinal(view.sequence(ordinal) - first));
  }
  return there;
}

StateEntry Retention::pins_entry(std::uint64_t key) const {
  std::vector<const Pin*> pins;
  for (const auto& [id, pin] : pins_)
    if (pin_key(id) == key) pins.push_back(&pin);
  return pin_entry(key, pins);
}

void Retention::forget_between(SequenceNumber base, SequenceNumber end) {
  std::lock_guard lock(mutex_);  // so that no write is under way
  state_.current->with_edits_held([&](const auto&) {
    const auto first = stored_chunks_.lower_bound(hidden_chunk_of(base));
    const auto last = stored_chunks_.upper_bound(hidden_chunk_of(end));
    changed_chunks_.insert(first, last);
  });
}

}  // namespace runlog
