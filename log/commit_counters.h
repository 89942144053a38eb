// How many commits this process has made, in whichever log, and how many runs went into each. For
// whoever watches a server; nothing here depends on the numbers.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace runlog {

struct CommitCounters {
  static constexpr std::size_t kBuckets = 16;  // bucket n: at most 2^n runs; the last holds all above

  std::atomic<std::uint64_t> runs{0}, failed{0};
  std::array<std::atomic<std::uint64_t>, kBuckets> by_runs{};

  // `count` > 0.
  void add(std::uint64_t count) {
    const auto bucket = std::size_t(std::bit_width(count - 1));
    by_runs[bucket < kBuckets ? bucket : kBuckets - 1].fetch_add(1, std::memory_order_relaxed);
    runs.fetch_add(count, std::memory_order_relaxed);
  }
};

inline CommitCounters& commit_counters() {
  static CommitCounters counters;
  return counters;
}

}  // namespace runlog
