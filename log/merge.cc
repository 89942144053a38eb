#include "log/merge.h"

#include <algorithm>
#include <set>
#include <unordered_set>
#include <vector>

#include <fmt/format.h>

#include "log/active_segment.h"
#include "log/kill_point.h"
#include "log/seal.h"
#include "log/sealed_segment.h"

namespace runlog {
namespace {

// The inputs of one merge are no larger than this together: the output's index is in memory until it
// is sealed, and one dropped segment should not give back too much at a time. A segment of half the
// size is not merged any more, so that any two others fit, and what the bound has cut short is not
// copied again.
constexpr std::uint64_t kMaxMergedBytes = 1ull << 30;
constexpr std::size_t kCopyBytesPerTransaction = 32u << 20;

unsigned tier_of(std::uint64_t bytes, const LogOptions& options) {
  unsigned tier = 0;
  for (std::uint64_t limit = options.segment_bytes / 2; bytes >= limit && tier < 16;
       limit *= std::max(2u, options.merge_fanout))
    ++tier;
  return tier;
}

const SealedSegment* sealed(const SegmentView& view) {
  return view.segment->environment() == nullptr
             ? static_cast<const SealedSegment*>(view.segment.get())
             : nullptr;
}

// Copies the visible records of inputs, and the names and dictionaries that these use.
class Copier {
 public:
  Copier(const Snapshot& snapshot, ActiveSegment& output, const std::atomic<bool>& stop)
      : snapshot_(snapshot), output_(output), stop_(stop) {}

  Expected<void> copy(std::size_t position) {
    if (auto done = copy_records(position); !done) return done;
    const SegmentView& view = snapshot_.segments[position];
    return copy_tables(*sealed(view), view.dead == nullptr);
  }

  Expected<void> finish() {
    if (!write_) return {};
    auto done = write_->commit();
    write_.reset();
    return done;
  }

 private:
  Expected<void> copy_records(std::size_t position) {
    const SegmentView& view = snapshot_.segments[position];
    RecordReader reader(snapshot_);
    for (Ordinal ordinal = 0; ordinal < view.end; ++ordinal) {
      if (view.is_dead(ordinal)) continue;
      if (stop_) return fail(ErrorCode::Closed, "the log was closed during a merge");
      if (auto done = copy_one(reader, position, ordinal); !done) return done;
    }
    return {};
  }

  Expected<void> copy_tables(const SealedSegment& input, bool all);

  Expected<void> copy_one(RecordReader& reader, std::size_t position, Ordinal ordinal) {
    const SegmentView& view = snapshot_.segments[position];
    const SequenceNumber sequence = view.sequence(ordinal);
    auto record = reader.read(position, ordinal);
    if (!record) return tl::unexpected(record.error());
    auto checked = verify_record(*record, sequence);
    if (!checked)
      return tl::unexpected(reader.with_place(checked.error(), position, ordinal));
    const Bytes exact = *checked;
    // Without hidden records an input uses all of its names.
    if (view.dead) {
      auto noted = note_used(exact, sequence);
      if (!noted) return tl::unexpected(reader.with_place(noted.error(), position, ordinal));
    }
    if (auto ready = begin_if_needed(); !ready) return ready;
    if (auto copied = output_.copy_record(*write_, sequence, exact); !copied) return copied;
    uncommitted_bytes_ += exact.size();
    return uncommitted_bytes_ < kCopyBytesPerTransaction ? Expected<void>() : finish();
  }

  Expected<void> note_used(Bytes record, SequenceNumber sequence) {
    symbols_.clear();
    const auto dictionary = collect_symbols(record, sequence, *snapshot_.names,
                                            snapshot_.dictionaries.get(), symbols_);
    if (!dictionary) return tl::unexpected(dictionary.error());
    used_symbols_.insert(symbols_.begin(), symbols_.end());
    used_dictionaries_.insert(*dictionary);
    return {};
  }

  Expected<void> begin_if_needed() {
    if (write_) return {};
    auto begun = LmdbWrite::begin(output_.env());
    if (!begun) return tl::unexpected(begun.error());
    write_.emplace(std::move(*begun));
    uncommitted_bytes_ = 0;
    return {};
  }

