// The index of a sealed segment, read in place from its tables: see index.h. Each table has its own
// file; here they are verified and put together.

#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <unordered_map>

#include "index/flow_table_codec.h"
#include "index/id_tables.h"
#include "index/ordinal_set.h"
#include "index/roaring_reader.h"
#include "index/table_bytes.h"
#include "index/term_tables.h"
#include "index/time_table.h"
#include "index/time_zones.h"
#include "index/vector_reader.h"

namespace runlog {
namespace {

struct TableName {
  TableId id;
  const char* name;
};
constexpr TableName kOwnTables[] = {
    {TableId::kIdFilter, "the run ids' filter"},
    {TableId::kIds, "run ids"},
    {TableId::kTermDirectory, "the terms' directory"},
    {TableId::kPostings, "posting lists"},
    {TableId::kSparseTerms, "sparse terms"},
    {TableId::kTimes, "times"},
    {TableId::kFlows, "flows"},
};

const char* name_of(TableId id) {
  for (const TableName& table : kOwnTables)
    if (table.id == id) return table.name;
  return "an unknown kind";
}

}  // namespace

struct SealedIndex::Impl {
  enum State : std::uint8_t { kUnknown, kSound, kDamaged };

  Tables tables;
  Ordinal count = 0;
  std::string place;
  // Two threads may both verify a table at its first use; they come to the same result.
  mutable std::array<std::atomic<State>, kTableIdEnd> states{};

  // The bytes of a table, verified. Errors: Corruption.
  Expected<std::span<const std::byte>> bytes(TableId id) const {
    const Table& table = tables[std::size_t(id)];
    if (states[std::size_t(id)].load(std::memory_order_acquire) == kSound) [[likely]]
      return table.bytes;
    return verified(id);
  }

  Expected<std::span<const std::byte>> verified(TableId id) const;

  template <typename View, typename... Arguments>
  Expected<View> open_table(TableId id, Arguments... arguments) const {
    const auto table = bytes(id);
    if (!table) return tl::unexpected(table.error());
    return View::open(*table, arguments...);
  }

