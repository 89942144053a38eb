// Log-linear buckets of durations. Bucket 0–7 hold 0–7 ms, one each; above, every power of two is
// cut into 8 equal buckets. Negative durations count as 0. Persistent: never renumber.

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "index/index.h"

namespace runlog {
namespace {

constexpr unsigned kSubBits = 3;
constexpr std::uint64_t kSub = 1u << kSubBits;
constexpr std::uint16_t kLastBucket = (63 - kSubBits) * kSub + (kSub - 1);

}  // namespace

std::uint16_t DurationHistogram::bucket_of(std::int64_t duration_ms) {
  if (duration_ms < std::int64_t(kSub))
    return static_cast<std::uint16_t>(std::max<std::int64_t>(duration_ms, 0));
  const std::uint64_t value = std::uint64_t(duration_ms);
  const unsigned shift = unsigned(std::bit_width(value)) - 1 - kSubBits;
  return static_cast<std::uint16_t>((shift + 1) * kSub + ((value >> shift) & (kSub - 1)));
}

std::int64_t DurationHistogram::lower_bound_ms(std::uint16_t bucket) {
  if (bucket < kSub) return bucket;
  if (bucket > kLastBucket) return std::numeric_limits<std::int64_t>::max();
  const unsigned shift = bucket / kSub - 1;
  return std::int64_t((kSub + bucket % kSub) << shift);
}

std::int64_t DurationHistogram::upper_bound_ms(std::uint16_t bucket) {
  if (bucket >= kLastBucket) return std::numeric_limits<std::int64_t>::max();
  return lower_bound_ms(static_cast<std::uint16_t>(bucket + 1)) - 1;
}

std::int64_t DurationHistogram::percentile(double fraction) const {
  std::uint64_t total = 0;
  for (const auto& [bucket, count] : buckets) total += count;
  if (total == 0) return -1;
  // The rank of the run that is asked for, 1 for the shortest.
  const double rank = std::ceil(std::clamp(fraction, 0.0, 1.0) * double(total));
  std::uint64_t below = 0;
  for (const auto& [bucket, count] : buckets) {
    below += count;
    if (double(below) >= rank) {
      const std::int64_t lower = lower_bound_ms(bucket);
      return lower + (upper_bound_ms(bucket) - lower) / 2;
    }
  }
  const std::uint16_t last = buckets.rbegin()->first;
  return lower_bound_ms(last);
}

}  // namespace runlog
