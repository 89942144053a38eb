// The terms of an active segment: term key → posting list, by open addressing. One writer, any
// number of readers, no lock: a slot's list pointer is stored last and loaded first, and a table
// that grew too small is replaced, never changed. The old ones stay until the index goes (together
// they are no larger than the current one), because a reader may still be in them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "index/chunked_array.h"
#include "index/posting_list.h"
#include "index/term.h"

namespace runlog {

class TermTable {
 public:
  TermTable();

  // The list of `key`, made if it is new. Writer only.
  PostingList& find_or_make(TermKey key);
  // The list of `key`, or null.
  const PostingList* find(TermKey key) const;

  // Every term, in the order in which they came.
  std::uint32_t size() const { return size_.load(std::memory_order_acquire); }
  const PostingList& operator[](std::uint32_t index) const { return lists_[index]; }

  // Writer only.
  std::size_t allocated_bytes() const { return lists_.allocated_bytes() + slots_bytes_; }

 private:
  struct Slot {
    TermKey key;
    std::atomic<PostingList*> list{nullptr};
  };
  struct Slots {
    explicit Slots(unsigned bits)
        : shift(64 - bits), mask((1u << bits) - 1), slots(new Slot[1u << bits]) {}
    unsigned shift;
    std::uint32_t mask;
    std::unique_ptr<Slot[]> slots;
    // The slot of `key`, or the empty one where it belongs.
    Slot& probe(TermKey key) const;
  };
  void grow();

  std::atomic<Slots*> current_;
  std::vector<std::unique_ptr<Slots>> all_;
  ChunkedArray<PostingList> lists_;
  std::atomic<std::uint32_t> size_{0};
  std::size_t slots_bytes_ = 0;
};

}  // namespace runlog
