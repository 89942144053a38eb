#include "log/sweep.h"

#include <algorithm>
#include <vector>

#include "log/kill_point.h"
#include "log/retention.h"
#include "log/sealed_segment.h"

namespace runlog {
namespace {

// One merge carries on at most so much: its output is one file.
constexpr std::uint64_t kMaxCarriedBytes = 1ull << 30;

bool is_sealed(const SegmentView& view) { return view.segment->environment() == nullptr; }

std::uint64_t file_size(const SegmentView& view) {
  return static_cast<const SealedSegment&>(*view.segment).file_contents().size();
}

// What of its file the visible runs are worth.
std::uint64_t live_share(const SegmentView& view) {
  return view.end == 0 ? 0
                       : std::uint64_t(double(file_size(view)) * double(view.live()) / view.end);
}

}  // namespace

Expected<void> drop_dead_segments(LogState& state, Reclaimed& done) {
  std::vector<CatalogEntry> entries;
  std::vector<std::uint64_t> ids;
  SequenceNumber base = 0, end = 0;
  std::uint64_t bytes = 0;
  const auto snapshot = state.current->get();
  for (const SegmentView& view : snapshot->segments) {
    if (!is_sealed(view) || view.live() > 0) continue;
    CatalogEntry entry;
    entry.state = SegmentState::kDropped;
    entry.id = view.segment->id();
    entry.base = view.segment->base();
    if (ids.empty()) base = entry.base;
    end = static_cast<const SealedSegment&>(*view.segment).footer().end;
    entries.push_back(entry);
    ids.push_back(entry.id);
    bytes += file_size(view);
  }
  if (ids.empty()) return {};
  // What goes may be all that says that an older run is hidden, or how a flow's runs were counted.
  if (auto known = state.retention->persist(true); !known) return known;
  kill_point("retention.before_drop");
  if (auto changed = state.catalog->change(entries); !changed) return changed;
  kill_point("retention.after_drop");
  const auto is_dropped = [&](const SegmentView& view) {
    return std::find(ids.begin(), ids.end(), view.segment->id()) != ids.end();
  };
  state.current->change(
      [&](Snapshot& next) { std::erase_if(next.segments, is_dropped); });
  done.dropped_segments += ids.size();
  done.freed_bytes += bytes;
  state.retention->forget_between(base, end);
  // Readers that still hold the segments keep their mappings; the names go now.
  for (const std::uint64_t id : ids) {
    if (auto removed = remove_directory(segment_directory(state.directory, id)); !removed)
      return removed;
    kill_point("retention.mid_drop");
  }
  return state.catalog->change({}, ids);
}

Expected<void> merge_sparse(LogState& state, const MergeChoice& choice,
                            const std::atomic<bool>& stop, Reclaimed& done) {
  const auto before = state.current->get();
  std::uint64_t freed = 0;
  for (std::size_t i = choice.first; i < choice.first + choice.count; ++i)
    freed += file_size(before->segments[i]);
  kill_point("retention.before_merge");
  if (auto merged = merge_segments(state, choice, stop); !merged) return merged;
  done.merged_segments += choice.count;
  done.freed_bytes += freed;
  const auto after = state.current->get();
  const SequenceNumber base = before->segments[choice.first].segment->base();
  for (const SegmentView& view : after->segments)
    if (view.segment->base() == base && is_sealed(view)) done.written_bytes += file_size(view);
  return {};
}

bool is_sparse(const SegmentView& view) {
  return is_sealed(view) && view.live() * 2 < view.end;
}

std::optional<MergeChoice> choose_sparse(const Snapshot& snapshot,
                                         std::span<const std::uint64_t> except) {
  MergeChoice choice;
  std::uint64_t carried = 0;
  for (std::size_t i = 0; i < snapshot.segments.size(); ++i) {
    const SegmentView& view = snapshot.segments[i];
    const bool is_good =
        std::find(except.begin(), except.end(), view.segment->id()) == except.end();
    if (is_good && is_sparse(view) && (choice.count == 0 || carried + live_share(view) <= kMaxCarriedBytes)) {
      if (choice.count == 0) choice.first = i;
      ++choice.count;
      carried += live_share(view);
    } else if (choice.count > 0) {
      break;
    }
  }
  return choice.count == 0 ? std::nullopt : std::optional(choice);
}

}  // namespace runlog