  // Where a term's ordinals stand.
  struct Postings {
    RoaringView bitmap;         // if the term has a slot in the directory
    SparseTerms::Found sparse;  // otherwise
    bool is_bitmap = false;
  };
  Expected<Postings> postings(TermKey term) const;
};

Expected<std::span<const std::byte>> SealedIndex::Impl::verified(TableId id) const {
  const Table& table = tables[std::size_t(id)];
  std::atomic<State>& state = states[std::size_t(id)];
  if (state.load(std::memory_order_acquire) == kDamaged ||
      XXH3_64bits(table.bytes.data(), table.bytes.size()) != table.checksum) {
    state.store(kDamaged, std::memory_order_release);
    Error error = corrupt_table(name_of(id), "is damaged: its checksum does not match").value();
    if (!place.empty()) error.message = "'" + place + "': " + error.message;
    return tl::unexpected(std::move(error));
  }
  if (const auto header = table_header(table.bytes, name_of(id)); !header)
    return tl::unexpected(header.error());
  state.store(kSound, std::memory_order_release);
  return table.bytes;
}

Expected<SealedIndex::Impl::Postings> SealedIndex::Impl::postings(TermKey term) const {
  const auto directory = open_table<TermDirectory>(TableId::kTermDirectory);
  if (!directory) return tl::unexpected(directory.error());
  Postings found;
  const TermDirectory::Slot slot = directory->find(term);
  if (slot.count != 0) {
    const auto table = bytes(TableId::kPostings);
    if (!table) return tl::unexpected(table.error());
    const auto bitmap = PostingTable::bitmap(*table, slot, count);
    if (!bitmap) return tl::unexpected(bitmap.error());
    found.bitmap = *bitmap;
    found.is_bitmap = true;
    return found;
  }
  const auto sparse = open_table<SparseTerms>(TableId::kSparseTerms);
  if (!sparse) return tl::unexpected(sparse.error());
  auto ordinals = sparse->find(term, count);
  if (!ordinals) return tl::unexpected(ordinals.error());
  found.sparse = *ordinals;
  return found;
}

SealedIndex::SealedIndex() : impl_(std::make_unique<Impl>()) {}
SealedIndex::~SealedIndex() = default;

Expected<std::unique_ptr<SealedIndex>> SealedIndex::open(const Tables& tables, Ordinal count,
                                                         const std::string& place) {
  for (const TableName& own : kOwnTables)
    if (tables[std::size_t(own.id)].bytes.size() < sizeof(TableHeader))
      return corrupt_table(own.name, "is missing or shorter than its header");
  if (tables[std::size_t(TableId::kIdFilter)].bytes.size() != IdFilter::bytes_for(count) ||
      tables[std::size_t(TableId::kIds)].bytes.size() != IdTable::bytes_for(count))
    return corrupt_table("run ids",
                         "or its filter has not the length that the segment's runs need");
  std::unique_ptr<SealedIndex> index(new SealedIndex());
  index->impl_->tables = tables;
  index->impl_->count = count;
  index->impl_->place = place;
  return index;
}

Expected<void> SealedIndex::verify() const {
  for (const TableName& own : kOwnTables)
    if (const auto bytes = impl_->bytes(own.id); !bytes) return tl::unexpected(bytes.error());
  return {};
}

Ordinal SealedIndex::count() const { return impl_->count; }

Expected<std::uint64_t> SealedIndex::term_count(TermKey term, Ordinal end) const {
  if (end >= impl_->count) {
    // The directory alone knows.
    const auto directory = impl_->open_table<TermDirectory>(TableId::kTermDirectory);
    if (!directory) return tl::unexpected(directory.error());
    if (const auto slot = directory->find(term); slot.count != 0) return slot.count;
  }
  const auto found = impl_->postings(term);
  if (!found) return tl::unexpected(found.error());
  if (!found->is_bitmap) {
    const auto ordinals = found->sparse.ordinals();
    return std::uint64_t(std::lower_bound(ordinals.begin(), ordinals.end(), end) -
                         ordinals.begin());
  }
  return found->bitmap.count_below(end);
}

Expected<std::unique_ptr<PostingReader>> SealedIndex::read(TermKey term, Ordinal end,
                                                           Direction direction) const {
  end = std::min(end, impl_->count);
  const auto found = impl_->postings(term);
  if (!found) return tl::unexpected(found.error());
  if (found->is_bitmap) return read_roaring(found->bitmap, end, direction);
  const auto all = found->sparse.ordinals();
  return std::make_unique<VectorReader>(
      std::vector<Ordinal>(all.begin(), std::lower_bound(all.begin(), all.end(), end)), direction);
}

Expected<void> SealedIndex::collect(TermKey term, Ordinal end, OrdinalSet& set) const {
  const auto found = impl_->postings(term);
  if (!found) return tl::unexpected(found.error());
  if (!found->is_bitmap) {
    const auto all = found->sparse.ordinals();
    set.add_many(std::span(all.begin(), std::lower_bound(all.begin(), all.end(), end)));
    return {};
  }
  auto ordinals = OrdinalSet::deserialise(found->bitmap.bytes(), impl_->count);
  if (!ordinals) return tl::unexpected(ordinals.error());
  if (end < impl_->count) ordinals->cut_off(end);
  if (set.is_empty()) {
    set = std::move(*ordinals);
  } else {
    set |= *ordinals;
  }
  return {};
}

Expected<void> SealedIndex::for_each_term(
    TermKind kind, Ordinal end, const std::function<void(TermKey, std::uint64_t)>& visit) const {
  const auto directory = impl_->open_table<TermDirectory>(TableId::kTermDirectory);
  if (!directory) return tl::unexpected(directory.error());
  for (std::uint32_t i = 0; i < directory->slots(); ++i) {
    const TermDirectory::Slot slot = directory->slot(i);
    if (slot.count == 0 || slot.term.kind() != kind) continue;
    const auto count = term_count(slot.term, end);
    if (!count) return tl::unexpected(count.error());
    if (*count > 0) visit(slot.term, *count);
  }
  const auto sparse = impl_->open_table<SparseTerms>(TableId::kSparseTerms);
  if (!sparse) return tl::unexpected(sparse.error());
  // The pairs of one term stand together.
  for (std::uint32_t i = 0; i < sparse->size();) {
    const TermKey term = sparse->term(i);
    std::uint64_t count = 0;
    for (; i < sparse->size() && sparse->term(i) == term; ++i) count += sparse->ordinal(i) < end;
    if (term.kind() == kind && count > 0) visit(term, count);
  }
  return {};
}

Expected<std::size_t> SealedIndex::find_id(std::uint64_t id_hash, Ordinal end,
                                           std::span<Ordinal> out) const {
  const auto filter = impl_->bytes(TableId::kIdFilter);
  if (!filter) return tl::unexpected(filter.error());
  if (!IdFilter::may_contain(*filter, impl_->count, id_hash)) return 0;
  const auto ids = impl_->open_table<IdTable>(TableId::kIds, impl_->count);
  if (!ids) return tl::unexpected(ids.error());
  return ids->find(id_hash, std::min(end, impl_->count), out);
}

void SealedIndex::prefetch_id(std::uint64_t id_hash) const {
  IdFilter::prefetch(impl_->tables[std::size_t(TableId::kIdFilter)].bytes, impl_->count, id_hash);
}

Expected<std::int64_t> SealedIndex::started_at_ms(Ordinal ordinal) const {
  const auto times = impl_->open_table<TimeTable>(TableId::kTimes, impl_->count);
  if (!times) return tl::unexpected(times.error());
  if (ordinal >= impl_->count) return no_such_ordinal(ordinal, impl_->count);
  return times->started_at_ms(ordinal);
}

Expected<std::int64_t> SealedIndex::finished_at_ms(Ordinal ordinal) const {
  const auto times = impl_->open_table<TimeTable>(TableId::kTimes, impl_->count);
  if (!times) return tl::unexpected(times.error());
  if (ordinal >= impl_->count) return no_such_ordinal(ordinal, impl_->count);
  return times->finished_at_ms(ordinal);
}

Expected<void> SealedIndex::collect_started(std::int64_t from, std::int64_t to, Ordinal end,
                                            OrdinalSet& set) const {
  const auto times = impl_->open_table<TimeTable>(TableId::kTimes, impl_->count);
  if (!times) return tl::unexpected(times.error());
  collect_starts(
      {from, to}, std::min(end, impl_->count), set,
      [&](std::uint32_t zone) { return times->zone(zone); },
      [&](Ordinal ordinal) { return times->started_at_ms(ordinal); });
  return {};
}

Expected<void> SealedIndex::collect_finished(std::int64_t from, std::int64_t to, Ordinal end,
                                             OrdinalSet& set) const {
  const auto times = impl_->open_table<TimeTable>(TableId::kTimes, impl_->count);
  if (!times) return tl::unexpected(times.error());
  collect_finishes(
      {from, to}, std::min(end, impl_->count), set,
      [&](std::uint32_t zone) { return times->zone(zone); },
      [&](Ordinal ordinal) { return times->finished_at_ms(ordinal); });
  return {};
}

Expected<FlowTable> SealedIndex::flow_table() const {
  const auto table = impl_->bytes(TableId::kFlows);
  if (!table) return tl::unexpected(table.error());
  return decode_flow_table(*table);
}

std::size_t SealedIndex::memory_bytes() const { return sizeof(SealedIndex) + sizeof(Impl); }

}  // namespace runlog