  const Snapshot& snapshot_;
  ActiveSegment& output_;
  const std::atomic<bool>& stop_;
  std::optional<LmdbWrite> write_;
  std::size_t uncommitted_bytes_ = 0;
  std::vector<Symbol> symbols_;  // of one record; kept for its memory
  std::unordered_set<std::uint64_t> used_symbols_, used_dictionaries_;
};

// After the input's records.
Expected<void> Copier::copy_tables(const SealedSegment& input, bool all) {
  if (auto ready = begin_if_needed(); !ready) return ready;
  const auto copy_used = [&](TableId id, LmdbTable table,
                             const std::unordered_set<std::uint64_t>& used) {
    return input.for_each_entry(id, [&](std::uint64_t key, Bytes stored) {
      return all || used.count(key) != 0 ? write_->put(table, key, stored) : Expected<void>();
    });
  };
  auto done = copy_used(TableId::kNames, LmdbTable::kNames, used_symbols_);
  if (done) done = copy_used(TableId::kDictionaries, LmdbTable::kDictionaries, used_dictionaries_);
  return done;
}

// The hidden sequence numbers that the output must remember: those of all inputs whose runs stand
// in older segments. Runs within the merged range that were hidden are gone.
std::vector<SequenceNumber> supersedes_to_keep(const Snapshot& snapshot,
                                               const MergeChoice& choice) {
  std::vector<SequenceNumber> keep;
  const SequenceNumber base = snapshot.segments[choice.first].segment->base();
  for (std::size_t i = choice.first; i < choice.first + choice.count; ++i)
    for (const SequenceNumber hidden : sealed(snapshot.segments[i])->supersedes())
      if (hidden < base) keep.push_back(hidden);
  return keep;
}

Expected<std::shared_ptr<ActiveSegment>> build(LogState& state, const Snapshot& snapshot,
                                               const MergeChoice& choice, std::uint64_t id,
                                               const std::atomic<bool>& stop) {
  const SequenceNumber base = snapshot.segments[choice.first].segment->base();
  std::size_t input_bytes = 0;
  for (std::size_t i = choice.first; i < choice.first + choice.count; ++i)
    input_bytes += sealed(snapshot.segments[i])->file_contents().size();
  auto output = ActiveSegment::create(state.directory, state.header_of(id, base),
                                      input_bytes * 2 + (1ull << 30), true);
  if (!output) return output;
  Copier copier(snapshot, **output, stop);
  for (std::size_t i = choice.first; i < choice.first + choice.count; ++i) {
    if (auto done = copier.copy(i); !done) return tl::unexpected(done.error());
    kill_point("merge.after_input");
  }
  if (auto done = copier.finish(); !done) return tl::unexpected(done.error());
  (*output)->finish_building();
  return output;
}

// Replaces the inputs by the output in the current snapshot. Runs that were hidden while the copy
// was made are hidden in the output too.
void swap_in(LogState& state, const Snapshot& before, const MergeChoice& choice,
             std::shared_ptr<const Segment> output) {
  state.current->change([&](Snapshot& next) {
    const auto same_input = [&](const SegmentView& view) {
      return view.segment == before.segments[choice.first].segment;
    };
    const auto first = std::find_if(next.segments.begin(), next.segments.end(), same_input);
    std::vector<SequenceNumber> hidden_since;
    for (std::size_t i = 0; i < choice.count; ++i) {
      const SegmentView& now = *(first + std::ptrdiff_t(i));
      const SegmentView& then = before.segments[choice.first + i];
      if (now.dead == then.dead) continue;
      for (Ordinal ordinal = 0; ordinal < now.end; ++ordinal)
        if (now.is_dead(ordinal) && !then.is_dead(ordinal))
          hidden_since.push_back(now.sequence(ordinal));
    }
    SegmentView merged;
    merged.end = output->index().count();
    merged.segment = std::move(output);
    *first = std::move(merged);
    next.segments.erase(first + 1, first + std::ptrdiff_t(choice.count));
    std::set<std::uint64_t> noted_before;
    Hiding hiding(next, noted_before);
    for (const SequenceNumber sequence : hidden_since) hiding.hide(sequence);
    hiding.apply();
  });
  const auto& last = before.segments[choice.first + choice.count - 1];
  state.retention->forget_between(before.segments[choice.first].segment->base(),
                                  sealed(last)->footer().end);
}

// As many of the chosen segments, from the oldest on, as stay within the bound.
MergeChoice bounded(const Snapshot& snapshot, MergeChoice choice) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < choice.count; ++i) {
    bytes += sealed(snapshot.segments[choice.first + i])->file_contents().size();
    if (bytes > kMaxMergedBytes) choice.count = i;
  }
  return choice;
}

}  // namespace

