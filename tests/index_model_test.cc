// Both forms of the index against a plain model, with random runs.

#include <catch2/catch.hpp>

#include "tests/index_model.h"

namespace runlog {
namespace {

using namespace index_model;

TEST_CASE("both forms of the index answer everything as a plain model does") {
  Random random(1);
  for (const Ordinal count : {0u, 1u, 2u, 7u, 100u, 1500u, 9000u}) {
    const IndexModel model = random_model(random, count, count != 9000);
    ActiveIndex active;
    model.fold_into(active);
    const StoredTables stored(seal_index(active));
    const auto sealed = SealedIndex::open(stored.tables(), count).value();
    REQUIRE(sealed->verify().has_value());

    REQUIRE(active.flow_table().value() == model.flow_table());
    REQUIRE(sealed->flow_table().value() == model.flow_table());
    const Ordinal ends[] = {count, Ordinal(below(random, count + 1)), count + 5};
    for (const Ordinal end : ends) {
      INFO("count " << count << ", end " << end);
      check_index(active, model, end, random);
      check_index(*sealed, model, end, random);
    }
  }
}

// Enough runs for several containers of a bitmap, dense and sparse ones, and several generations.
TEST_CASE("both forms agree on a segment of a few hundred thousand runs") {
  Random random(2);
  ActiveIndex active;
  const Ordinal count = 210'000;
  std::vector<TermKey> terms;
  for (Ordinal i = 0; i < count; ++i) {
    terms.assign({TermKey::exact(TermKind::kStatus, below(random, 20) == 0),
                  TermKey::exact(TermKind::kFlow, below(random, 1 + below(random, 200))),
                  TermKey::hashed(TermKind::kRecord, below(random, 100'000)),
                  TermKey::exact(TermKind::kOrganization, i / 70'000)});
    IndexEntry entry;
    entry.id_hash = random();
    entry.terms = terms;
    entry.started_at_ms = entry.finished_at_ms = std::int64_t(i);
    active.add(entry);
  }
  active.publish();
  const StoredTables stored(seal_index(active));
  const auto sealed = SealedIndex::open(stored.tables(), count).value();
  REQUIRE(sealed->verify().has_value());

  std::vector<TermKey> checked = {TermKey::exact(TermKind::kStatus, 0),
                                  TermKey::exact(TermKind::kStatus, 1),
                                  TermKey::exact(TermKind::kOrganization, 1)};
  for (unsigned i = 0; i < 40; ++i) checked.push_back(TermKey::exact(TermKind::kFlow, i * 5));
  for (unsigned i = 0; i < 40; ++i) checked.push_back(TermKey::hashed(TermKind::kRecord, i));
  for (const TermKey term : checked) {
    for (const Ordinal end : {count, Ordinal(below(random, count))}) {
      REQUIRE(active.term_count(term, end).value() == sealed->term_count(term, end).value());
      OrdinalSet from_active, from_sealed;
      REQUIRE(active.collect(term, end, from_active).has_value());
      REQUIRE(sealed->collect(term, end, from_sealed).has_value());
      REQUIRE(from_active == from_sealed);
      for (const Direction direction : {Direction::kNewestFirst, Direction::kOldestFirst}) {
        auto a = active.read(term, end, direction).value();
        auto b = sealed->read(term, end, direction).value();
        auto c = from_active.read(end, direction);
        const auto all = read_all(*a, random);
        REQUIRE(all == read_all(*b, random));
        REQUIRE(all == read_all(*c, random));
        const bool newest_first = direction == Direction::kNewestFirst;
        a = active.read(term, end, direction).value();
        check_skips(*a, all, newest_first, count, random);
        b = sealed->read(term, end, direction).value();
        check_skips(*b, all, newest_first, count, random);
        c = from_active.read(end, direction);
        check_skips(*c, all, newest_first, count, random);
      }
    }
  }
}

TEST_CASE("an index that grows while it is asked answers for every published end") {
  Random random(3);
  const IndexModel whole = random_model(random, 3000);
  IndexModel model;
  ActiveIndex active;
  for (Ordinal i = 0; i < whole.count(); ++i) {
    model.add(whole[i]);
    active.add(whole.entry(i));
    REQUIRE(active.count() == i - i % 500);
    if (i % 500 != 499) continue;
    active.publish();
    check_index(active, model, model.count(), random);
    check_index(active, model, Ordinal(below(random, model.count())), random);
  }
}

TEST_CASE("sealing depends on nothing but the content") {
  Random random(4);
  const IndexModel model = random_model(random, 2000);
  ActiveIndex at_once, in_pieces;
  model.fold_into(at_once);
  for (Ordinal i = 0; i < model.count(); ++i) {
    in_pieces.add(model.entry(i));
    if (i % 7 == 0) in_pieces.publish();
  }
  in_pieces.publish();
  const auto a = seal_index(at_once), b = seal_index(in_pieces);
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE(a[i].id == b[i].id);
    REQUIRE(a[i].bytes == b[i].bytes);
  }
}

}  // namespace
}  // namespace runlog
