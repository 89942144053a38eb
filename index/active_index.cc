// The growing index of an active segment: see index.h.

#include <algorithm>
#include <array>
#include <cassert>
#include <unordered_map>

#include "index/active_impl.h"
#include "index/ordinal_set.h"
#include "index/vector_reader.h"

namespace runlog {
namespace {

// Reads a hashed term newest first, as its entries are linked.
class WalkReader final : public PostingReader {
 public:
  WalkReader(const HashChains& chains, std::uint64_t key, Ordinal end) : walk_(chains, key) {
    if (end == 0) {
      has_next_ = false;
    } else {
      advance();
      skip_to(end - 1);
    }
  }
  std::size_t next(std::span<Ordinal> out) override {
    std::size_t filled = 0;
    while (filled < out.size() && has_next_) {
      out[filled++] = next_;
      advance();
    }
    return filled;
  }
  void skip_to(Ordinal bound) override {
    while (has_next_ && next_ > bound) advance();
  }

 private:
  void advance() { has_next_ = walk_.next(next_); }

  HashChains::Walk walk_;
  Ordinal next_ = 0;
  bool has_next_ = true;
};

std::vector<Ordinal> ascending(const HashChains& chains, std::uint64_t key, Ordinal end) {
  std::vector<Ordinal> found;
  HashChains::Walk walk(chains, key);
  for (Ordinal ordinal; walk.next(ordinal);)
    if (ordinal < end) found.push_back(ordinal);
  std::reverse(found.begin(), found.end());
  return found;
}

}  // namespace

ActiveIndex::ActiveIndex() : impl_(std::make_unique<Impl>()) {}
ActiveIndex::~ActiveIndex() = default;

void ActiveIndex::add(const IndexEntry& entry) {
  Impl& in = *impl_;
  const Ordinal ordinal = in.added;
  assert(ordinal < UINT32_MAX);
  in.ids.prefetch(entry.id_hash, 1);

  for (const TermKey term : entry.terms) {
    if (term.is_hashed()) {
      in.hashed_terms.add(term.bits, ordinal);
    } else {
      in.terms.find_or_make(term).append(ordinal, in.arena);
    }
  }
  in.ids.add(entry.id_hash, ordinal);

  in.times.grow(ordinal) = {entry.started_at_ms, entry.finished_at_ms};
  in.unfinished_zone.add(entry.started_at_ms, entry.finished_at_ms);
  if (ordinal % kZoneRuns == kZoneRuns - 1) {
    in.zones.grow(ordinal / kZoneRuns) = in.unfinished_zone;
    in.unfinished_zone = TimeZone{};
  }
  {
    const std::lock_guard lock(in.flows_mutex);
    in.flows.add(entry);
  }
  in.added = ordinal + 1;
}

void ActiveIndex::publish() {
  Impl& in = *impl_;
  in.allocated_bytes.store(in.terms.allocated_bytes() + in.arena.allocated_bytes() +
                               in.hashed_terms.allocated_bytes() + in.ids.allocated_bytes() +
                               in.times.allocated_bytes() + in.zones.allocated_bytes(),
                           std::memory_order_relaxed);
  in.published.store(in.added, std::memory_order_release);
}

Ordinal ActiveIndex::count() const { return impl_->published.load(std::memory_order_acquire); }

Expected<std::uint64_t> ActiveIndex::term_count(TermKey term, Ordinal end) const {
  end = impl_->bounded(end);
  if (!term.is_hashed()) {
    const PostingList* list = impl_->terms.find(term);
    return list == nullptr ? 0 : list->count_below(end);
  }
  std::uint64_t count = 0;
  HashChains::Walk walk(impl_->hashed_terms, term.bits);
  for (Ordinal ordinal; walk.next(ordinal);) count += ordinal < end;
  return count;
}

Expected<std::unique_ptr<PostingReader>> ActiveIndex::read(TermKey term, Ordinal end,
                                                           Direction direction) const {
  end = impl_->bounded(end);
  if (!term.is_hashed()) {
    const PostingList* list = impl_->terms.find(term);
    if (list != nullptr) return list->read(end, direction);
    return std::make_unique<VectorReader>(std::vector<Ordinal>(), direction);
  }
  if (direction == Direction::kNewestFirst)
    return std::make_unique<WalkReader>(impl_->hashed_terms, term.bits, end);
  return std::make_unique<VectorReader>(ascending(impl_->hashed_terms, term.bits, end), direction);
}

Expected<void> ActiveIndex::collect(TermKey term, Ordinal end, OrdinalSet& set) const {
  end = impl_->bounded(end);
  if (term.is_hashed()) {
    set.add_many(ascending(impl_->hashed_terms, term.bits, end));
  } else if (const PostingList* list = impl_->terms.find(term)) {
    list->for_each_span(end, [&](std::span<const Ordinal> part) { set.add_many(part); });
  }
  return {};
}

Expected<void> ActiveIndex::for_each_term(
    TermKind kind, Ordinal end, const std::function<void(TermKey, std::uint64_t)>& visit) const {
  end = impl_->bounded(end);
  const std::uint32_t terms = impl_->terms.size();
  for (std::uint32_t i = 0; i < terms; ++i) {
    const PostingList& list = impl_->terms[i];
    if (list.key.kind() != kind) continue;
    if (const std::uint32_t count = list.count_below(end); count > 0) visit(list.key, count);
  }
  std::unordered_map<std::uint64_t, std::uint64_t> hashed;
  const std::uint32_t entries = impl_->hashed_terms.size();
  for (std::uint32_t i = 0; i < entries; ++i) {
    const HashChains::Entry& entry = impl_->hashed_terms[i];
    if (entry.ordinal >= end) break;
    if (TermKey{entry.key}.kind() == kind) ++hashed[entry.key];
  }
  for (const auto& [key, count] : hashed) visit(TermKey{key}, count);
  return {};
}

Expected<std::size_t> ActiveIndex::find_id(std::uint64_t id_hash, Ordinal end,
                                           std::span<Ordinal> out) const {
  end = impl_->bounded(end);
  std::size_t found = 0;
  HashChains::Walk walk(impl_->ids, id_hash);
  for (Ordinal ordinal; walk.next(ordinal);) {
    if (ordinal >= end) continue;
    if (found == out.size()) return found + 1;
    out[found++] = ordinal;
  }
  return found;
}

void ActiveIndex::prefetch_id(std::uint64_t id_hash) const {
  constexpr unsigned kGenerations = 4;  // the older ones are small enough to be in the cache
  impl_->ids.prefetch(id_hash, kGenerations);
}

Expected<std::int64_t> ActiveIndex::started_at_ms(Ordinal ordinal) const {
  if (ordinal >= count()) return no_such_ordinal(ordinal, count());
  return impl_->times[ordinal].started_at_ms;
}

Expected<std::int64_t> ActiveIndex::finished_at_ms(Ordinal ordinal) const {
  if (ordinal >= count()) return no_such_ordinal(ordinal, count());
  return impl_->times[ordinal].finished_at_ms;
}

Expected<void> ActiveIndex::collect_started(std::int64_t from, std::int64_t to, Ordinal end,
                                            OrdinalSet& set) const {
  end = impl_->bounded(end);
  collect_starts(
      {from, to}, end, set, [&](std::uint32_t zone) { return impl_->complete_zone(zone, end); },
      [&](Ordinal ordinal) { return impl_->times[ordinal].started_at_ms; });
  return {};
}

Expected<void> ActiveIndex::collect_finished(std::int64_t from, std::int64_t to, Ordinal end,
                                             OrdinalSet& set) const {
  end = impl_->bounded(end);
  collect_finishes(
      {from, to}, end, set, [&](std::uint32_t zone) { return impl_->complete_zone(zone, end); },
      [&](Ordinal ordinal) { return impl_->times[ordinal].finished_at_ms; });
  return {};
}

Expected<FlowTable> ActiveIndex::flow_table() const {
  const std::lock_guard lock(impl_->flows_mutex);
  return impl_->flows.table();
}

std::size_t ActiveIndex::memory_bytes() const {
  std::size_t flows;
  {
    const std::lock_guard lock(impl_->flows_mutex);
    flows = impl_->flows.memory_bytes();
  }
  return sizeof(Impl) + flows + impl_->allocated_bytes.load(std::memory_order_relaxed);
}

}  // namespace runlog
