// Flow tables: their sums, their histogram of durations and their stored form.

#include <catch2/catch.hpp>
#include <limits>

#include "index/flow_table_codec.h"
#include "tests/index_model.h"

namespace runlog {
namespace {

using namespace index_model;

TEST_CASE("every duration lies within the bounds of its bucket, and buckets touch") {
  Random random(1);
  for (int i = 0; i < 20'000; ++i) {
    const auto duration = std::int64_t(random() >> (1 + below(random, 63)));
    const std::uint16_t bucket = DurationHistogram::bucket_of(duration);
    REQUIRE(DurationHistogram::lower_bound_ms(bucket) <= duration);
    REQUIRE(DurationHistogram::upper_bound_ms(bucket) >= duration);
  }
  const std::uint16_t last = DurationHistogram::bucket_of(std::numeric_limits<std::int64_t>::max());
  REQUIRE(last == 487);
  for (std::uint16_t bucket = 0; bucket < last; ++bucket)
    REQUIRE(DurationHistogram::upper_bound_ms(bucket) + 1 ==
            DurationHistogram::lower_bound_ms(std::uint16_t(bucket + 1)));
  REQUIRE(DurationHistogram::upper_bound_ms(last) == std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("negative durations count as none") {
  REQUIRE(DurationHistogram::bucket_of(-1) == 0);
  REQUIRE(DurationHistogram::bucket_of(std::numeric_limits<std::int64_t>::min()) == 0);
}

TEST_CASE("a percentile is within 6.25 % of the true one") {
  Random random(2);
  std::vector<std::int64_t> durations;
  DurationHistogram histogram;
  REQUIRE(histogram.percentile(0.5) == -1);
  for (int i = 0; i < 5000; ++i) {
    durations.push_back(std::int64_t(1 + below(random, 1u << (4 + below(random, 16)))));
    histogram.buckets[DurationHistogram::bucket_of(durations.back())] += 1;
  }
  std::sort(durations.begin(), durations.end());
  for (const double fraction : {0.01, 0.5, 0.95, 0.99, 1.0}) {
    const double exact = double(durations[std::size_t(std::ceil(fraction * 5000)) - 1]);
    const double found = double(histogram.percentile(fraction));
    REQUIRE(std::abs(found - exact) <= 0.0625 * exact);
  }
  REQUIRE(histogram.percentile(-3) == histogram.percentile(0));
  REQUIRE(histogram.percentile(7) == histogram.percentile(1));
}

TEST_CASE("flow tables add up, and what is taken away again leaves nothing behind") {
  Random random(3);
  const IndexModel first = random_model(random, 400), second = random_model(random, 300);
  FlowTable both = first.flow_table();
  for (const auto& [flow, counts] : second.flow_table()) both[flow].add(counts);
  FlowTable expected = first.flow_table();
  for (Ordinal i = 0; i < second.count(); ++i) add_to(expected, second.entry(i));
  REQUIRE(both == expected);

  for (const auto& [flow, counts] : second.flow_table()) both[flow].subtract(counts);
  for (const auto& [flow, counts] : first.flow_table()) {
    REQUIRE(both[flow] == counts);
    both[flow].subtract(counts);
    REQUIRE(both[flow] == FlowCounts{});
  }
}

TEST_CASE("an hour is rounded down also before 1970") {
  FlowTable table;
  IndexEntry entry;
  for (const std::int64_t time : {-1, -3'600'000, -3'600'001, 0, 3'599'999}) {
    entry.finished_at_ms = time;
    add_to(table, entry);
  }
  const auto& hours = table[0].by_hour;
  REQUIRE(hours.at(-2)[0] == 1);
  REQUIRE(hours.at(-1)[0] == 2);
  REQUIRE(hours.at(0)[0] == 2);
}

TEST_CASE("a flow table survives being stored") {
  Random random(4);
  for (const Ordinal count : {0u, 1u, 50u, 3000u}) {
    const FlowTable table = random_model(random, count).flow_table();
    const auto bytes = encode_flow_table(table);
    const auto back = decode_flow_table(bytes);
    REQUIRE(back.has_value());
    REQUIRE(*back == table);
  }
  FlowTable extreme;
  FlowCounts& counts = extreme[std::numeric_limits<std::uint32_t>::max()];
  counts.runs.fill(std::numeric_limits<std::uint64_t>::max());
  counts.selected = std::numeric_limits<std::int64_t>::min();
  counts.acted = std::numeric_limits<std::int64_t>::max();
  counts.durations.buckets[487] = 1;
  counts.by_hour[std::numeric_limits<std::int64_t>::min()] = {1, 2, 3, 4};
  counts.by_hour[std::numeric_limits<std::int64_t>::max()] = {5, 6, 7, 8};
  REQUIRE(decode_flow_table(encode_flow_table(extreme)).value() == extreme);
}

TEST_CASE("a stored flow table that is cut off or edited is refused or is another flow table") {
  Random random(5);
  const auto bytes = encode_flow_table(random_model(random, 60).flow_table());
  for (std::size_t length = 0; length < bytes.size(); ++length)
    REQUIRE_FALSE(decode_flow_table(std::span(bytes).first(length)).has_value());
  for (int round = 0; round < 5000; ++round) {
    auto edited = bytes;
    for (std::uint64_t edits = 1 + below(random, 3); edits > 0; --edits)
      edited[below(random, edited.size())] = std::byte(below(random, 256));
    const auto table = decode_flow_table(edited);
    if (!table) REQUIRE(table.error().code == ErrorCode::Corruption);
  }
  auto longer = bytes;
  longer.push_back(std::byte{0});
  REQUIRE_FALSE(decode_flow_table(longer).has_value());
}

}  // namespace
}  // namespace runlog
