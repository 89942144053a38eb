// The terms of a sealed segment. A term with more than a few runs has a slot in the hash table
// kTermDirectory, which names its bitmap in kPostings; the others, nearly unique ones, stand as
// (key, ordinal) pairs in kSparseTerms, because a slot and a bitmap would cost several times that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "index/error.h"
#include "index/index.h"
#include "index/roaring_view.h"

namespace runlog {

// An open-addressing hash table of (term, place of its bitmap, number of runs), 16 bytes a slot.
class TermDirectory {
 public:
  struct Slot {
    TermKey term;
    std::uint32_t place = 0;  // of the bitmap in kPostings, in units of 8 bytes
    std::uint32_t count = 0;  // of its runs; 0 in an empty slot
  };
  static_assert(sizeof(Slot) == 16);

  static std::vector<std::byte> make(std::span<const Slot> terms);
  // Errors: Corruption (not the length that its slots need).
  static Expected<TermDirectory> open(std::span<const std::byte> bytes);

  // The term's slot; count is 0 if it has none.
  Slot find(TermKey term) const;
  std::uint32_t slots() const { return slots_; }
  Slot slot(std::uint32_t index) const;

 private:
  TermDirectory(const std::byte* bytes, std::uint32_t slots) : bytes_(bytes), slots_(slots) {}

  const std::byte* bytes_;
  std::uint32_t slots_;  // a power of two
};

// The bitmaps of the terms in the directory, each in the Roaring portable format.
class PostingTable {
 public:
  // Starts a table; add() appends bitmaps to it and gives their places.
  static std::vector<std::byte> start();
  static std::uint32_t add(std::vector<std::byte>& table, std::span<const Ordinal> ordinals);
  // The bytes that a bitmap of these ordinals takes.
  static std::size_t bitmap_bytes(std::span<const Ordinal> ordinals);

  // The bitmap of a slot. Errors: Corruption (outside the table, not a bitmap, or of another
  // count).
  static Expected<RoaringView> bitmap(std::span<const std::byte> table,
                                      const TermDirectory::Slot& slot, Ordinal count);
};

// (term, ordinal) pairs, sorted by the term's spread-out key so that a search knows where to look.
class SparseTerms {
 public:
  // A term with so many runs or more is never sparse.
  static constexpr std::size_t kMaxRuns = 24;

  struct Pair {
    TermKey term;
    Ordinal ordinal;
  };
  static std::vector<std::byte> make(std::vector<Pair> pairs);
  // Errors: Corruption (not the length that its pairs need).
  static Expected<SparseTerms> open(std::span<const std::byte> bytes);

  // The ordinals of one term, ascending. Errors: Corruption (out of order, too many, or not below
  // `count`).
  class Found {
   public:
    std::span<const Ordinal> ordinals() const { return {ordinals_, size_}; }

   private:
    friend class SparseTerms;
    Ordinal ordinals_[kMaxRuns];
    std::size_t size_ = 0;
  };
  Expected<Found> find(TermKey term, Ordinal count) const;

  std::uint32_t size() const { return size_; }
  TermKey term(std::uint32_t index) const;
  Ordinal ordinal(std::uint32_t index) const;

 private:
  SparseTerms(const std::byte* bytes, std::uint32_t size) : bytes_(bytes), size_(size) {}

  const std::byte* bytes_;
  std::uint32_t size_;
};

}  // namespace runlog
