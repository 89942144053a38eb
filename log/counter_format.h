// Counters as bytes in state/: the mark, and a bucket for each hour and each day. log/FORMAT.md has
// the layout; log/counters.h has the meaning.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "index/error.h"
#include "index/index.h"
#include "log/catalog.h"
#include "log/names.h"

namespace runlog {

// Persistent: never renumber. Keys of state's table "t", between retention's and the paused runs'.
inline constexpr std::uint64_t kCounterMarkKey = 1ull << 58;
inline constexpr std::uint64_t kHourBucketKey = kCounterMarkKey + (1ull << 56);
inline constexpr std::uint64_t kDayBucketKey = kCounterMarkKey + (1ull << 57);
inline constexpr std::uint64_t kCounterKeysEnd = 1ull << 59;
// Where the hour, or the day, that holds the first moment of 1970 stands behind these.
inline constexpr std::uint64_t kBucketOfZero = 1ull << 40;

inline constexpr std::int64_t kHoursADay = 24;
inline constexpr std::int64_t kHoursKept = 8 * kHoursADay;  // before the current one
inline constexpr std::int64_t kDaysKept = 400;
inline constexpr std::size_t kMaxBucketFlows = 1000;
inline constexpr std::uint64_t kMaxCounterBytes = 32u << 20;

inline bool is_counter_key(std::uint64_t key) {
  return key >= kCounterMarkKey && key < kCounterKeysEnd;
}
inline bool is_day_bucket(std::uint64_t key) { return key >= kDayBucketKey; }
inline std::uint64_t hour_bucket(std::int64_t hour) {
  return kHourBucketKey + kBucketOfZero + std::uint64_t(hour);
}
inline std::uint64_t day_bucket(std::int64_t day) {
  return kDayBucketKey + kBucketOfZero + std::uint64_t(day);
}
// When a bucket's hour or day begins and ends, in ms since 1970.
UnixMs bucket_start(std::uint64_t key);
UnixMs bucket_end(std::uint64_t key);
// "the hour 2026-10-20 03:00", for messages.
std::string bucket_name(std::uint64_t key);

// The day that holds an hour, both since 1970.
inline std::int64_t day_of_hour(std::int64_t hour) {
  return hour / kHoursADay - (hour % kHoursADay < 0 ? 1 : 0);
}

// The first hour and the first day that are counted. They only rise.
struct CounterReach {
  std::int64_t first_hour = std::numeric_limits<std::int64_t>::min();
  std::int64_t first_day = std::numeric_limits<std::int64_t>::min();

  // Moves on to what is kept at `now`.
  void rise_to(UnixMs now);
  // Moves on behind a bucket.
  void rise_above(std::uint64_t bucket);
  bool covers(std::uint64_t bucket) const;
};

// The oldest buckets of these that must go for the rest to take at most `most` bytes; the newest
// stays. By key; sizes in bytes.
std::vector<std::uint64_t> buckets_beyond(const std::map<std::uint64_t, std::uint64_t>& sizes,
                                          std::uint64_t most);

struct CounterMark {
  SequenceNumber counted_to = 1;  // the records below it are in the buckets
  CounterReach reach;
  std::uint64_t uncounted = 0;    // damaged records, of which nobody knows what they were
  UnixMs dropped_before = 0;      // buckets that began before it went for their size; 0: none did
  std::set<std::uint64_t> recount;  // buckets that a repair removed
};

// What one stretch of records adds to a bucket and takes away from it, by the flows' symbols.
struct BucketChange {
  FlowTable more, less;
};

// What flows did in one hour or on one day.
class CounterBucket {
 public:
  // Takes a change over. A flow that finds no place among the names is counted with the others.
  void take(const BucketChange& change, const NameTable& names);

  bool is_empty() const { return flows_.empty() && !has_others_; }
  // Of one flow; nullptr if the bucket does not name it.
  const FlowCounts* of(const std::string& flow) const;
  FlowCounts sum() const;
  // Whether there are flows that are not named.
  bool has_others() const { return has_others_; }

  StateEntry encode(std::uint64_t key, SequenceNumber counted_to) const;
  // Errors: Corruption (says which bucket cannot be read; the caller adds the file).
  static Expected<CounterBucket> decode(std::uint64_t key, Bytes value);
  // Of the mark that an encoded bucket was written with; decode() has found the value sound.
  static SequenceNumber counted_to(Bytes value);

 private:
  FlowCounts* place_of(std::string_view flow, bool make);

  std::map<std::string, FlowCounts, std::less<>> flows_;
  FlowCounts others_;
  bool has_others_ = false;
};

StateEntry counter_mark_entry(const CounterMark& mark);
// Errors: as CounterBucket::decode.
Expected<CounterMark> decode_counter_mark(Bytes value);

}  // namespace runlog
