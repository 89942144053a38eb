#include "log/counters.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "log/kill_point.h"
#include "log/log_state.h"

namespace runlog {

Error Counters::in_file(const Error& error) const {
  if (error.code != ErrorCode::Corruption) return error;
  return {error.code, fmt::format("'{}' is damaged: {}", state_.catalog->file().string(),
                                  error.message)};
}

// Takes what state/ says, and folds the records that it does not know of. In a reader's process the
// writer may have moved on, and after a failed commit nobody knows what it came to.
Expected<void> Counters::catch_up(const LmdbRead& read, const Snapshot& snapshot) {
  auto stored = read.get(LmdbTable::kTables, kCounterMarkKey);
  if (!stored) return tl::unexpected(stored.error());
  CounterMark mark;
  if (*stored) {
    auto decoded = decode_counter_mark(**stored);
    if (!decoded) return tl::unexpected(in_file(decoded.error()));
    mark = std::move(*decoded);
  }
  reach_.first_hour = std::max(reach_.first_hour, mark.reach.first_hour);
  reach_.first_day = std::max(reach_.first_day, mark.reach.first_day);
  if (!is_known_ || mark.counted_to != mark_.counted_to || mark.recount != mark_.recount) {
    pending_.clear();
    pending_uncounted_ = 0;
    pending_to_ = mark.counted_to;
    is_known_ = false;
    // Damaged records among these are in the mark already.
    if (!mark.recount.empty())
      if (auto folded = fold_into_counters(snapshot, 1, mark.counted_to, reach_, &mark.recount,
                                           pending_); !folded)
        return tl::unexpected(folded.error());
    is_known_ = true;
  }
  mark_ = std::move(mark);
  if (snapshot.end <= pending_to_) return {};
  is_known_ = false;  // a part may be in pending_ already if this fails
  auto damaged = fold_into_counters(snapshot, pending_to_, snapshot.end, reach_, nullptr, pending_);
  if (!damaged) return tl::unexpected(damaged.error());
  pending_uncounted_ += *damaged;
  pending_to_ = snapshot.end;
  is_known_ = true;
  return {};
}

Expected<void> Counters::read_buckets(
    const LmdbRead& read,
    const std::function<Expected<void>(std::uint64_t key, Bytes value)>& visit) const {
  Expected<void> result;
  auto scanned =
      read.scan(LmdbTable::kTables, kCounterMarkKey + 1, [&](std::uint64_t key, Bytes value) {
        if (!is_counter_key(key)) return false;
        result = visit(key, value);
        return result.has_value();
      });
  if (!scanned) return scanned;
  if (!result) return tl::unexpected(in_file(result.error()));
  return {};
}

Expected<void> Counters::open(SequenceNumber end) {
  std::lock_guard lock(mutex_);
  CounterMark mark;
  {
    auto read = state_.catalog->begin_read();
    if (!read) return tl::unexpected(read.error());
    auto stored = read->get(LmdbTable::kTables, kCounterMarkKey);
    if (!stored) return tl::unexpected(stored.error());
    if (!*stored) return {};
    auto decoded = decode_counter_mark(**stored);
    if (!decoded) return tl::unexpected(in_file(decoded.error()));
    mark = std::move(*decoded);
  }
  if (mark.counted_to <= end) return {};
  mark.counted_to = end;
  return state_.catalog->write_beside([&](LmdbWrite& write) {
    return write.put(LmdbTable::kTables, kCounterMarkKey, counter_mark_entry(mark).value);
  });
}

// ---- writing ---------------------------------------------------------------------------------

struct Counters::Write {
  CounterMark mark;
  std::map<std::uint64_t, StateEntry> buckets;
  std::vector<std::uint64_t> removed;
};

Expected<Counters::Write> Counters::prepare(const Snapshot& snapshot) {
  auto read = state_.catalog->begin_read();
  if (!read) return tl::unexpected(read.error());
  if (auto known = catch_up(*read, snapshot); !known) return tl::unexpected(known.error());
  Write write;
  write.mark = mark_;
  write.mark.counted_to = pending_to_;
  write.mark.uncounted += pending_uncounted_;
  write.mark.recount.clear();
  std::map<std::uint64_t, std::uint64_t> sizes;
  const auto put = [&](std::uint64_t key, CounterBucket bucket, const BucketChange& change) {
    bucket.take(change, *snapshot.names);
    auto entry = bucket.encode(key, pending_to_);
    sizes[key] = entry.value.size();
    write.buckets.emplace(key, std::move(entry));
  };
  auto done = read_buckets(*read, [&](std::uint64_t key, Bytes value) -> Expected<void> {
    const auto change = pending_.find(key);
    if (reach_.covers(key) && change == pending_.end()) {
      sizes[key] = value.size();
      return {};
    }
    // A damaged key may look like one that is too old.
    auto bucket = CounterBucket::decode(key, value);
    if (!bucket) return tl::unexpected(bucket.error());
    if (reach_.covers(key))
      put(key, std::move(*bucket), change->second);
    else
      write.removed.push_back(key);
    return {};
  });
  if (!done) return tl::unexpected(done.error());
  for (const auto& [key, change] : pending_)
    if (reach_.covers(key) && sizes.count(key) == 0) put(key, {}, change);
  write.mark.reach = reach_;
  for (const std::uint64_t key : buckets_beyond(sizes, kMaxCounterBytes)) {
    write.removed.push_back(key);
    write.buckets.erase(key);
    write.mark.reach.rise_above(key);
    write.mark.dropped_before = std::max(write.mark.dropped_before, bucket_end(key));
  }
  return write;
}

Expected<void> Counters::persist() {
  const UnixMs now = state_.retention->view().now;
  std::lock_guard lock(mutex_);
  reach_.rise_to(now);
  auto write = prepare(*state_.current->get());
  if (!write) return tl::unexpected(write.error());
  if (pending_to_ == mark_.counted_to && mark_.recount.empty()) return {};
  kill_point("counters.before_commit");
  auto written = state_.catalog->write_beside([&](LmdbWrite& transaction) -> Expected<void> {
    for (const std::uint64_t key : write->removed)
      if (auto done = transaction.remove(LmdbTable::kTables, key); !done) return done;
    for (const auto& [key, entry] : write->buckets)
      if (auto done = transaction.put(LmdbTable::kTables, key, entry.value); !done) return done;
    return transaction.put(LmdbTable::kTables, kCounterMarkKey,
                           counter_mark_entry(write->mark).value);
  });
  if (!written) return written;
  kill_point("counters.after_commit");
  mark_ = std::move(write->mark);
  reach_ = mark_.reach;
  pending_.clear();
  pending_uncounted_ = 0;
  return {};
}

// ---- reading ---------------------------------------------------------------------------------

Expected<FlowHistory> Counters::history(const Snapshot& snapshot,
                                        const std::optional<std::string>& flow) {
  const UnixMs now = state_.retention->view().now;
  std::lock_guard lock(mutex_);
  reach_.rise_to(now);
  auto read = state_.catalog->begin_read();
  if (!read) return tl::unexpected(read.error());
  if (auto known = catch_up(*read, snapshot); !known) return tl::unexpected(known.error());
  std::map<std::uint64_t, CounterBucket> buckets;
  auto done = read_buckets(*read, [&](std::uint64_t key, Bytes value) -> Expected<void> {
    auto bucket = CounterBucket::decode(key, value);
    if (!bucket) return tl::unexpected(bucket.error());
    if (reach_.covers(key)) buckets.emplace(key, std::move(*bucket));
    return {};
  });
  if (!done) return tl::unexpected(done.error());
  for (const auto& [key, change] : pending_)
    if (reach_.covers(key)) buckets[key].take(change, *snapshot.names);

  FlowHistory history;
  history.measured_at = state_.now();
  history.uncounted = mark_.uncounted + pending_uncounted_;
  if (mark_.dropped_before != 0) history.dropped_before = mark_.dropped_before;
  for (const auto& [key, bucket] : buckets) {
    if (bucket.is_empty()) continue;
    const UnixMs start = bucket_start(key);
    auto& from = is_day_bucket(key) ? history.days_from : history.hours_from;
    if (!from) from = start;
    history.has_unnamed = history.has_unnamed || bucket.has_others();
    auto& periods = is_day_bucket(key) ? history.days : history.hours;
    if (!flow)
      periods.push_back({start, bucket.sum()});
    else if (const FlowCounts* const counts = bucket.of(*flow))
      periods.push_back({start, *counts});
  }
  return history;
}

}  // namespace runlog
