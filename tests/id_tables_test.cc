// The run ids' tables of a sealed segment, and the search in evenly spread numbers.

#include <catch2/catch.hpp>

#include "index/id_tables.h"
#include "index/uniform_search.h"
#include "tests/index_model.h"

namespace runlog {
namespace {

using namespace index_model;

std::size_t found_at(const std::vector<std::uint64_t>& sorted, std::uint64_t value) {
  return UniformArray(reinterpret_cast<const std::byte*>(sorted.data()), sorted.size())
      .lower_bound(value);
}

TEST_CASE("the search finds the lower bound in even, clustered and constant numbers") {
  Random random(1);
  for (int round = 0; round < 400; ++round) {
    std::vector<std::uint64_t> numbers(below(random, 200));
    const unsigned shift = unsigned(below(random, 64));  // large shifts cluster at the low end
    for (std::uint64_t& number : numbers) {
      number = random() >> shift;
      if (round % 3 == 0) number = ~number;
      if (round % 7 == 0) number = 5;
    }
    std::sort(numbers.begin(), numbers.end());
    std::vector<std::uint64_t> wanted = {0, 1, 5, ~0ull, random(), random() >> shift};
    for (const std::uint64_t number : numbers)
      wanted.insert(wanted.end(), {number - 1, number, number + 1});
    for (const std::uint64_t value : wanted)
      REQUIRE(
          found_at(numbers, value) ==
          std::size_t(std::lower_bound(numbers.begin(), numbers.end(), value) - numbers.begin()));
  }
}

TEST_CASE("the search stays within numbers that are in no order") {
  Random random(2);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::uint64_t> numbers(1 + below(random, 50));
    for (std::uint64_t& number : numbers) number = random() >> below(random, 64);
    REQUIRE(found_at(numbers, random() >> below(random, 64)) <= numbers.size());
  }
}

TEST_CASE("the filter passes every id that is there and hardly any other") {
  Random random(3);
  for (const Ordinal count : {0u, 1u, 40u, 50'000u}) {
    std::vector<std::uint64_t> hashes(count);
    for (std::uint64_t& hash : hashes) hash = random();
    const auto bytes = IdFilter::make(hashes);
    REQUIRE(bytes.size() == IdFilter::bytes_for(count));
    for (const std::uint64_t hash : hashes) REQUIRE(IdFilter::may_contain(bytes, count, hash));
    unsigned passed = 0;
    for (int i = 0; i < 100'000; ++i) passed += IdFilter::may_contain(bytes, count, random());
    REQUIRE(passed < 200);
  }
}

TEST_CASE("ids whose hashes share their upper half are all candidates, newest first") {
  const std::vector<std::uint64_t> hashes = {
      7ull << 32,       (7ull << 32) + 5, 9ull << 32, 7ull << 32,
      (7ull << 32) + 1, 7ull << 32,       ~0ull,      ~0ull};
  const auto bytes = IdTable::make(hashes);
  const auto ids = IdTable::open(bytes, 8).value();
  Ordinal out[8];
  REQUIRE(ids.find(7ull << 32, 8, out).value() == 5);
  REQUIRE(std::vector<Ordinal>(out, out + 5) == std::vector<Ordinal>{5, 4, 3, 1, 0});
  REQUIRE(ids.find(7ull << 32, 4, out).value() == 3);
  REQUIRE(out[0] == 3);
  REQUIRE(ids.find(~0ull, 8, out).value() == 2);
  REQUIRE(out[0] == 7);
  REQUIRE(ids.find(8ull << 32, 8, out).value() == 0);
  // Without room it only says that there is one.
  REQUIRE(ids.find(7ull << 32, 8, {}).value() == 1);
}

}  // namespace
}  // namespace runlog
