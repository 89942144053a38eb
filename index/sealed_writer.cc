// Writes the tables of a finished index. Their bytes depend on nothing but its content: everything
// is sorted before it is written.

#include <algorithm>

#include "index/active_impl.h"
#include "index/flow_table_codec.h"
#include "index/id_tables.h"
#include "index/term_tables.h"
#include "index/time_table.h"

namespace runlog {
namespace {

// What a slot of the directory costs on average; some are empty.
constexpr std::size_t kSlotBytes = 24;
constexpr std::size_t kPairBytes = 12;

class TermWriter {
 public:
  // `ordinals` ascend; terms come in an order that depends on nothing but the content.
  void add(TermKey term, std::span<const Ordinal> ordinals) {
    if (ordinals.empty()) return;
    if (ordinals.size() < SparseTerms::kMaxRuns &&
        kPairBytes * ordinals.size() <= kSlotBytes + PostingTable::bitmap_bytes(ordinals)) {
      for (const Ordinal ordinal : ordinals) sparse_.push_back({term, ordinal});
    } else {
      slots_.push_back(
          {term, PostingTable::add(postings_, ordinals), std::uint32_t(ordinals.size())});
    }
  }

  void finish(std::vector<TableBytes>& tables) {
    tables.push_back({TableId::kTermDirectory, TermDirectory::make(slots_)});
    tables.push_back({TableId::kPostings, std::move(postings_)});
    tables.push_back({TableId::kSparseTerms, SparseTerms::make(std::move(sparse_))});
  }

 private:
  std::vector<TermDirectory::Slot> slots_;
  std::vector<std::byte> postings_ = PostingTable::start();
  std::vector<SparseTerms::Pair> sparse_;
};

void add_exact_terms(const ActiveIndex::Impl& index, Ordinal count, TermWriter& writer) {
  std::vector<const PostingList*> lists(index.terms.size());
  for (std::uint32_t i = 0; i < lists.size(); ++i) lists[i] = &index.terms[i];
  std::sort(lists.begin(), lists.end(),
            [](const PostingList* a, const PostingList* b) { return a->key < b->key; });
  std::vector<Ordinal> ordinals;
  for (const PostingList* list : lists) {
    ordinals.clear();
    list->for_each_span(count, [&](std::span<const Ordinal> part) {
      ordinals.insert(ordinals.end(), part.begin(), part.end());
    });
    writer.add(list->key, ordinals);
  }
}

void add_hashed_terms(const ActiveIndex::Impl& index, Ordinal count, TermWriter& writer) {
  struct Pair {
    std::uint64_t key;
    Ordinal ordinal;
  };
  std::vector<Pair> pairs;
  const std::uint32_t entries = index.hashed_terms.size();
  pairs.reserve(entries);
  for (std::uint32_t i = 0; i < entries; ++i) {
    const HashChains::Entry& entry = index.hashed_terms[i];
    if (entry.ordinal < count) pairs.push_back({entry.key, entry.ordinal});
  }
  std::sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) {
    return a.key != b.key ? a.key < b.key : a.ordinal < b.ordinal;
  });
  std::vector<Ordinal> ordinals;
  for (std::size_t i = 0; i < pairs.size();) {
    const std::uint64_t key = pairs[i].key;
    ordinals.clear();
    for (; i < pairs.size() && pairs[i].key == key; ++i) ordinals.push_back(pairs[i].ordinal);
    writer.add(TermKey{key}, ordinals);
  }
}

std::vector<std::byte> time_table(const ActiveIndex::Impl& index, Ordinal count) {
  std::int64_t earliest = 0, latest = 0;
  for (Ordinal i = 0; i < count; ++i) {
    const std::int64_t started = index.times[i].started_at_ms;
    earliest = i == 0 ? started : std::min(earliest, started);
    latest = i == 0 ? started : std::max(latest, started);
  }
  TimeTable::Writer writer(earliest, latest, count);
  for (Ordinal i = 0; i < count; ++i)
    writer.add(index.times[i].started_at_ms, index.times[i].finished_at_ms);
  return writer.finish();
}

}  // namespace

std::vector<TableBytes> seal_index(const ActiveIndex& index) {
  const ActiveIndex::Impl& in = index.impl();
  const Ordinal count = index.count();
  std::vector<TableBytes> tables;

  std::vector<std::uint64_t> id_hashes(count);
  for (Ordinal i = 0; i < count; ++i) id_hashes[i] = in.ids[i].key;
  tables.push_back({TableId::kIdFilter, IdFilter::make(id_hashes)});
  tables.push_back({TableId::kIds, IdTable::make(id_hashes)});

  TermWriter terms;
  add_exact_terms(in, count, terms);
  add_hashed_terms(in, count, terms);
  terms.finish(tables);

  tables.push_back({TableId::kTimes, time_table(in, count)});
  {
    const std::lock_guard lock(in.flows_mutex);
    tables.push_back({TableId::kFlows, encode_flow_table(in.flows.table())});
  }
  return tables;
}

}  // namespace runlog
