#include "server/time_argument.h"

#include <catch2/catch.hpp>

using namespace runlog;

namespace {

constexpr UnixMs kNow = 1'792'454'400'000;       // 2026-10-20T00:00:00Z
constexpr std::int64_t kMinute = 60'000, kHour = 60 * kMinute, kDay = 24 * kHour;

UnixMs from(std::string_view text) {
  auto time = parse_time_argument(text, TimeEnd::kFrom, kNow);
  INFO(text);
  REQUIRE(time);
  return *time;
}
UnixMs to(std::string_view text) { return parse_time_argument(text, TimeEnd::kTo, kNow).value(); }

}  // namespace

TEST_CASE("an instant means itself at both ends of a range") {
  for (const TimeEnd end : {TimeEnd::kFrom, TimeEnd::kTo}) {
    CHECK(parse_time_argument("2026-10-20T00:00:00Z", end, 0).value() == kNow);
    CHECK(parse_time_argument("2026-10-20T02:00:00.250+02:00", end, 0).value() == kNow + 250);
  }
}

TEST_CASE("a time without a zone is UTC, as the tables show it") {
  CHECK(from("2026-10-20 00:01:40") == kNow + 100'000);
  CHECK(from("2026-10-20T00:01") == kNow + kMinute);
  CHECK(from("2026-10-20 00:01:40.445") == kNow + 100'445);
  CHECK(from("2026-10-20T00:01Z") == kNow + kMinute);
}

TEST_CASE("a date is its first millisecond, or its last at the end of a range") {
  CHECK(from("2026-10-20") == kNow);
  CHECK(to("2026-10-20") == kNow + kDay - 1);
}

TEST_CASE("a number with a unit is so long before now") {
  CHECK(from("2h") == kNow - 2 * kHour);
  CHECK(from("30m") == kNow - 30 * kMinute);
  CHECK(from("7d") == kNow - 7 * kDay);
  CHECK(from("45s") == kNow - 45'000);
  CHECK(from("2w") == kNow - 14 * kDay);
  CHECK(from("0s") == kNow);
}

TEST_CASE("what is no time is refused with what would be one") {
  for (const char* text :
       {"", "h", "2", "2y", "-2h", "+2h", "2.5h", "2h30m", "yesterday", "2026-13-01", "2026-02-30",
        "2026-10-20T25:00:00Z", "20.10.2026", "9999999999999999999d", "99999999d", "2026-10-20T",
        "2026-10-20T00:00:00Zx", "١h"}) {
    INFO(text);
    auto time = parse_time_argument(text, TimeEnd::kFrom, kNow);
    REQUIRE_FALSE(time);
    CHECK(time.error().code == ErrorCode::InvalidArgument);
    CHECK(time.error().message.find("is not a time") != std::string::npos);
  }
}
