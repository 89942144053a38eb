#include <catch2/catch.hpp>

#include "log/run_json.h"

namespace runlog {

TEST_CASE("times are written with milliseconds in UTC") {
  CHECK(format_time(0) == "1970-01-01T00:00:00.000Z");
  CHECK(format_time(1'792'454'403'630) == "2026-10-20T00:00:03.630Z");
  CHECK(format_time(-1) == "1969-12-31T23:59:59.999Z");
  CHECK(format_time(253'402'300'799'999) == "9999-12-31T23:59:59.999Z");
  CHECK(format_time(253'402'300'800'000) == "+010000-01-01T00:00:00.000Z");
  CHECK(format_time(-62'167'219'200'001) == "-000001-12-31T23:59:59.999Z");
  CHECK(format_time(INT64_MIN).size() > 20);
  CHECK(format_time(INT64_MAX).size() > 20);
}

TEST_CASE("every form of ISO 8601 that an engine writes is read") {
  const UnixMs expected = 1'792'454'403'630;
  for (const char* text :
       {"2026-10-20T00:00:03.630Z", "2026-10-20t00:00:03.63z", "2026-10-20 00:00:03.630000Z",
        "2026-10-20T02:00:03.630+02:00", "2026-10-19T19:30:03.630-0430", "2026-10-20T08:00:03,63+08",
        "+002026-10-20T00:00:03.630Z"}) {
    INFO(text);
    CHECK(parse_time(text) == expected);
  }
  CHECK(parse_time("2026-10-20T00:00Z") == expected - 3630);
  CHECK(parse_time("2026-10-20") == expected - 3630);
  CHECK(parse_time("2024-02-29T00:00:00Z"));
}

TEST_CASE("digits below a millisecond are cut off and said to be") {
  bool exact = true;
  CHECK(parse_time("2026-10-20T00:00:03.630999999Z", &exact) == UnixMs(1'792'454'403'630));
  CHECK_FALSE(exact);
  CHECK(parse_time("2026-10-20T00:00:03.630000000Z", &exact));
  CHECK(exact);
  CHECK(parse_time("1969-12-31T23:59:59.9999Z", &exact) == UnixMs(-1));
}

TEST_CASE("what is no time is refused with the text in the message") {
  for (const char* text :
       {"", "now", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-10-20T24:00:00Z",
        "2026-10-20T00:60:00Z", "2026-10-20T00:00:60Z", "2026-10-20T00:00:00", "2026-10-20T00:00:00.Z",
        "2026-10-20T00:00:00.1234567890Z", "2026-10-20T00:00:00+2", "2026-10-20T00:00:00+02:",
        "2026-10-20T00:00:00Zx", "26-10-20T00:00:00Z", "2026-10-20T", "1792454403630"}) {
    INFO(text);
    const Expected<UnixMs> time = parse_time(text);
    REQUIRE_FALSE(time);
    CHECK(time.error().code == ErrorCode::InvalidArgument);
    CHECK(time.error().message.find(text) != std::string::npos);
  }
}

TEST_CASE("what is written is read back, over many years") {
  for (UnixMs time = -300'000'000'000'000; time < 300'000'000'000'000; time += 777'777'777'777) {
    CHECK(parse_time(format_time(time)) == time);
  }
}

}  // namespace runlog
