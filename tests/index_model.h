// A plain model of a segment's index, random runs to fill it with, and the comparison of an index
// of either form with it; for the tests of index/.
#pragma once

#include <xxhash.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "index/index.h"
#include "index/ordinal_set.h"

namespace runlog {

namespace index_model {

struct ModelRun {
  IndexEntry entry;  // its terms are in `terms`
  std::vector<TermKey> terms;
};

using Random = std::mt19937_64;

inline std::uint64_t below(Random& random, std::uint64_t end) { return random() % end; }

// A time that is mostly ordinary and sometimes as far away as a time can be.
inline std::int64_t random_time(Random& random, std::int64_t around) {
  switch (below(random, 200)) {
    case 0:
      return std::numeric_limits<std::int64_t>::min();
    case 1:
      return std::numeric_limits<std::int64_t>::max();
    case 2:
      return -std::int64_t(below(random, 10'000'000));
    default:
      return around + std::int64_t(below(random, 100'000));
  }
}

// Few enough values that every kind of term repeats, with some that hardly do.
inline ModelRun random_run(Random& random, Ordinal ordinal, bool wild_times) {
  ModelRun run;
  IndexEntry& entry = run.entry;
  entry.id_hash = below(random, 4) == 0 ? below(random, 50) << 40 : random();
  entry.flow = std::uint32_t(1 + below(random, 1 + below(random, 20)));
  entry.status = below(random, 10) == 0 ? unsigned(below(random, 4)) : 0;
  const std::int64_t around = 1'700'000'000'000 + std::int64_t(ordinal) * 1000;
  entry.started_at_ms =
      wild_times ? random_time(random, around) : around + std::int64_t(below(random, 10'000));
  entry.finished_at_ms = wild_times ? random_time(random, around)
                                    : entry.started_at_ms + std::int64_t(below(random, 5'000));
  if (below(random, 8) != 0) entry.duration_ms = std::int64_t(random() >> below(random, 64));
  entry.record_bytes = below(random, 1000);
  entry.selected = std::int64_t(below(random, 20)) - 5;
  entry.acted = std::int64_t(below(random, 20));
  entry.unmeasured = std::int64_t(below(random, 2));
  run.terms = {TermKey::exact(TermKind::kFlow, entry.flow),
               TermKey::exact(TermKind::kStatus, entry.status),
               TermKey::flow_status(entry.flow, entry.status)};
  if (below(random, 2) == 0)
    run.terms.push_back(TermKey::exact(TermKind::kUser, below(random, 300)));
  if (below(random, 2) == 0) run.terms.push_back(TermKey::hashed(TermKind::kRecord, random()));
  if (below(random, 3) == 0)
    run.terms.push_back(TermKey::hashed(TermKind::kUser, below(random, 30) << 20));
  for (std::uint64_t i = below(random, 3); i > 0; --i)  // may repeat
    run.terms.push_back(below(random, 2) == 0
                            ? TermKey::exact(TermKind::kLabel, below(random, 4))
                            : TermKey::hashed(TermKind::kLabel, below(random, 4)));
  return run;
}

class IndexModel {
 public:
  void add(ModelRun run) { runs_.push_back(std::move(run)); }
  Ordinal count() const { return Ordinal(runs_.size()); }
  const ModelRun& operator[](Ordinal ordinal) const { return runs_[ordinal]; }

  IndexEntry entry(Ordinal ordinal) const {
    IndexEntry entry = runs_[ordinal].entry;
    entry.terms = runs_[ordinal].terms;
    return entry;
  }
  void fold_into(ActiveIndex& index) const {
    for (Ordinal i = index.count(); i < count(); ++i) index.add(entry(i));
    index.publish();
  }
  std::vector<Ordinal> ordinals(TermKey term, Ordinal end) const {
    std::vector<Ordinal> found;
    for (Ordinal i = 0; i < std::min(end, count()); ++i)
      if (std::count(runs_[i].terms.begin(), runs_[i].terms.end(), term) > 0) found.push_back(i);
    return found;
  }
  std::set<TermKey> all_terms() const {
    std::set<TermKey> terms;
    for (const ModelRun& run : runs_) terms.insert(run.terms.begin(), run.terms.end());
    return terms;
  }
  FlowTable flow_table() const {
    FlowTable table;
    for (Ordinal i = 0; i < count(); ++i) add_to(table, entry(i));
    return table;
  }

 private:
  std::vector<ModelRun> runs_;
};

inline IndexModel random_model(Random& random, Ordinal count, bool wild_times = true) {
  IndexModel model;
  for (Ordinal i = 0; i < count; ++i) model.add(random_run(random, i, wild_times));
  return model;
}

// Tables as a segment would hand them over, each in a piece of memory of exactly its size, so that
// a sanitizer sees every read beyond.
class StoredTables {
 public:
  explicit StoredTables(const std::vector<TableBytes>& tables) {
    for (const TableBytes& table : tables) replace(table.id, table.bytes, true);
  }
  // Puts other bytes in a table's place; its checksum stays, unless `right` asks for a right one.
  void replace(TableId id, const std::vector<std::byte>& bytes, bool right) {
    auto exact = std::make_unique<std::byte[]>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), exact.get());
    auto& table = tables_[std::size_t(id)];
    table.bytes = {exact.get(), bytes.size()};
    if (right) table.checksum = XXH3_64bits(exact.get(), bytes.size());
    memory_.push_back(std::move(exact));
  }
  const SealedIndex::Tables& tables() const { return tables_; }

 private:
  std::vector<std::unique_ptr<std::byte[]>> memory_;
  SealedIndex::Tables tables_{};
};

inline std::vector<Ordinal> read_all(PostingReader& reader, Random& random) {
  std::vector<Ordinal> all;
  Ordinal batch[100];
  for (;;) {
    const std::size_t want = 1 + below(random, 100);
    const std::size_t got = reader.next(std::span(batch, want));
    all.insert(all.end(), batch, batch + got);
    if (got < want) return all;
  }
}

// Reads the rest of `expected` (in the reader's order) with skips in between.
inline void check_skips(PostingReader& reader, const std::vector<Ordinal>& expected,
                        bool newest_first, Ordinal count, Random& random) {
  std::size_t at = 0;
  Ordinal batch[8];
  for (int step = 0; step < 20; ++step) {
    Ordinal bound = Ordinal(below(random, count + 10));
    if (step % 3 == 0 && at < expected.size())
      bound = expected[at + below(random, expected.size() - at)];
    reader.skip_to(bound);
    while (at < expected.size() && (newest_first ? expected[at] > bound : expected[at] < bound))
      ++at;
    const std::size_t got = reader.next(std::span(batch, 1 + below(random, 8)));
    for (std::size_t i = 0; i < got; ++i) {
      REQUIRE(at < expected.size());
      REQUIRE(batch[i] == expected[at++]);
    }
    if (got == 0) REQUIRE(at == expected.size());
  }
}

inline void check_term(const SegmentIndex& index, const IndexModel& model, TermKey term,
                       Ordinal end, Random& random) {
  const std::vector<Ordinal> expected = model.ordinals(term, end);
  REQUIRE(index.term_count(term, end).value() == expected.size());

  OrdinalSet collected, expected_set;
  collected.add(7'000'000);
  expected_set.add(7'000'000);
  expected_set.add_many(expected);
  REQUIRE(index.collect(term, end, collected).has_value());
  REQUIRE(collected == expected_set);

  std::vector<Ordinal> reversed(expected.rbegin(), expected.rend());
  auto newest = index.read(term, end, Direction::kNewestFirst).value();
  REQUIRE(read_all(*newest, random) == reversed);
  auto oldest = index.read(term, end, Direction::kOldestFirst).value();
  REQUIRE(read_all(*oldest, random) == expected);
  auto skipping = index.read(term, end, Direction::kNewestFirst).value();
  check_skips(*skipping, reversed, true, model.count(), random);
  skipping = index.read(term, end, Direction::kOldestFirst).value();
  check_skips(*skipping, expected, false, model.count(), random);
}

inline void check_ids(const SegmentIndex& index, const IndexModel& model, Ordinal end,
                      Random& random) {
  std::map<std::uint64_t, std::vector<Ordinal>> newest_first;
  for (Ordinal i = std::min(end, model.count()); i-- > 0;)
    newest_first[model[i].entry.id_hash].push_back(i);
  std::vector<Ordinal> out(model.count() + 1);
  for (const auto& [hash, ordinals] : newest_first) {
    const std::size_t found = index.find_id(hash, end, out).value();
    REQUIRE(std::vector<Ordinal>(out.begin(), out.begin() + std::ptrdiff_t(found)) == ordinals);
    Ordinal one[1];
    REQUIRE(index.find_id(hash, end, one).value() == std::min<std::size_t>(ordinals.size(), 2));
    REQUIRE(one[0] == ordinals.front());
  }
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t absent = random();
    index.prefetch_id(absent);
    REQUIRE(index.find_id(absent, end, out).value() == 0);
  }
}

inline void check_times(const SegmentIndex& index, const IndexModel& model, Ordinal end,
                        Random& random) {
  const Ordinal last = std::min(end, model.count());
  for (int i = 0; i < 20 && last > 0; ++i) {
    const IndexEntry& one = model[Ordinal(below(random, last))].entry;
    const IndexEntry& other = model[Ordinal(below(random, last))].entry;
    OrdinalSet started, finished, expected_started, expected_finished;
    for (Ordinal ordinal = 0; ordinal < last; ++ordinal) {
      const IndexEntry& entry = model[ordinal].entry;
      if (entry.started_at_ms >= one.started_at_ms && entry.started_at_ms <= other.started_at_ms)
        expected_started.add(ordinal);
      if (entry.finished_at_ms >= one.finished_at_ms &&
          entry.finished_at_ms <= other.finished_at_ms)
        expected_finished.add(ordinal);
    }
    REQUIRE(
        index.collect_started(one.started_at_ms, other.started_at_ms, end, started).has_value());
    REQUIRE(index.collect_finished(one.finished_at_ms, other.finished_at_ms, end, finished)
                .has_value());
    REQUIRE(started == expected_started);
    REQUIRE(finished == expected_finished);
  }
  for (Ordinal ordinal = 0; ordinal < model.count(); ++ordinal) {
    REQUIRE(index.started_at_ms(ordinal).value() == model[ordinal].entry.started_at_ms);
    REQUIRE(index.finished_at_ms(ordinal).value() == model[ordinal].entry.finished_at_ms);
  }
  REQUIRE_FALSE(index.started_at_ms(model.count()).has_value());
  REQUIRE_FALSE(index.finished_at_ms(model.count()).has_value());
}

// Compares everything that the index can be asked, for the runs below `end`.
inline void check_index(const SegmentIndex& index, const IndexModel& model, Ordinal end,
                        Random& random) {
  REQUIRE(index.count() == model.count());
  std::map<TermKey, std::uint64_t> expected;
  for (Ordinal i = 0; i < std::min(end, model.count()); ++i)
    for (const TermKey term : std::set<TermKey>(model[i].terms.begin(), model[i].terms.end()))
      ++expected[term];
  std::map<TermKey, std::uint64_t> seen;
  for (unsigned kind = 1; kind <= unsigned(TermKind::kHasError); ++kind) {
    const auto visit = [&](TermKey term, std::uint64_t count) {
      REQUIRE(term.kind() == TermKind(kind));
      REQUIRE(seen.emplace(term, count).second);
    };
    REQUIRE(index.for_each_term(TermKind(kind), end, visit).has_value());
  }
  REQUIRE(seen == expected);

  // Every common term, and some of the many that stand for one run.
  for (const TermKey term : model.all_terms())
    if (term.kind() != TermKind::kRecord || below(random, 20) == 0)
      check_term(index, model, term, end, random);
  check_term(index, model, TermKey::exact(TermKind::kFlow, 999'999), end, random);
  check_term(index, model, TermKey::hashed(TermKind::kRecord, 12345), end, random);
  check_ids(index, model, end, random);
  check_times(index, model, end, random);
}

}  // namespace index_model
}  // namespace runlog
