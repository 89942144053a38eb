#include "index/hash_chains.h"

#include <algorithm>
#include <cassert>

namespace runlog {
namespace {

std::uint64_t spread(std::uint64_t key) { return key * 0x9E3779B97F4A7C15ull; }

}  // namespace

HashChains::Probe HashChains::probe(unsigned generation, std::uint64_t key) const {
  const unsigned bits = generation_bits(generation);
  const std::uint32_t start = generation_start(generation);
  const std::uint32_t slots_mask = (2u << bits) - 1;  // two slots an entry
  const std::uint32_t entry_mask = (1u << bits) - 1;
  const std::uint64_t hash = spread(key);
  std::uint32_t tag = std::uint32_t(hash >> (31 - bits)) & ~entry_mask;
  if (tag == 0) tag = 1u << 31;

  for (std::uint64_t at = hash >> (63 - bits);; ++at) {
    Slot& slot = slots_[generation][at & slots_mask];
    const std::uint32_t content = slot.load(std::memory_order_acquire);
    if (content == 0) return {&slot, kNone, tag};
    if ((content & ~entry_mask) != tag) continue;
    const std::uint32_t entry = start + (content & entry_mask);
    if (entries_[entry].key == key) return {&slot, entry, tag};
  }
}

void HashChains::add(std::uint64_t key, Ordinal ordinal) {
  const std::uint32_t index = size_.load(std::memory_order_relaxed);
  unsigned generations = generations_.load(std::memory_order_relaxed);
  if (index == generation_start(generations)) {
    assert(generations < kGenerations);
    const std::size_t slots = std::size_t(2) << generation_bits(generations);
    slots_[generations].reset(new Slot[slots]());
    slots_bytes_ += slots * sizeof(Slot);
    generations_.store(++generations, std::memory_order_release);
  }

  const Probe found = probe(generations - 1, key);
  if (found.entry != kNone && entries_[found.entry].ordinal == ordinal) return;
  if (found.entry == kNone && is_in_older_generation(generations - 1, key, ordinal)) return;
  entries_.grow(index) = {key, ordinal, found.entry};
  found.slot->store(found.tag | (index - generation_start(generations - 1)),
                    std::memory_order_release);
  size_.store(index + 1, std::memory_order_release);
}

// One run's entries may begin in one generation and go on in the next.
bool HashChains::is_in_older_generation(unsigned generation, std::uint64_t key,
                                        Ordinal ordinal) const {
  while (generation > 0 && entries_[generation_start(generation) - 1].ordinal == ordinal) {
    const Probe found = probe(--generation, key);
    if (found.entry != kNone && entries_[found.entry].ordinal == ordinal) return true;
  }
  return false;
}

void HashChains::prefetch(std::uint64_t key, unsigned generations) const {
  const unsigned end = generations_.load(std::memory_order_acquire);
  for (unsigned generation = end - std::min(generations, end); generation < end; ++generation)
    __builtin_prefetch(&slots_[generation][spread(key) >> (63 - generation_bits(generation))]);
}

HashChains::Walk::Walk(const HashChains& chains, std::uint64_t key)
    : chains_(chains),
      key_(key),
      generation_(chains.generations_.load(std::memory_order_acquire)) {}

bool HashChains::Walk::next(Ordinal& ordinal) {
  while (entry_ == kNone) {
    if (generation_ == 0) return false;
    entry_ = chains_.probe(--generation_, key_).entry;
  }
  const Entry& entry = chains_.entries_[entry_];
  ordinal = entry.ordinal;
  entry_ = entry.previous;
  return true;
}

}  // namespace runlog