std::optional<MergeChoice> choose_merge(const Snapshot& snapshot, const LogOptions& options,
                                        std::span<const std::uint64_t> except) {
  std::vector<std::optional<unsigned>> tiers;
  for (const SegmentView& view : snapshot.segments) {
    const SealedSegment* const segment = sealed(view);
    if (segment == nullptr || segment->file_contents().size() >= kMaxMergedBytes / 2 ||
        std::find(except.begin(), except.end(), segment->id()) != except.end())
      tiers.push_back(std::nullopt);
    else
      tiers.push_back(tier_of(segment->file_contents().size(), options));
  }
  for (unsigned tier = 0; tier <= 16; ++tier) {
    std::size_t length = 0;
    for (std::size_t i = 0; i <= tiers.size(); ++i) {
      if (i < tiers.size() && tiers[i] && *tiers[i] <= tier) {
        ++length;
        continue;
      }
      if (length >= options.merge_fanout) {
        // The oldest ones first: the newest may still get company of their own size.
        return bounded(snapshot, {i - length, options.merge_fanout});
      }
      length = 0;
    }
  }
  return std::nullopt;
}

Expected<void> merge_segments(LogState& state, const MergeChoice& choice,
                              const std::atomic<bool>& stop, Archived& archived) {
  const auto snapshot = state.current->get();
  // Hidden records go here, and with them what says how the runs of their flows were counted.
  if (auto known = state.retention->persist(); !known) return known;
  if (auto counted = state.counters->persist(); !counted) return counted;
  for (std::size_t i = choice.first; i < choice.first + choice.count; ++i) {
    auto done = archive_segment(state, *snapshot, i, stop);
    if (!done) return tl::unexpected(done.error());
    archived += *done;
  }
  const auto& views = snapshot->segments;
  auto id = state.catalog->begin_segment(views[choice.first].segment->base());
  if (!id) return tl::unexpected(id.error());
  const auto give_up = [&](const Error& error) -> Expected<void> {
    if (remove_directory(segment_directory(state.directory, *id)))
      (void)state.catalog->change({}, std::span(&*id, 1));
    return tl::unexpected(error);
  };
  auto output = build(state, *snapshot, choice, *id, stop);
  if (!output) return give_up(output.error());
  const std::uint64_t log_id = state.catalog->identity().log_id;
  auto entry = seal_segment(**output, log_id, supersedes_to_keep(*snapshot, choice));
  if (!entry) return give_up(entry.error());
  output->reset();
  auto merged =
      SealedSegment::open(state.directory, *entry, log_id, *state.names, *state.dictionaries);
  if (!merged) return give_up(merged.error());

  std::vector<CatalogEntry> changes = {*entry};
  std::vector<std::uint64_t> dropped;
  for (std::size_t i = choice.first; i < choice.first + choice.count; ++i) {
    CatalogEntry input;
    input.state = SegmentState::kDropped;
    input.id = views[i].segment->id();
    input.base = views[i].segment->base();
    changes.push_back(input);
    dropped.push_back(input.id);
  }
  kill_point("merge.before_swap");
  if (auto changed = state.catalog->change(changes); !changed) return changed;
  kill_point("merge.after_swap");
  swap_in(state, *snapshot, choice, std::move(*merged));
  // Readers that still hold the inputs keep their mappings; the names go now.
  for (const std::uint64_t input : dropped)
    if (auto removed = remove_directory(segment_directory(state.directory, input)); !removed)
      return removed;
  kill_point("merge.before_forget");
  return state.catalog->change({}, dropped);
}

}  // namespace runlog
