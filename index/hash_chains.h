// Hash → ordinals for values that hardly repeat (run ids, hashed terms), in an active segment.
// Twenty-odd bytes an entry where a posting list each would cost over a hundred. One writer, any
// number of readers, no lock.
//
// Entries stand in the order in which they came. They are found through generations: hash tables
// that each cover a range of entries and never grow; each generation is as large as all before it,
// so there are few, and nothing is ever rehashed. A slot holds the newest entry of its key within
// the generation and some bits of the hash; entries of the same key are linked.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "index/chunked_array.h"
#include "index/index.h"

namespace runlog {

class HashChains {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t(0);
  struct Entry {
    std::uint64_t key;
    Ordinal ordinal;
    std::uint32_t previous;  // the next older entry of the same key and generation, or kNone
  };

  // Adds an entry, unless the key's newest entry has this ordinal already. Ordinals never fall.
  // Writer only.
  void add(std::uint64_t key, Ordinal ordinal);
  // Fetches the slots that a walk over `key` looks at first, in the `generations` newest
  // generations.
  void prefetch(std::uint64_t key, unsigned generations) const;

  // Walks the entries of one key, newest first. Reads what was published when it was made.
  class Walk {
   public:
    Walk(const HashChains& chains, std::uint64_t key);
    // The next ordinal; false at the end.
    bool next(Ordinal& ordinal);

   private:
    const HashChains& chains_;
    std::uint64_t key_;
    unsigned generation_;  // those below are still to be looked at
    std::uint32_t entry_ = kNone;
  };

  std::uint32_t size() const { return size_.load(std::memory_order_acquire); }
  const Entry& operator[](std::uint32_t index) const { return entries_[index]; }

  // Writer only.
  std::size_t allocated_bytes() const { return entries_.allocated_bytes() + slots_bytes_; }

 private:
  // A slot: the hash's bits above, the entry's offset in its generation below; 0 is empty.
  using Slot = std::atomic<std::uint32_t>;
  struct Probe {
    Slot* slot;
    std::uint32_t entry;  // of the same key, or kNone
    std::uint32_t tag;    // the slot's upper bits
  };
  static constexpr unsigned kFirstBits = 10;
  static constexpr unsigned kGenerations = 32 - kFirstBits;

  // Generation 0 covers 2^kFirstBits entries, generation g those from 2^(kFirstBits + g − 1).
  static unsigned generation_bits(unsigned generation) {
    return generation == 0 ? kFirstBits : kFirstBits + generation - 1;
  }
  static std::uint32_t generation_start(unsigned generation) {
    return generation == 0 ? 0 : 1u << generation_bits(generation);
  }
  Probe probe(unsigned generation, std::uint64_t key) const;
  bool is_in_older_generation(unsigned generation, std::uint64_t key, Ordinal ordinal) const;

  ChunkedArray<Entry> entries_;
  std::array<std::unique_ptr<Slot[]>, kGenerations> slots_;
  std::atomic<unsigned> generations_{0};
  std::atomic<std::uint32_t> size_{0};
  std::size_t slots_bytes_ = 0;
};

}  // namespace runlog
