// Sets of ordinals, and the serialised bitmaps that they and the posting lists are stored as.

#include <catch2/catch.hpp>
#include <cstring>
#include <random>
#include <set>

#include "index/ordinal_set.h"
#include "index/roaring_reader.h"
#include "index/roaring_view.h"
#include "index/term_tables.h"
#include "tests/index_model.h"

namespace runlog {
namespace {

using namespace index_model;

std::vector<Ordinal> values(const OrdinalSet& set) {
  Random random(1);
  return read_all(*set.read(UINT32_MAX, Direction::kOldestFirst), random);
}

OrdinalSet set_of(const std::set<Ordinal>& ordinals) {
  OrdinalSet set;
  set.add_many(std::vector<Ordinal>(ordinals.begin(), ordinals.end()));
  return set;
}

// Ordinals of mixed density: empty stretches, single ones, dense containers, whole ranges.
std::set<Ordinal> random_ordinals(Random& random) {
  std::set<Ordinal> ordinals;
  for (Ordinal container = 0; container < 4; ++container) {
    const std::uint64_t density = below(random, 4);
    const std::uint64_t many = density == 0 ? 0 : density == 1 ? 50 : density == 2 ? 4096 : 9000;
    for (std::uint64_t i = 0; i < many; ++i)
      ordinals.insert((container << 16) + Ordinal(below(random, 65536)));
  }
  return ordinals;
}

TEST_CASE("sets of ordinals combine as sets do") {
  Random random(1);
  for (int round = 0; round < 10; ++round) {
    const std::set<Ordinal> a = random_ordinals(random), b = random_ordinals(random);
    std::set<Ordinal> both, either = a, only_a;
    for (const Ordinal ordinal : a) (b.count(ordinal) ? both : only_a).insert(ordinal);
    either.insert(b.begin(), b.end());

    const OrdinalSet set_a = set_of(a), set_b = set_of(b);
    OrdinalSet result = set_a;
    result &= set_b;
    REQUIRE(result == set_of(both));
    result = set_a;
    result |= set_b;
    REQUIRE(result == set_of(either));
    result = set_a;
    result -= set_b;
    REQUIRE(result == set_of(only_a));
    REQUIRE(set_a.and_count(set_b) == both.size());
    REQUIRE(set_a.count() == a.size());
    REQUIRE(values(set_a) == std::vector<Ordinal>(a.begin(), a.end()));
    const Ordinal from = Ordinal(below(random, 300'000)), to = Ordinal(below(random, 300'000));
    const auto in_range = from < to ? std::distance(a.lower_bound(from), a.lower_bound(to)) : 0;
    REQUIRE(set_a.count_range(from, to) == std::uint64_t(in_range));
    for (int i = 0; i < 100; ++i) {
      const Ordinal one = Ordinal(below(random, 300'000));
      REQUIRE(set_a.contains(one) == (a.count(one) == 1));
    }
  }
}

TEST_CASE("a set combined with itself is what it should be") {
  OrdinalSet set;
  const OrdinalSet& itself = set;  // clang warns of a plain `set &= set`
  set.add_range(10, 20);
  set &= itself;
  set |= itself;
  REQUIRE(set.count() == 10);
  set -= itself;
  REQUIRE(set.is_empty());
}

TEST_CASE("ranges are half open, single ordinals come and go, and the end can be cut off") {
  OrdinalSet set;
  set.add_range(5, 5);
  set.add_range(9, 3);
  REQUIRE(set.is_empty());
  set.add_range(5, 8);
  set.add(100'000);
  set.remove(6);
  REQUIRE(values(set) == std::vector<Ordinal>{5, 7, 100'000});
  set.cut_off(7);
  REQUIRE(values(set) == std::vector<Ordinal>{5});
  set.cut_off(0);
  REQUIRE(set.is_empty());
  REQUIRE(set.read(10, Direction::kNewestFirst)->next(std::span<Ordinal>()) == 0);
}

TEST_CASE("copies of a set are independent and moves keep the content") {
  OrdinalSet a;
  a.add(1);
  OrdinalSet b = a;
  b.add(2);
  REQUIRE(a.count() == 1);
  REQUIRE(b.count() == 2);
  a = b;
  b.add(3);
  REQUIRE(a.count() == 2);
  const OrdinalSet c = std::move(b);
  REQUIRE(c.count() == 3);
  b = c;
  REQUIRE(b == c);
}

TEST_CASE(
    "a set is read in both directions, below an end and with skips, also with run containers") {
  Random random(3);
  for (int round = 0; round < 20; ++round) {
    std::set<Ordinal> ordinals = random_ordinals(random);
    OrdinalSet set = set_of(ordinals);
    if (round % 2 == 0) {
      const Ordinal from = Ordinal(below(random, 250'000));
      set.add_range(from, from + 3000);
      for (Ordinal i = from; i < from + 3000; ++i) ordinals.insert(i);
    }
    for (const Ordinal end : {Ordinal(0), Ordinal(below(random, 262'144)), UINT32_MAX}) {
      const std::vector<Ordinal> ascending(ordinals.begin(), ordinals.lower_bound(end));
      const std::vector<Ordinal> descending(ascending.rbegin(), ascending.rend());
      REQUIRE(read_all(*set.read(end, Direction::kOldestFirst), random) == ascending);
      REQUIRE(read_all(*set.read(end, Direction::kNewestFirst), random) == descending);
      check_skips(*set.read(end, Direction::kOldestFirst), ascending, false, 262'144, random);
      check_skips(*set.read(end, Direction::kNewestFirst), descending, true, 262'144, random);
    }
  }
}

TEST_CASE("a set survives being serialised, and equal sets give equal bytes") {
  Random random(4);
  for (int round = 0; round < 10; ++round) {
    OrdinalSet set = set_of(random_ordinals(random));
    set.add_range(1000, 90'000);
    const auto bytes = set.serialise();
    const auto back = OrdinalSet::deserialise(bytes, 262'144);
    REQUIRE(back.has_value());
    REQUIRE(*back == set);
    REQUIRE(back->serialise() == bytes);
    OrdinalSet other_way;  // the same ordinals, one at a time
    for (const Ordinal ordinal : values(set)) other_way.add(ordinal);
    REQUIRE(other_way.serialise() == bytes);
    REQUIRE_FALSE(OrdinalSet::deserialise(bytes, 80'000).has_value());
  }
  const auto empty = OrdinalSet().serialise();
  REQUIRE(OrdinalSet::deserialise(empty, 0).value().is_empty());
}

TEST_CASE("a serialised set that is damaged is refused or is another set within the bound") {
  Random random(5);
  for (int round = 0; round < 3000; ++round) {
    OrdinalSet set;
    for (int i = 0; i < 20; ++i) set.add(Ordinal(below(random, 200'000)));
    if (round % 4 == 0) set.add_range(70'000, 76'000);
    auto bytes = set.serialise();
    if (round % 3 == 0) {
      bytes.resize(below(random, bytes.size()));
      REQUIRE_FALSE(OrdinalSet::deserialise(bytes, 200'000).has_value());
      continue;
    }
    for (std::uint64_t edits = 1 + below(random, 4); edits > 0; --edits)
      bytes[below(random, std::min<std::size_t>(bytes.size(), 80))] = std::byte(below(random, 256));
    const auto back = OrdinalSet::deserialise(bytes, 200'000);
    if (!back) continue;
    REQUIRE(back->count_range(200'000, UINT32_MAX) == 0);
    REQUIRE(values(*back).size() == back->count());
  }
}

TEST_CASE("bytes after a serialised set are refused") {
  OrdinalSet set;
  set.add(7);
  auto bytes = set.serialise();
  bytes.push_back(std::byte{0});
  REQUIRE_FALSE(OrdinalSet::deserialise(bytes, 10).has_value());
}

TEST_CASE("posting lists are written in the same format that libroaring writes") {
  Random random(6);
  for (int round = 0; round < 10; ++round) {
    const std::set<Ordinal> ordinals = random_ordinals(random);
    if (ordinals.empty()) continue;
    const std::vector<Ordinal> list(ordinals.begin(), ordinals.end());
    auto table = PostingTable::start();
    const std::size_t place = 8 * std::size_t(PostingTable::add(table, list));
    auto expected = set_of(ordinals).serialise();
    REQUIRE(table.size() - place == PostingTable::bitmap_bytes(list));
    REQUIRE(std::memcmp(table.data() + place, expected.data(), expected.size()) == 0);
    const auto view = RoaringView::open(std::span(table).subspan(place), 262'144);
    REQUIRE(view.has_value());
    REQUIRE(view->cardinality() == list.size());
    REQUIRE(view->check(262'144).has_value());
    const Ordinal end = Ordinal(below(random, 262'144));
    REQUIRE(view->count_below(end) ==
            std::uint64_t(std::distance(ordinals.begin(), ordinals.lower_bound(end))));
  }
}

}  // namespace
}  // namespace runlog
