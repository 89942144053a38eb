#include "server/quantities.h"

#include <limits>

#include <catch2/catch.hpp>

using namespace runlog;

TEST_CASE("counts are grouped by thousands") {
  CHECK(format_count(0) == "0");
  CHECK(format_count(999) == "999");
  CHECK(format_count(1000) == "1,000");
  CHECK(format_count(18446744073709551615u) == "18,446,744,073,709,551,615");
  CHECK(count_of(1, "run") == "1 run");
  CHECK(count_of(0, "run") == "0 runs");
}

TEST_CASE("sizes keep three digits") {
  CHECK(format_bytes(999) == "999 B");
  CHECK(format_bytes(1000) == "1.00 kB");
  CHECK(format_bytes(12'500'000) == "12.5 MB");
  CHECK(format_bytes(999'600) == "1.00 MB");
  CHECK(format_bytes(120'000'000'000) == "120 GB");
}

TEST_CASE("durations take the unit that fits") {
  CHECK(format_duration(0) == "0 ms");
  CHECK(format_duration(999) == "999 ms");
  CHECK(format_duration(1934) == "1.93 s");
  CHECK(format_duration(59'900) == "59.9 s");
  CHECK(format_duration(125'000) == "2 m 05 s");
  CHECK(format_duration(3 * 3'600'000 + 20 * 60'000) == "3 h 20 m");
  CHECK(format_duration(100ll * 3'600'000) == "4 d 04 h");
  CHECK(format_duration(-5) == "-5 ms");
}

TEST_CASE("instants are shown in UTC, and how long ago they were in the unit that fits") {
  constexpr UnixMs kTime = 1'792'454'500'445;
  CHECK(format_instant(kTime) == "2026-10-20 00:01:40");
  CHECK(format_instant_exactly(kTime) == "2026-10-20 00:01:40.445 UTC");
  CHECK(format_ago(kTime, kTime) == "0 seconds ago");
  CHECK(format_ago(kTime, kTime + 119'000) == "119 seconds ago");
  CHECK(format_ago(kTime, kTime + 90 * 60'000) == "90 minutes ago");
  CHECK(format_ago(kTime, kTime + 33ll * 86'400'000) == "33 days ago");
  CHECK(format_ago(kTime + 1, kTime) == "in the future");
  CHECK_FALSE(format_ago(std::numeric_limits<UnixMs>::min(),
                         std::numeric_limits<UnixMs>::max()).empty());
}
