#include "log/sweep.h"

#include <algorithm>
#include <vector>

#include "log/file_io.h"
#include "log/hidden_flows.h"
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

std::uint64_t bytes_in(const FlowTable& table) {
  std::uint64_t bytes = 0;
  for (const auto& [flow, counts] : table) bytes += counts.bytes;
  return bytes;
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
  if (auto counted = state.counters->persist(); !counted) return counted;
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

std::uint64_t live_file_bytes(const Snapshot& snapshot, std::size_t position) {
  const SegmentView& view = snapshot.segments[position];
  const std::uint64_t file = file_bytes(view.segment->file()).value_or(0);
  if (!view.dead || view.live() == 0) return view.live() == 0 ? 0 : file;
  // The flow table of an active segment may be ahead of the snapshot.
  const auto table = is_sealed(view) ? view.index().flow_table() : FlowTable();
  std::uint64_t records = table ? bytes_in(*table) : 0, hidden = 0;
  const auto look = [&](const FlowTable& flows) { hidden = bytes_in(flows); };
  if (records > file || !view.hidden_flows->of(snapshot, position, look) || hidden > records)
    records = hidden = 0;
  const double share = double(view.live()) / view.end;
  return records - hidden + std::uint64_t(double(file - records) * share);
}

bool is_sparse(const Snapshot& snapshot, std::size_t position) {
  const SegmentView& view = snapshot.segments[position];
  return is_sealed(view) && view.dead &&
         live_file_bytes(snapshot, position) * 2 < file_size(view);
}

std::optional<MergeChoice> choose_sparse(const Snapshot& snapshot,
                                         std::span<const std::uint64_t> except) {
  MergeChoice choice;
  std::uint64_t carried = 0;
  for (std::size_t i = 0; i < snapshot.segments.size(); ++i) {
    const SegmentView& view = snapshot.segments[i];
    const bool is_good =
        std::find(except.begin(), except.end(), view.segment->id()) == except.end();
    const std::uint64_t live = is_good && is_sparse(snapshot, i) ? live_file_bytes(snapshot, i) : 0;
    if (live > 0 && (choice.count == 0 || carried + live <= kMaxCarriedBytes)) {
      if (choice.count == 0) choice.first = i;
      ++choice.count;
      carried += live;
    } else if (choice.count > 0) {
      break;
    }
  }
  return choice.count == 0 ? std::nullopt : std::optional(choice);
}

}  // namespace runlog
