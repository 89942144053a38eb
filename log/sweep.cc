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

bool is_among(const SegmentView& view, std::span<const std::uint64_t> ids) {
  return std::find(ids.begin(), ids.end(), view.segment->id()) != ids.end();
}

// What the records of some segments supersede in others.
std::vector<SequenceNumber> superseded_elsewhere(const Snapshot& snapshot,
                                                 std::span<const std::uint64_t> ids) {
  std::vector<SequenceNumber> out;
  for (const SegmentView& view : snapshot.segments) {
    if (!is_among(view, ids)) continue;
    for (const SequenceNumber sequence : view.segment->supersedes())
      for (const SegmentView& older : snapshot.segments) {
        const Ordinal ordinal = older.lower_bound(sequence);
        if (ordinal == older.end || older.sequence(ordinal) != sequence) continue;
        if (!is_among(older, ids)) out.push_back(sequence);
        break;
      }
  }
  return out;
}

std::uint64_t bytes_in(const FlowTable& table) {
  std::uint64_t bytes = 0;
  for (const auto& [flow, counts] : table) bytes += counts.bytes;
  return bytes;
}

}  // namespace

Reclaimed& Reclaimed::operator+=(const Reclaimed& more) {
  dropped_segments += more.dropped_segments;
  merged_segments += more.merged_segments;
  freed_bytes += more.freed_bytes;
  written_bytes += more.written_bytes;
  archived += more.archived;
  return *this;
}

Reclaimed& Reclaimed::operator-=(const Reclaimed& less) {
  dropped_segments -= less.dropped_segments;
  merged_segments -= less.merged_segments;
  freed_bytes -= less.freed_bytes;
  written_bytes -= less.written_bytes;
  archived -= less.archived;
  return *this;
}

Expected<void> drop_dead_segments(LogState& state, std::vector<std::uint64_t>& except,
                                  const std::atomic<bool>& stop, Reclaimed& done) {
  Expected<void> damage;
  std::vector<CatalogEntry> entries;
  std::vector<std::uint64_t> ids;
  SequenceNumber base = 0, end = 0;
  std::uint64_t bytes = 0;
  const auto snapshot = state.current->get();
  for (std::size_t i = 0; i < snapshot->segments.size(); ++i) {
    const SegmentView& view = snapshot->segments[i];
    if (!is_sealed(view) || view.live() > 0 || is_among(view, except)) continue;
    auto archived = archive_segment(state, *snapshot, i, stop);
    if (!archived && archived.error().code == ErrorCode::Corruption) {
      except.push_back(view.segment->id());
      damage = tl::unexpected(archived.error());
      continue;
    }
    if (!archived) return tl::unexpected(archived.error());
    done.archived += *archived;
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
  if (ids.empty()) return damage;
  // What goes may be all that says that an older run is hidden, and why, or how a flow's runs were
  // counted.
  state.retention->withhold(superseded_elsewhere(*snapshot, ids));
  if (auto known = state.retention->persist(true); !known) return known;
  if (auto counted = state.counters->persist(); !counted) return counted;
  kill_point("retention.before_drop");
  if (auto changed = state.catalog->change(entries); !changed) return changed;
  kill_point("retention.after_drop");
  state.current->change([&](Snapshot& next) {
    std::erase_if(next.segments, [&](const SegmentView& view) { return is_among(view, ids); });
  });
  done.dropped_segments += ids.size();
  done.freed_bytes += bytes;
  state.retention->forget_between(base, end);
  // Readers that still hold the segments keep their mappings; the names go now.
  for (const std::uint64_t id : ids) {
    if (auto removed = remove_directory(segment_directory(state.directory, id)); !removed)
      return removed;
    kill_point("retention.mid_drop");
  }
  if (auto forgotten = state.catalog->change({}, ids); !forgotten) return forgotten;
  return damage;
}

Expected<void> merge_sparse(LogState& state, const MergeChoice& choice,
                            const std::atomic<bool>& stop, Reclaimed& done) {
  const auto before = state.current->get();
  std::uint64_t freed = 0;
  for (std::size_t i = choice.first; i < choice.first + choice.count; ++i)
    freed += file_size(before->segments[i]);
  kill_point("retention.before_merge");
  if (auto merged = merge_segments(state, choice, stop, done.archived); !merged) return merged;
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

bool is_sparse(const SegmentView& view, std::uint64_t live_bytes) {
  return is_sealed(view) && view.dead && live_bytes * 2 < file_size(view);
}

std::optional<MergeChoice> choose_sparse(const Snapshot& snapshot,
                                         std::span<const std::uint64_t> except) {
  MergeChoice choice;
  std::uint64_t carried = 0;
  for (std::size_t i = 0; i < snapshot.segments.size(); ++i) {
    const SegmentView& view = snapshot.segments[i];
    // Of one without hidden runs nothing needs to be measured.
    const bool may_go = is_sealed(view) && view.dead && !is_among(view, except);
    const std::uint64_t live = may_go ? live_file_bytes(snapshot, i) : 0;
    if (live > 0 && is_sparse(view, live) &&
        (choice.count == 0 || carried + live <= kMaxCarriedBytes)) {
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
