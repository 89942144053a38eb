#include "log/counter_fold.h"

#include <algorithm>
#include <optional>

#include "index/flow_counts.h"
#include "log/current_snapshot.h"
#include "log/record.h"
#include "log/segment.h"

namespace runlog {
namespace {

class Fold {
 public:
  Fold(const Snapshot& snapshot, const CounterReach& reach, const std::set<std::uint64_t>* only,
       CounterChanges& changes)
      : snapshot_(snapshot), reach_(reach), only_(only), changes_(changes) {}

  // The records of one segment. Reads of segments that are not sealed are let go between segments.
  Expected<void> segment(std::size_t position, SequenceNumber from, SequenceNumber to) {
    RecordReader reader(snapshot_);
    const SegmentView& view = snapshot_.segments[position];
    const Ordinal end = view.lower_bound(to);
    for (Ordinal ordinal = view.lower_bound(from); ordinal < end; ++ordinal) {
      const auto head = head_of(reader, {position, ordinal});
      if (!head) return tl::unexpected(head.error());
      if (!*head) continue;
      add(**head, &BucketChange::more);
      if ((*head)->supersedes() == 0) continue;
      const auto place = find_sequence(snapshot_, (*head)->supersedes());
      if (!place) continue;
      const auto earlier = head_of(reader, *place);
      if (!earlier) return tl::unexpected(earlier.error());
      if (*earlier) add(**earlier, &BucketChange::less);
    }
    return {};
  }

  std::uint64_t damaged() const { return damaged_; }

 private:
  // nullopt of a damaged record.
  Expected<std::optional<HeadView>> head_of(RecordReader& reader, SegmentPlace place) {
    const auto record = reader.read(place.position, place.ordinal);
    if (!record && record.error().code != ErrorCode::Corruption)
      return tl::unexpected(record.error());
    if (record) {
      const auto head =
          HeadView::open(*record, snapshot_.segments[place.position].sequence(place.ordinal));
      if (head) return *head;
    }
    ++damaged_;
    return std::nullopt;
  }

  void add(const HeadView& head, FlowTable BucketChange::*side) {
    const HeadView::Numbers numbers = head.numbers();
    const std::int64_t hour = hour_of(std::min(numbers.finished_at, head.recorded_at()));
    for (const std::uint64_t key : {hour_bucket(hour), day_bucket(day_of_hour(hour))}) {
      if (!reach_.covers(key) || (only_ != nullptr && only_->count(key) == 0)) continue;
      FlowCounts& counts = (changes_[key].*side)[numbers.flow];
      counts.runs[std::size_t(head.status())] += 1;
      counts.selected = wrapping_add(counts.selected, numbers.selected);
      counts.acted = wrapping_add(counts.acted, numbers.acted);
      counts.unmeasured = wrapping_add(counts.unmeasured, numbers.unmeasured);
      if (numbers.duration_ms)
        counts.durations.buckets[DurationHistogram::bucket_of(*numbers.duration_ms)] += 1;
    }
  }

  const Snapshot& snapshot_;
  const CounterReach& reach_;
  const std::set<std::uint64_t>* only_;
  CounterChanges& changes_;
  std::uint64_t damaged_ = 0;
};

}  // namespace

Expected<std::uint64_t> fold_into_counters(const Snapshot& snapshot, SequenceNumber from,
                                           SequenceNumber to, const CounterReach& reach,
                                           const std::set<std::uint64_t>* only,
                                           CounterChanges& changes) {
  Fold fold(snapshot, reach, only, changes);
  for (std::size_t i = 0; i < snapshot.segments.size(); ++i) {
    const SegmentView& view = snapshot.segments[i];
    if (view.segment->base() >= to) break;
    if (view.end == 0 || view.sequence(view.end - 1) < from) continue;
    if (auto folded = fold.segment(i, from, to); !folded) return tl::unexpected(folded.error());
  }
  return fold.damaged();
}

}  // namespace runlog
