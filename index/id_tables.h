// Run id → ordinals in a sealed segment: the sorted array kIds behind the Bloom filter kIdFilter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/error.h"
#include "index/index.h"

namespace runlog {

// A blocked Bloom filter with 16 bits a run: each id sets one bit in each of the eight words of one
// cache line. About one absent id in 1,500 passes. The number of blocks follows from the number of
// runs, so that a lookup reads one cache line and nothing else.
class IdFilter {
 public:
  static std::size_t bytes_for(Ordinal count);
  // `id_hashes` are by ordinal.
  static std::vector<std::byte> make(std::span<const std::uint64_t> id_hashes);

  // `bytes` must be bytes_for(count) long.
  static bool may_contain(std::span<const std::byte> bytes, Ordinal count, std::uint64_t id_hash);
  // Fetches the cache line that may_contain() looks at.
  static void prefetch(std::span<const std::byte> bytes, Ordinal count, std::uint64_t id_hash);
};

// All (upper half of the id's hash, ordinal) pairs, sorted, 8 bytes each.
class IdTable {
 public:
  static std::size_t bytes_for(Ordinal count);
  // `id_hashes` are by ordinal.
  static std::vector<std::byte> make(std::span<const std::uint64_t> id_hashes);

  // Errors: Corruption (not the length that `count` runs need).
  static Expected<IdTable> open(std::span<const std::byte> bytes, Ordinal count);

  // As SegmentIndex::find_id. Errors: Corruption (an ordinal that is not below the run count).
  Expected<std::size_t> find(std::uint64_t id_hash, Ordinal end, std::span<Ordinal> out) const;

 private:
  IdTable(const std::byte* pairs, Ordinal count) : pairs_(pairs), count_(count) {}

  const std::byte* pairs_;
  Ordinal count_;
};

}  // namespace runlog
