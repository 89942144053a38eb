#include "log/forgetting.h"

#include <algorithm>
#include <iterator>
#include <set>

#include <fmt/format.h>

#include "log/forget_search.h"
#include "log/kill_point.h"
#include "log/segment.h"
#include "log/sweep.h"

namespace runlog {
namespace {

Expected<void> check_sealed(const Snapshot& snapshot, std::span<const std::size_t> positions) {
  for (const std::size_t position : positions) {
    const Segment& segment = *snapshot.segments[position].segment;
    if (segment.environment() != nullptr)
      return fail(ErrorCode::Corruption,
                  fmt::format("'{}' holds runs that are to be forgotten and could not be sealed; run "
                              "`runlog verify --repair`", segment.file().string()));
  }
  return {};
}

// Drops those of the segments that hold something of it in which nothing is visible.
Expected<void> drop_dead_of(LogState& state, const std::vector<SequenceNumber>& records,
                            const std::atomic<bool>& stop, Reclaimed& done) {
  const auto snapshot = state.current->get();
  auto concerned = segments_to_rewrite(state, *snapshot, records);
  if (!concerned) return tl::unexpected(concerned.error());
  std::vector<std::uint64_t> others;
  for (std::size_t i = 0; i < snapshot->segments.size(); ++i)
    if (!std::binary_search(concerned->begin(), concerned->end(), i))
      others.push_back(snapshot->segments[i].segment->id());
  return drop_dead_segments(state, others, stop, done);
}

// The segments that hold something of it, one after the other.
Expected<void> rewrite_segments(LogState& state, const std::vector<SequenceNumber>& records,
                                const std::atomic<bool>& stop, Reclaimed& done,
                                const ForgetProgress& progress) {
  std::size_t total = 0;
  for (;;) {
    // Of a damaged one that is not dropped it turns out below whether it matters.
    auto dropped = drop_dead_of(state, records, stop, done);
    if (!dropped && dropped.error().code != ErrorCode::Corruption) return dropped;
    const auto snapshot = state.current->get();
    auto left = segments_to_rewrite(state, *snapshot, records);
    if (!left) return tl::unexpected(left.error());
    if (auto sealed = check_sealed(*snapshot, *left); !sealed) return sealed;
    total = std::max(total, left->size());
    if (progress) progress(total - left->size(), total);
    if (left->empty()) return {};
    if (stop) return fail(ErrorCode::Closed, "the log was closed during a forget");
    if (auto merged = merge_sparse(state, {left->front(), 1}, stop, done); !merged) return merged;
    kill_point("forget.after_segment");
  }
}

Expected<void> remove_from_files(LogState& state, const ForgottenRuns& forgotten,
                                 const std::atomic<bool>& stop, ForgetReport& report,
                                 const ForgetProgress& progress) {
  kill_point("forget.after_hiding");
  if (auto erased = state.paused->erase_numbers(forgotten.paused); !erased) return erased;
  Reclaimed done;
  const auto result = rewrite_segments(state, forgotten.records, stop, done, progress);
  report.dropped_segments += done.dropped_segments;
  report.rewritten_segments += done.merged_segments;
  report.freed_bytes += done.freed_bytes;
  report.written_bytes += done.written_bytes;
  if (!result) return result;
  kill_point("forget.before_state");
  if (auto rewritten = state.catalog->rewrite_without(kForgetKey); !rewritten) return rewritten;
  state.retention->end_forget();
  state.is_forgetting = false;
  return {};
}

template <typename Number>
std::vector<Number> united(const std::vector<Number>& a, const std::vector<Number>& b) {
  std::vector<Number> all;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(all));
  return all;
}

}  // namespace

Expected<void> forget_found(LogState& state, const ForgottenRuns& found,
                            const std::atomic<bool>& stop, ForgetReport& report,
                            const ForgetProgress& progress) {
  // There is one list: what an earlier forget has left over goes with this one.
  auto stored = load_retention(*state.catalog);
  if (!stored) return tl::unexpected(stored.error());
  ForgottenRuns all = found;
  if (stored->forgotten) {
    all.records = united(all.records, stored->forgotten->records);
    all.paused = united(all.paused, stored->forgotten->paused);
  }
  // Also if the commit fails: it may have taken effect.
  state.is_forgetting = true;
  if (auto hidden = state.retention->forget(all); !hidden) return hidden;
  return remove_from_files(state, all, stop, report, progress);
}

Expected<std::vector<std::size_t>> segments_to_rewrite(
    const LogState& state, const Snapshot& snapshot, const std::vector<SequenceNumber>& records) {
  auto contents = state.catalog->read();
  if (!contents) return tl::unexpected(contents.error());
  std::set<std::uint64_t> with_leftovers;
  for (const CatalogEntry& entry : contents->segments)
    if (entry.state == SegmentState::kSealed && entry.has_leftovers != 0)
      with_leftovers.insert(entry.id);
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < snapshot.segments.size(); ++i) {
    const SegmentView& view = snapshot.segments[i];
    if (holds_any(view, records) || with_leftovers.count(view.segment->id()) != 0)
      positions.push_back(i);
  }
  return positions;
}

}  // namespace runlog
