// The sealed index under damage: whatever its tables hold, it answers or says Corruption.

#include <catch2/catch.hpp>
#include <thread>

#include "index/table_bytes.h"
#include "tests/index_model.h"
#include "tests/sanitized.h"

namespace runlog {
namespace {

using namespace index_model;

constexpr TableId kOwn[] = {TableId::kIdFilter, TableId::kIds,   TableId::kTermDirectory,
                            TableId::kPostings, TableId::kTimes, TableId::kSparseTerms,
                            TableId::kFlows};

struct Sample {
  IndexModel model;
  std::vector<TableBytes> tables;
  std::vector<TermKey> terms;

  Sample(std::uint64_t seed, Ordinal count) {
    Random random(seed);
    model = random_model(random, count);
    ActiveIndex active;
    model.fold_into(active);
    tables = seal_index(active);
    for (const TermKey term : model.all_terms()) terms.push_back(term);
    terms.push_back(TermKey::exact(TermKind::kFlow, 4711));
  }
  const std::vector<std::byte>& bytes(TableId id) const {
    for (const TableBytes& table : tables)
      if (table.id == id) return table.bytes;
    throw std::logic_error("no such table");
  }
};

// Asks everything; returns whether any answer was Corruption. What is read must be in order, below
// `end` and finite whatever the tables hold.
bool ask_everything(const SealedIndex& index, const std::vector<TermKey>& terms) {
  bool corrupt = false;
  const auto note = [&](const auto& result) {
    if (!result.has_value()) {
      REQUIRE(result.error().code == ErrorCode::Corruption);
      REQUIRE_FALSE(result.error().message.empty());
      corrupt = true;
    }
    return result.has_value();
  };
  const Ordinal count = index.count();
  for (const TermKey term : terms) {
    note(index.term_count(term, count));
    note(index.term_count(term, count / 2));
    OrdinalSet set;
    if (note(index.collect(term, count, set)) && !set.is_empty())
      REQUIRE(set.count_range(count, UINT32_MAX) == 0);
    for (const Direction direction : {Direction::kNewestFirst, Direction::kOldestFirst}) {
      auto reader = index.read(term, count, direction);
      if (!note(reader)) continue;
      Ordinal batch[64];
      std::uint64_t read = 0;
      while (const std::size_t got = (*reader)->next(batch)) {
        for (std::size_t i = 0; i < got; ++i) REQUIRE(batch[i] < count);
        read += got;
        if (read % 3 == 0) (*reader)->skip_to(batch[got - 1]);
        REQUIRE(read <= count);
      }
    }
  }
  for (unsigned kind = 0; kind < 256; ++kind)
    if (kind <= unsigned(TermKind::kHasError) || kind == 255)
      note(index.for_each_term(TermKind(kind), count, [](TermKey, std::uint64_t) {}));
  Ordinal out[8];
  for (std::uint64_t i = 0; i < 200; ++i) {
    index.prefetch_id(i << 40);
    const auto found = index.find_id(i << 40, count, out);
    if (note(found))
      for (std::size_t j = 0; j < std::min<std::size_t>(8, *found); ++j) REQUIRE(out[j] < count);
  }
  for (Ordinal ordinal = 0; ordinal < count; ++ordinal) {
    note(index.started_at_ms(ordinal));
    note(index.finished_at_ms(ordinal));
  }
  OrdinalSet times;
  note(index.collect_started(0, 2'000'000'000'000, count, times));
  note(index.collect_finished(0, 2'000'000'000'000, count, times));
  REQUIRE(times.count_range(count, UINT32_MAX) == 0);
  note(index.flow_table());
  return corrupt;
}

TEST_CASE("a flipped bit anywhere in any table is found by verify and by whoever uses the table") {
  const Sample sample(1, 60);
  Random random(2);
  for (const TableId id : kOwn) {
    const std::vector<std::byte>& bytes = sample.bytes(id);
    for (std::size_t place = 0; place < bytes.size(); ++place) {
      INFO("table " << int(id) << ", byte " << place);
      std::vector<std::byte> damaged = bytes;
      damaged[place] ^= std::byte(1u << below(random, 8));
      StoredTables stored(sample.tables);
      stored.replace(id, damaged, false);
      const auto index = SealedIndex::open(stored.tables(), sample.model.count());
      REQUIRE(index.has_value());
      const auto verified = (*index)->verify();
      REQUIRE_FALSE(verified.has_value());
      REQUIRE(verified.error().code == ErrorCode::Corruption);
      if (place % 16 == 0) {
        const auto unverified = SealedIndex::open(stored.tables(), sample.model.count()).value();
        REQUIRE(ask_everything(*unverified, sample.terms));
      }
    }
  }
}

TEST_CASE("a table of any other length is refused, with or without a checksum that fits") {
  const Sample sample(3, 40);
  for (const TableId id : kOwn) {
    const std::vector<std::byte>& bytes = sample.bytes(id);
    for (std::size_t length = 0; length < bytes.size() + 9; length += one_in(7)) {
      if (length == bytes.size()) continue;
      INFO("table " << int(id) << ", length " << length << " of " << bytes.size());
      std::vector<std::byte> other = bytes;
      other.resize(length);
      for (const bool right : {false, true}) {
        StoredTables stored(sample.tables);
        stored.replace(id, other, right);
        const auto index = SealedIndex::open(stored.tables(), sample.model.count());
        if (!index) {
          REQUIRE(index.error().code == ErrorCode::Corruption);
          continue;
        }
        const bool verified = (*index)->verify().has_value();
        if (!right) REQUIRE_FALSE(verified);
        const bool corrupt = ask_everything(**index, sample.terms);
        // Bytes after the last posting list belong to no list.
        if (id != TableId::kPostings || length < bytes.size() - 8) REQUIRE(corrupt);
      }
    }
  }
}

TEST_CASE("tables that lie under a right checksum are answered from or refused, never believed") {
  const Sample small(4, 300), large(5, 9000);
  Random random(6);
  for (int round = 0; round < 1200; ++round) {
    const Sample& sample = round % 12 == 0 ? large : small;
    const TableId id = kOwn[below(random, std::size(kOwn))];
    std::vector<std::byte> edited = sample.bytes(id);
    for (std::uint64_t edits = 1 + below(random, 8); edits > 0; --edits) {
      // Headers matter most, so half of the edits go there.
      const std::size_t range =
          below(random, 2) == 0 ? std::min<std::size_t>(64, edited.size()) : edited.size();
      const std::size_t place = below(random, range);
      const std::uint64_t kind = below(random, 3);
      edited[place] = kind == 0   ? std::byte(0xFF)
                      : kind == 1 ? std::byte(below(random, 256))
                                  : edited[place] ^ std::byte(1u << below(random, 8));
    }
    StoredTables stored(sample.tables);
    stored.replace(id, edited, true);
    const auto index = SealedIndex::open(stored.tables(), sample.model.count());
    if (!index) continue;
    const std::size_t terms = std::min<std::size_t>(sample.terms.size(), 60);
    std::vector<TermKey> some(sample.terms.begin(), sample.terms.begin() + std::ptrdiff_t(terms));
    ask_everything(**index, some);
  }
}

TEST_CASE("an index without one of its tables, or for another number of runs, does not open") {
  const Sample sample(7, 50);
  for (const TableId id : kOwn) {
    StoredTables stored(sample.tables);
    stored.replace(id, {}, true);
    const auto index = SealedIndex::open(stored.tables(), 50);
    REQUIRE_FALSE(index.has_value());
    REQUIRE(index.error().code == ErrorCode::Corruption);
  }
  const StoredTables stored(sample.tables);
  REQUIRE(SealedIndex::open(stored.tables(), 50).has_value());
  REQUIRE_FALSE(SealedIndex::open(stored.tables(), 49).has_value());
  REQUIRE_FALSE(SealedIndex::open(stored.tables(), 51).has_value());
}

TEST_CASE("a table of an unknown layout is refused by name") {
  const Sample sample(8, 50);
  for (const TableId id : kOwn) {
    std::vector<std::byte> newer = sample.bytes(id);
    newer[0] = std::byte(TableHeader::kLayout + 1);
    StoredTables stored(sample.tables);
    stored.replace(id, newer, true);
    const auto verified = SealedIndex::open(stored.tables(), 50).value()->verify();
    REQUIRE_FALSE(verified.has_value());
    REQUIRE(verified.error().message.find("layout 2") != std::string::npos);
  }
}

TEST_CASE("several threads may use a sealed index from its first moment on", "[threads]") {
  const Sample sample(9, 2000);
  const StoredTables stored(sample.tables);
  const auto index = SealedIndex::open(stored.tables(), 2000).value();
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (const TermKey term : sample.terms) {
        const auto count = index->term_count(term, 2000);
        OrdinalSet set;
        const bool collected = index->collect(term, 2000, set).has_value();
        if (!count || !collected || *count != set.count()) ++wrong;
      }
      Ordinal out[4];
      for (Ordinal ordinal = 0; ordinal < 2000; ++ordinal)
        if (index->find_id(sample.model[ordinal].entry.id_hash, 2000, out).value() == 0) ++wrong;
      if (!index->verify() || !index->flow_table()) ++wrong;
    });
  }
  for (std::thread& thread : threads) thread.join();
  REQUIRE(wrong == 0);
}

}  // namespace
}  // namespace runlog
