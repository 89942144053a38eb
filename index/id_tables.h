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
// cache line. About one absent id in 1,500 passes.
class IdFilter {
 public:
  // The filter's bytes for the ids of `count` runs.
  static std::size_t bytes_for(Ordinal count);
  static std::vector<std::byte> make(std::span<const std::uint64_t> id_hashes);

  // Errors: Corruption (not the length that `count` runs need).
  static Expected<IdFilter> open(std::span<const std::byte> bytes, Ordinal count);

  bool may_contain(std::uint64_t id_hash) const;
  // Fetches the cache line that may_contain() looks at, of a table that has the right length but
  // need not be verified.
  static void prefetch(std::span<const std::byte> bytes, Ordinal count, std::uint64_t id_hash);

 private:
  // A table starts 16 bytes into a page, so that a header of 48 puts blocks on cache lines.
  static constexpr std::size_t kHeaderBytes = 48;
  static constexpr std::size_t kBlockBytes = 64;
  static constexpr std::uint64_t kBitsPerRun = 16;

  static std::uint32_t blocks_for(Ordinal count);
  IdFilter(const std::byte* blocks, std::uint32_t count) : blocks_(blocks), block_count_(count) {}

  const std::byte* blocks_;
  std::uint32_t block_count_;
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
