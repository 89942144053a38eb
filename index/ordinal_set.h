// A set of ordinals: the result of a filter, or the runs of a segment that are hidden. A value type
// over a Roaring bitmap; immutable once shared (shared_ptr<const OrdinalSet>), and then any number
// of threads may read it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "index/error.h"
#include "index/index.h"

namespace runlog {

class OrdinalSet {
 public:
  OrdinalSet();
  ~OrdinalSet();
  OrdinalSet(const OrdinalSet& other);
  OrdinalSet& operator=(const OrdinalSet& other);
  // A moved-from set may only be assigned to or destroyed.
  OrdinalSet(OrdinalSet&& other) noexcept;
  OrdinalSet& operator=(OrdinalSet&& other) noexcept;

  void add(Ordinal ordinal);
  // Cheapest when `ordinals` ascend.
  void add_many(std::span<const Ordinal> ordinals);
  // Adds every ordinal in [from, to); nothing if from >= to.
  void add_range(Ordinal from, Ordinal to);
  void remove(Ordinal ordinal);
  // Removes every ordinal >= `end`.
  void cut_off(Ordinal end);

  bool contains(Ordinal ordinal) const;
  bool is_empty() const;
  std::uint64_t count() const;
  // How many ordinals are in [from, to).
  std::uint64_t count_range(Ordinal from, Ordinal to) const;

  OrdinalSet& operator&=(const OrdinalSet& other);
  OrdinalSet& operator|=(const OrdinalSet& other);
  OrdinalSet& operator-=(const OrdinalSet& other);
  // The size of the intersection, which is not built.
  std::uint64_t and_count(const OrdinalSet& other) const;
  friend bool operator==(const OrdinalSet& a, const OrdinalSet& b);

  // Reads the ordinals below `end`. The set must outlive the reader and stay as it is.
  std::unique_ptr<PostingReader> read(Ordinal end, Direction direction) const;

  std::size_t memory_bytes() const;

  // The Roaring portable format without run containers; equal sets give equal bytes.
  std::vector<std::byte> serialise() const;
  // Reads what serialise() wrote, from untrusted bytes: everything is checked, also that every
  // ordinal is below `end`. Errors: Corruption.
  static Expected<OrdinalSet> deserialise(std::span<const std::byte> bytes, Ordinal end);

 private:
  explicit OrdinalSet(roaring_bitmap_s* bitmap) : bitmap_(bitmap) {}
  roaring_bitmap_s* bitmap_;
};

}  // namespace runlog
