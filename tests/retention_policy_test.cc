// What a policy means, which ones are refused, and how it is stored.
#include "log/retention_policy.h"

#include <catch2/catch.hpp>

#include "log/clock_guard.h"

using namespace runlog;

namespace {

constexpr std::int64_t kDay = 24 * 3'600'000;
constexpr auto kFailed = std::size_t(RunStatus::kFailed);
constexpr auto kCompleted = std::size_t(RunStatus::kCompleted);

}  // namespace

TEST_CASE("of the ages that fit a run the most special one decides") {
  RetentionPolicy policy;
  policy.all.max_age_ms = 30 * kDay;
  policy.all.max_age_by_status_ms[kFailed] = 90 * kDay;
  policy.flows["own"].max_age_ms = 7 * kDay;
  policy.flows["both"].max_age_ms = 7 * kDay;
  policy.flows["both"].max_age_by_status_ms[kFailed] = kNoLimit;
  policy.flows["cap_only"].max_per_flow = 3;
  CHECK(policy.resolve("any").max_age_ms[kCompleted] == 30 * kDay);
  CHECK(policy.resolve("any").max_age_ms[kFailed] == 90 * kDay);
  CHECK(policy.resolve("own").max_age_ms[kFailed] == 7 * kDay);
  CHECK(policy.resolve("both").max_age_ms[kCompleted] == 7 * kDay);
  CHECK(policy.resolve("both").max_age_ms[kFailed] == kNoLimit);
  CHECK(policy.resolve("cap_only").max_age_ms[kFailed] == 90 * kDay);
  CHECK(policy.resolve("cap_only").max_per_flow == 3);
  CHECK(policy.resolve("any").max_per_flow == kNoLimit);
}

TEST_CASE("a policy that makes no sense is refused with a reason") {
  RetentionPolicy policy = RetentionPolicy::standard();
  CHECK(check_policy(policy));
  const auto reason = [&] {
    const auto checked = check_policy(policy);
    REQUIRE(!checked);
    CHECK(checked.error().code == ErrorCode::InvalidArgument);
    return checked.error().message;
  };
  policy.all.min_per_flow = 101;
  CHECK(reason() == "the minimum of runs a flow of the log is 101, above the maximum of 100");
  policy.all.min_per_flow = 50;
  policy.flows["small"].max_per_flow = 10;
  CHECK(reason().find("of the flow 'small' is 50") != std::string::npos);
  policy.flows["small"].min_per_flow = 0;
  CHECK(check_policy(policy));
  policy.all.max_age_ms = -1;
  CHECK(reason().find("-1") != std::string::npos);
  policy = {};
  policy.all.max_per_flow = 0;
  CHECK(reason().find("at least 1, or none") != std::string::npos);
  policy = {};
  policy.max_bytes = 0;
  reason();
  policy = {};
  policy.flows[""].max_per_flow = 1;
  reason();
}

TEST_CASE("a policy comes back as it was stored, and nothing else is taken for one") {
  RetentionPolicy policy;
  policy.all.max_age_ms = 30 * kDay;
  policy.all.max_age_by_status_ms[kFailed] = kNoLimit;
  policy.max_bytes = 10ll << 30;
  policy.flows["lead_routing"].max_per_flow = 1000;
  policy.flows["lead_routing"].min_per_flow = 7;
  policy.flows["any"].min_per_flow = 0;
  policy.flows["Übergabe"].max_age_ms = kNoLimit;
  auto bytes = encode_policy(policy);
  const auto decoded = decode_policy(bytes);
  REQUIRE(decoded);
  CHECK(*decoded == policy);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK(!decode_policy(std::span(bytes).first(size)));
  bytes.push_back(std::byte(0));
  CHECK(!decode_policy(bytes));
}

TEST_CASE("a clock that jumps ahead is believed after a delay, one that goes back at once") {
  constexpr UnixMs start = 1'800'000'000'000;
  constexpr UnixMs minute = 60'000;
  ClockGuard clock;
  CHECK(clock.look(start) == start);
  CHECK(clock.look(start + kDay) == start + kDay);
  const UnixMs jump = start + 40 * kDay;
  CHECK(clock.look(jump) == start + kDay);
  CHECK(clock.jumped_to() == jump);
  CHECK(clock.look(jump + 9 * minute) == start + kDay);
  CHECK(clock.look(jump + 10 * minute) == jump + 10 * minute);
  CHECK(clock.jumped_to() == 0);
  // A jump that is taken back was none.
  CHECK(clock.look(jump + 90 * kDay) == jump + 10 * minute);
  CHECK(clock.look(jump + 11 * minute) == jump + 11 * minute);
  CHECK(clock.look(start) == start);
  CHECK(clock.look(start + 1) == start + 1);
  // Looks that are far apart confirm each other's jump.
  CHECK(clock.look(start + 7 * kDay) == start + 1);
  CHECK(clock.look(start + 14 * kDay) == start + 7 * kDay);
  CHECK(clock.look(start + 21 * kDay) == start + 14 * kDay);
}
