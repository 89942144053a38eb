// What flows did.
#include <catch2/catch.hpp>
#include <string>

#include "query/query.h"
#include "tests/test_run.h"

namespace runlog {
namespace {

constexpr UnixMs kHour = 3'600'000;

class StatisticsFixture {
 public:
  StatisticsFixture() : log_(*Log::open(files_ / "log", small_segments())) {}
  void add(const std::string& id, const std::string& flow, RunStatus status, UnixMs finished,
           std::int64_t duration = 100) {
    TestRun run;
    run.run_id = id;
    run.flow = flow;
    run.status = status;
    run.started_at = finished - duration;
    run.finished_at = finished;
    run.duration_ms = duration;
    const auto result = log_->append(run.view());
    if (!result) FAIL(result.error().message);
  }
  std::vector<FlowStatistics> all() {
    auto found = statistics(*log_, std::nullopt);
    if (!found) FAIL(found.error().message);
    return *found;
  }
  FlowStatistics of(const std::string& flow) {
    auto found = statistics(*log_, flow);
    if (!found) FAIL(found.error().message);
    REQUIRE(found->size() == 1);
    return found->front();
  }

 protected:
  TempDir files_;
  std::shared_ptr<Log> log_;
};

TEST_CASE_METHOD(StatisticsFixture, "an empty log has a sum of nothing", "[statistics]") {
  const auto found = all();
  REQUIRE(found.size() == 1);
  CHECK(found[0].runs == std::array<std::uint64_t, 4>{});
  CHECK(found[0].p50_ms == -1);
  CHECK_FALSE(found[0].last_run);
  CHECK_FALSE(found[0].last_failure);
  CHECK(found[0].by_hour.empty());
}

TEST_CASE_METHOD(StatisticsFixture, "the sum comes first, then flows with most runs first",
                 "[statistics]") {
  add("1", "a", RunStatus::kCompleted, 10 * kHour);
  add("2", "b", RunStatus::kFailed, 10 * kHour + 1);
  add("3", "b", RunStatus::kCompleted, 12 * kHour);
  add("4", "c", RunStatus::kTimedOut, 12 * kHour + 5);
  for (const bool sealed : {false, true}) {
    if (sealed) REQUIRE(log_->seal_now());
    const auto found = all();
    REQUIRE(found.size() == 4);
    CHECK(found[0].flow.empty());
    CHECK(found[0].runs == std::array<std::uint64_t, 4>{2, 1, 0, 1});
    CHECK(found[0].last_run == 12 * kHour + 5);
    CHECK(found[0].last_failure == 10 * kHour + 1);
    REQUIRE(found[0].by_hour.size() == 2);
    CHECK(found[0].by_hour[0].start == 10 * kHour);
    CHECK(found[0].by_hour[0].runs == std::array<std::uint64_t, 4>{1, 1, 0, 0});
    CHECK(found[0].by_hour[1].start == 12 * kHour);
    CHECK(found[1].flow == "b");
    CHECK(found[1].last_failure == 10 * kHour + 1);
    CHECK(found[1].last_run == 12 * kHour);
    CHECK(found[2].flow == "a");
    CHECK_FALSE(found[2].last_failure);
    CHECK(found[3].flow == "c");
    CHECK_FALSE(found[3].last_failure);  // timed out is not failed
  }
}

TEST_CASE_METHOD(StatisticsFixture, "percentiles are within 6.25 % of the true ones",
                 "[statistics]") {
  for (int i = 1; i <= 100; ++i) {
    add(std::to_string(i), "f", RunStatus::kCompleted, kHour * 1000, i * 100);
  }
  const FlowStatistics found = of("f");
  CHECK(double(found.p50_ms) == Approx(5000).epsilon(0.0625));
  CHECK(double(found.p95_ms) == Approx(9500).epsilon(0.0625));
  CHECK(double(found.p99_ms) == Approx(9900).epsilon(0.0625));
}

TEST_CASE_METHOD(StatisticsFixture, "a run that does not say how long it took has no duration",
                 "[statistics]") {
  const auto add_without = [&](const std::string& id) {
    TestRun run;
    run.run_id = id;
    run.flow = "f";
    run.status = RunStatus::kCompleted;
    run.started_at = kHour;
    run.duration_ms.reset();
    REQUIRE(log_->append(run.view()));
  };
  add_without("1");
  CHECK(of("f").p50_ms == -1);
  add("2", "f", RunStatus::kCompleted, kHour, 5);
  add_without("3");
  for (const bool sealed : {false, true}) {
    if (sealed) REQUIRE(log_->seal_now());
    CHECK(of("f").p99_ms == 5);
    CHECK(of("f").runs[0] == 3);
  }
  add("3", "f", RunStatus::kCompleted, kHour, 5);  // takes away what was never counted
  CHECK(of("f").p99_ms == 5);
}

TEST_CASE_METHOD(StatisticsFixture, "a superseded run counts as what it is now", "[statistics]") {
  add("1", "a", RunStatus::kFailed, 10 * kHour);
  for (int i = 0; i < 100; ++i) add("x" + std::to_string(i), "b", RunStatus::kCompleted, 11 * kHour);
  add("1", "a", RunStatus::kCompleted, 12 * kHour);
  for (const bool sealed : {false, true}) {
    if (sealed) REQUIRE(log_->seal_now());
    const FlowStatistics found = of("a");
    CHECK(found.runs == std::array<std::uint64_t, 4>{1, 0, 0, 0});
    CHECK_FALSE(found.last_failure);
    CHECK(found.last_run == 12 * kHour);
    REQUIRE(found.by_hour.size() == 1);
    CHECK(found.by_hour[0].start == 12 * kHour);
  }
}

TEST_CASE_METHOD(StatisticsFixture, "a flow without visible runs is not found", "[statistics]") {
  CHECK(statistics(*log_, "a").error().code == ErrorCode::NotFound);
  add("1", "a", RunStatus::kCompleted, kHour);
  add("1", "b", RunStatus::kCompleted, kHour);
  const auto missing = statistics(*log_, "a");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message == "the log has no run of the flow 'a'");
  CHECK(all().size() == 2);
}

}  // namespace
}  // namespace runlog
