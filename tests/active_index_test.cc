// The growing index: what readers see while it grows, and what it costs.

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "index/hash_chains.h"
#include "index/posting_list.h"
#include "index/term_table.h"
#include "tests/index_model.h"

namespace runlog {
namespace {

using namespace index_model;

// Run i carries: the term "all"; "every 3rd" if 3 divides i; its own number as a hashed term; and a
// hashed term that a tenth of the runs share. Its id's hash is spread(i / 2): each id comes twice.
constexpr TermKey kAll = TermKey::exact(TermKind::kStatus, 0);
constexpr TermKey kEveryThird = TermKey::exact(TermKind::kFlow, 3);
TermKey own_term(Ordinal i) {
  return TermKey::hashed(TermKind::kRecord, i * 0x9E3779B97F4A7C15ull);
}
TermKey shared_term(Ordinal i) { return TermKey::hashed(TermKind::kUser, i % 10); }
std::uint64_t id_of(Ordinal i) { return (i / 2) * 0xD1B54A32D192ED03ull; }

void add_numbered_run(ActiveIndex& index, Ordinal i) {
  std::vector<TermKey> terms = {kAll, own_term(i), shared_term(i),
                                TermKey::exact(TermKind::kUser, i % 1000)};
  if (i % 3 == 0) terms.push_back(kEveryThird);
  IndexEntry entry;
  entry.id_hash = id_of(i);
  entry.terms = terms;
  entry.flow = i % 5;
  entry.started_at_ms = std::int64_t(i) * 10;
  entry.finished_at_ms = std::int64_t(i) * 10 + 7;
  index.add(entry);
}

// What is wrong with the answers for the runs below `end`; empty if nothing is. Catch's own checks
// are not made for several threads.
std::string wrong_answer(const ActiveIndex& index, Ordinal end, Random& random) {
  if (index.term_count(kAll, end).value() != end) return "the count of all runs";
  if (index.term_count(kEveryThird, end).value() != (end + 2) / 3) return "the count of a third";
  if (index.term_count(TermKey::exact(TermKind::kUser, 999), end).value() != end / 1000)
    return "the count of a user";

  Ordinal batch[50];
  auto newest = index.read(kAll, end, Direction::kNewestFirst).value();
  std::size_t got = newest->next(batch);
  if (got != std::min<std::size_t>(50, end)) return "how many of the newest there are";
  for (std::size_t i = 0; i < got; ++i)
    if (batch[i] != end - 1 - i) return "the newest runs";
  auto oldest = index.read(kEveryThird, end, Direction::kOldestFirst).value();
  const Ordinal bound = Ordinal(below(random, end + 1));
  oldest->skip_to(bound);
  got = oldest->next(batch);
  for (std::size_t i = 0; i < got; ++i)
    if (batch[i] != (bound + 2) / 3 * 3 + 3 * i || batch[i] >= end) return "every third run";

  if (end == 0) return "";
  const Ordinal one = Ordinal(below(random, end));
  if (index.term_count(own_term(one), end).value() != 1) return "a run's own term";
  const std::size_t same_id = index.find_id(id_of(one), end, batch).value();
  const Ordinal second = one | 1;
  if (same_id != (second < end ? 2u : 1u) || batch[0] != std::min(second, end - 1)) return "an id";
  if (index.started_at_ms(one).value() != std::int64_t(one) * 10) return "a start";
  OrdinalSet in_range;
  if (!index.collect_finished(0, std::int64_t(one) * 10 + 7, end, in_range) ||
      in_range.count() != one + 1u)
    return "a range of finishes";
  return "";
}

TEST_CASE("readers see a consistent index while a writer adds to it", "[threads]") {
  constexpr Ordinal kRuns = 60'000;
  ActiveIndex index;
  std::atomic<bool> done{false};
  std::string wrong[3];
  std::vector<std::thread> readers;
  for (unsigned reader = 0; reader < 3; ++reader) {
    readers.emplace_back([&, reader] {
      Random random(reader);
      do {
        const Ordinal published = index.count();
        const Ordinal end = reader == 0 ? published : Ordinal(below(random, published + 1));
        wrong[reader] = wrong_answer(index, end, random);
        index.prefetch_id(id_of(end));
        if (index.memory_bytes() == 0) wrong[reader] = "the memory";
        if (reader == 2) (void)index.flow_table();
        if (reader == 1 && published > 0) {
          std::uint64_t runs = 0;
          (void)index.for_each_term(TermKind::kUser, published,
                                    [&](TermKey term, std::uint64_t count) {
                                      if (!term.is_hashed()) runs += count;
                                    });
          if (runs != published) wrong[reader] = "the users' counts";
        }
      } while (wrong[reader].empty() && !done.load());
    });
  }
  for (Ordinal i = 0; i < kRuns; ++i) {
    add_numbered_run(index, i);
    if (i % 97 == 0) index.publish();
  }
  index.publish();
  done = true;
  for (std::thread& reader : readers) reader.join();
  for (const std::string& what : wrong) REQUIRE(what == "");
  Random random(9);
  REQUIRE(wrong_answer(index, kRuns, random) == "");
}

TEST_CASE("what was added but not published is not seen") {
  ActiveIndex index;
  add_numbered_run(index, 0);
  REQUIRE(index.count() == 0);
  REQUIRE(index.term_count(kAll, 100).value() == 0);
  Ordinal out[4];
  REQUIRE(index.find_id(id_of(0), 100, out).value() == 0);
  REQUIRE(index.read(own_term(0), 100, Direction::kNewestFirst).value()->next(out) == 0);
  REQUIRE_FALSE(index.started_at_ms(0).has_value());
  index.publish();
  REQUIRE(index.count() == 1);
  REQUIRE(index.term_count(kAll, 100).value() == 1);
  REQUIRE(index.find_id(id_of(0), 100, out).value() == 1);
}

TEST_CASE(
    "a term that a run names twice counts once, also across a generation of the hash chains") {
  const TermKey exact = TermKey::exact(TermKind::kLabel, 5);
  const TermKey hashed = TermKey::hashed(TermKind::kLabel, 5);
  ActiveIndex index;
  // An odd number of hashed terms a run makes runs straddle every generation's border.
  for (Ordinal i = 0; i < 5000; ++i) {
    const std::vector<TermKey> terms = {
        hashed, exact, own_term(i), hashed, exact, hashed, own_term(i + 1'000'000)};
    IndexEntry entry;
    entry.id_hash = i;
    entry.terms = terms;
    index.add(entry);
  }
  index.publish();
  REQUIRE(index.term_count(exact, 5000).value() == 5000);
  REQUIRE(index.term_count(hashed, 5000).value() == 5000);
  Random random(1);
  auto reader = index.read(hashed, 5000, Direction::kOldestFirst).value();
  const auto all = read_all(*reader, random);
  REQUIRE(all.size() == 5000);
  REQUIRE(std::is_sorted(all.begin(), all.end()));
}

TEST_CASE("a run id that comes a hundred thousand times is found newest first") {
  ActiveIndex index;
  for (Ordinal i = 0; i < 100'000; ++i) {
    IndexEntry entry;
    entry.id_hash = 42;
    index.add(entry);
  }
  index.publish();
  Ordinal out[3];
  REQUIRE(index.find_id(42, 100'000, out).value() == 4);
  REQUIRE(out[0] == 99'999);
  REQUIRE(out[2] == 99'997);
  const StoredTables stored(seal_index(index));
  const auto sealed = SealedIndex::open(stored.tables(), 100'000).value();
  REQUIRE(sealed->find_id(42, 100'000, out).value() == 4);
  REQUIRE(out[0] == 99'999);
  REQUIRE(out[2] == 99'997);
  REQUIRE(sealed->find_id(42, 7, out).value() == 4);
  REQUIRE(out[0] == 6);
}

TEST_CASE("the growing index costs at most 125 bytes a run with a dozen terms") {
  Random random(6);
  ActiveIndex index;
  const Ordinal count = 100'000;
  for (Ordinal i = 0; i < count; ++i) {
    std::vector<TermKey> terms;
    for (unsigned kind = 0; kind < 10; ++kind)
      terms.push_back(TermKey::exact(TermKind::kLabel, kind * 1000 + below(random, 1 + kind * 10)));
    terms.push_back(TermKey::exact(TermKind::kUser, below(random, 400)));
    if (i % 2 == 0) terms.push_back(own_term(i));
    IndexEntry entry;
    entry.id_hash = random();
    entry.terms = terms;
    entry.flow = std::uint32_t(below(random, 200));
    index.add(entry);
  }
  index.publish();
  CHECK(index.memory_bytes() <= 125 * std::size_t(count));
}

}  // namespace
}  // namespace runlog
