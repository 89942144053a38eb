// What of the hidden runs an archive has to take, and what became of that.
#include "log/retention.h"

#include "log/log_state.h"
#include "log/segment.h"

namespace runlog {

OrdinalSet Retention::expired_in(const Snapshot& snapshot, std::size_t position) const {
  const SegmentView& view = snapshot.segments[position];
  if (!view.dead) return OrdinalSet();
  OrdinalSet runs = *view.dead;
  runs.cut_off(view.end);
  const auto remove = [&](SequenceNumber sequence) {
    const Ordinal ordinal = view.lower_bound(sequence);
    if (ordinal < view.end && view.sequence(ordinal) == sequence) runs.remove(ordinal);
  };
  state_.current->with_edits_held([&](const auto&) {
    for (std::size_t i = position; i < snapshot.segments.size(); ++i)
      for (const SequenceNumber sequence : snapshot.segments[i].segment->supersedes())
        remove(sequence);
    for (const auto& [chunk, low_halves] : withheld_) {
      const auto reader = low_halves.read(1u << kHiddenChunkBits, Direction::kOldestFirst);
      Ordinal low_half = 0;
      while (reader->next({&low_half, 1}) == 1) remove(chunk << kHiddenChunkBits | low_half);
    }
  });
  return runs;
}

void Retention::withhold(std::span<const SequenceNumber> sequences) {
  state_.current->with_edits_held([&](const auto&) {
    for (const SequenceNumber sequence : sequences) withhold_one(sequence);
  });
}

void Retention::withhold_one(SequenceNumber sequence) {
  const std::uint64_t chunk = hidden_chunk_of(sequence);
  withheld_[chunk].add(Ordinal(sequence - (chunk << kHiddenChunkBits)));
  changed_chunks_.insert(chunk);
}

std::string Retention::archive_problem() const {
  return state_.current->with_edits_held([&](const auto&) { return archive_problem_; });
}

Expected<void> Retention::note_archive_problem(const std::string& problem) {
  std::lock_guard lock(mutex_);
  if (closed_ || problem == archive_problem()) return {};
  const StateEntry entry = archive_problem_entry(problem);
  auto written = state_.catalog->write_state(std::span(&entry, 1));
  // Who asks this process hears of it, whatever the disk says.
  state_.current->with_edits_held([&](const auto&) { archive_problem_ = problem; });
  return written;
}

}  // namespace runlog
