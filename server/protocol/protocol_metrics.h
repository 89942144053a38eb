// What the socket protocol counts. Written on the loop, read by any thread.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

namespace runlog {

struct ProtocolMetrics {
  static constexpr unsigned kKinds = 64;    // larger than every Kind
  static constexpr unsigned kBuckets = 28;  // bucket n: below 2^n µs; the last holds all above

  struct OfKind {
    std::atomic<std::uint64_t> requests{0}, failures{0}, microseconds{0};
    std::array<std::atomic<std::uint64_t>, kBuckets> by_microseconds{};
  };
  std::array<OfKind, kKinds> by_kind;   // failures at 0: of connections as a whole
  std::atomic<std::uint64_t> overloaded{0}, in_flight{0};

  void add(unsigned kind, bool has_failed, std::uint64_t microseconds) {
    OfKind& counts = by_kind[kind < kKinds ? kind : 0];
    ++counts.requests;
    if (has_failed) ++counts.failures;
    counts.microseconds += microseconds;
    const unsigned bucket = unsigned(std::bit_width(microseconds));
    ++counts.by_microseconds[bucket < kBuckets ? bucket : kBuckets - 1];
  }
};

}  // namespace runlog
