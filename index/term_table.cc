#include "index/term_table.h"

namespace runlog {
namespace {

constexpr unsigned kFirstBits = 8;

std::uint64_t spread(TermKey key) { return key.bits * 0x9E3779B97F4A7C15ull; }

}  // namespace

TermTable::Slot& TermTable::Slots::probe(TermKey key) const {
  for (std::uint64_t at = spread(key) >> shift;; ++at) {
    Slot& slot = slots[at & mask];
    if (slot.list.load(std::memory_order_acquire) == nullptr || slot.key == key) return slot;
  }
}

TermTable::TermTable() {
  all_.push_back(std::make_unique<Slots>(kFirstBits));
  slots_bytes_ = sizeof(Slot) << kFirstBits;
  current_.store(all_.back().get(), std::memory_order_release);
}

PostingList& TermTable::find_or_make(TermKey key) {
  Slot* slot = &current_.load(std::memory_order_relaxed)->probe(key);
  if (PostingList* list = slot->list.load(std::memory_order_relaxed)) return *list;

  const std::uint32_t size = size_.load(std::memory_order_relaxed);
  if (size + 1 > current_.load(std::memory_order_relaxed)->mask / 8 * 5) {
    grow();
    slot = &current_.load(std::memory_order_relaxed)->probe(key);
  }
  PostingList& list = lists_.grow(size);
  list.key = key;
  slot->key = key;
  slot->list.store(&list, std::memory_order_release);
  size_.store(size + 1, std::memory_order_release);
  return list;
}

void TermTable::grow() {
  const unsigned bits = 64 - current_.load(std::memory_order_relaxed)->shift + 1;
  auto bigger = std::make_unique<Slots>(bits);
  for (std::uint32_t i = 0; i < size_.load(std::memory_order_relaxed); ++i) {
    Slot& slot = bigger->probe(lists_[i].key);
    slot.key = lists_[i].key;
    slot.list.store(&lists_[i], std::memory_order_relaxed);
  }
  slots_bytes_ += sizeof(Slot) << bits;
  current_.store(bigger.get(), std::memory_order_release);
  all_.push_back(std::move(bigger));
}

const PostingList* TermTable::find(TermKey key) const {
  return current_.load(std::memory_order_acquire)->probe(key).list.load(std::memory_order_acquire);
}

}  // namespace runlog
