// What a log's retention policy hides, when, and that it stays so.
#include "log/retention_policy.h"

#include <algorithm>

#include "tests/retention_fixture.h"

using namespace runlog;

TEST_CASE_METHOD(RetentionFixture, "a cap hides a flow's oldest runs as new ones come") {
  set(cap(5));
  append_some(0, 5);
  append_some(0, 3, "other");
  CHECK(visible().size() == 8);
  append_some(5, 50);
  auto expected = names(0, 3, "other");
  const auto newest = names(45, 50);
  expected.insert(expected.end(), newest.begin(), newest.end());
  CHECK(visible() == expected);
  CHECK(get(*log_->snapshot(), "flow44").error().code == ErrorCode::NotFound);
  reopen();
  CHECK(visible() == expected);
  must(log_->seal_now());
  CHECK(visible() == expected);
}

TEST_CASE_METHOD(RetentionFixture, "raising a cap brings nothing back") {
  append_some(0, 30);
  set(cap(10));
  CHECK(visible() == names(20, 30));
  set(cap(25));
  CHECK(visible() == names(20, 30));
  reopen();
  CHECK(visible() == names(20, 30));
  append_some(30, 50);
  CHECK(visible() == names(25, 50));
  set({});
  reopen();
  append_some(50, 60);
  CHECK(visible() == names(25, 60));
}

TEST_CASE_METHOD(RetentionFixture,
                 "a run that moves to another flow does not bring back what a cap has hidden") {
  set(cap(2));
  append_some(0, 3);
  append("flow1", "other");
  CHECK(visible() == std::vector<std::string>{"flow2", "flow1"});
  reopen();
  CHECK(visible() == std::vector<std::string>{"flow2", "flow1"});
}

TEST_CASE_METHOD(RetentionFixture, "runs go when they are old enough, and not before") {
  set(age(10 * kDay));
  append_some(0, 30);
  pass(5 * kDay);
  append_some(30, 60);
  pass(5 * kDay - 1);
  must(log_->sweep());
  CHECK(visible() == names(0, 60));
  pass(1);
  must(log_->sweep());
  CHECK(visible() == names(30, 60));
  pass(5 * kDay);
  must(log_->sweep());
  CHECK(visible().empty());
  append_some(60, 61);
  CHECK(visible() == names(60, 61));
}

TEST_CASE_METHOD(RetentionFixture, "failed runs may stay longer, and a flow may have its own age") {
  RetentionPolicy policy = age(2 * kDay);
  policy.all.max_age_by_status_ms[std::size_t(RunStatus::kFailed)] = 4 * kDay;
  policy.flows["kept"].max_age_ms = kNoLimit;
  policy.flows["short"].max_age_ms = kDay;
  set(policy);
  append("good");
  append("bad", "flow", true);
  append("kept", "kept");
  append("short_good", "short");
  append("short_bad", "short", true);
  pass(kDay);
  must(log_->sweep());
  CHECK(visible() == std::vector<std::string>{"good", "bad", "kept"});
  pass(kDay);
  must(log_->sweep());
  CHECK(visible() == std::vector<std::string>{"bad", "kept"});
  pass(2 * kDay);
  must(log_->sweep());
  CHECK(visible() == std::vector<std::string>{"kept"});
}

TEST_CASE_METHOD(RetentionFixture, "a floor keeps the newest runs of a flow from their age") {
  RetentionPolicy policy = age(kDay);
  policy.all.min_per_flow = 3;
  set(policy);
  append_some(0, 30);
  append_some(0, 2, "rare");
  pass(2 * kDay);
  must(log_->sweep());
  auto expected = names(27, 30);
  expected.push_back("rare0");
  expected.push_back("rare1");
  CHECK(visible() == expected);
  append_some(30, 31);
  must(log_->sweep());
  CHECK(visible() == std::vector<std::string>{"flow28", "flow29", "rare0", "rare1", "flow30"});
}

TEST_CASE_METHOD(RetentionFixture, "the oldest runs go while their records are too large together") {
  append_some(0, 60);
  must(log_->seal_now());
  const auto all = statistics(*log_, std::nullopt);
  const std::uint64_t bytes = all->front().bytes;
  RetentionPolicy policy;
  policy.max_bytes = std::int64_t(bytes / 2);
  set(policy);
  const auto left = visible();
  CHECK(left.back() == "flow59");
  CHECK(left == names(60 - int(left.size()), 60));
  const std::uint64_t bytes_left = statistics(*log_, std::nullopt)->front().bytes;
  CHECK(bytes_left <= bytes / 2);
  CHECK(bytes_left + 2 * bytes / 60 > bytes / 2);
}

TEST_CASE_METHOD(RetentionFixture, "a pinned run survives every rule and counts for no cap") {
  append_some(0, 5);
  must(log_->pin("flow1", "an audit looks at it"));
  set(cap(2));
  CHECK(visible() == std::vector<std::string>{"flow1", "flow3", "flow4"});
  append_some(5, 60);
  must(log_->seal_now());
  must(log_->sweep());
  CHECK(visible() == std::vector<std::string>{"flow1", "flow58", "flow59"});
  reopen();
  set(age(kDay));
  pass(3 * kDay);
  must(log_->sweep());
  CHECK(visible() == std::vector<std::string>{"flow1"});
  CHECK(get(*log_->snapshot(), "flow1"));
  const auto pins = log_->pins();
  REQUIRE(pins->size() == 1);
  CHECK(pins->front().reason == "an audit looks at it");
  must(log_->unpin("flow1"));
  CHECK(visible().empty());
  CHECK(log_->unpin("flow1").error().code == ErrorCode::NotFound);
  CHECK(log_->pin("flow1", "too late").error().code == ErrorCode::NotFound);
}

TEST_CASE_METHOD(RetentionFixture, "a pin goes on to the record that supersedes its run, and ends") {
  set(cap(2));
  append_some(0, 2);
  must(log_->pin("flow0", "", now_ + 5 * kDay));
  append("flow0", "flow", true);
  append_some(2, 10);
  CHECK(visible() == std::vector<std::string>{"flow0", "flow8", "flow9"});
  reopen();
  append_some(10, 12);
  CHECK(visible() == std::vector<std::string>{"flow0", "flow10", "flow11"});
  pass(5 * kDay);
  must(log_->sweep());
  CHECK(visible() == std::vector<std::string>{"flow10", "flow11"});
  CHECK(log_->pins()->empty());
}

TEST_CASE_METHOD(RetentionFixture, "a run that was hidden is still recognised while it is on disk") {
  set(cap(2));
  append_some(0, 5);
  SampleRun again("flow0", "flow");
  again.started(now_ - 120);
  const auto result = log_->append(again.run());
  must(result);
  CHECK(result->outcome == AppendResult::Outcome::kDuplicate);
  CHECK(result->sequence == 1);
  CHECK(visible() == names(3, 5));
}

TEST_CASE_METHOD(RetentionFixture, "a policy that is refused leaves the old one") {
  set(cap(5));
  RetentionPolicy bad = cap(3);
  bad.all.min_per_flow = 4;
  CHECK(log_->set_retention(bad).error().code == ErrorCode::InvalidArgument);
  CHECK(*log_->retention() == cap(5));
  reopen();
  CHECK(*log_->retention() == cap(5));
}

TEST_CASE_METHOD(RetentionFixture, "a clock that jumps hides nothing until it has gone on for a while") {
  set(age(10 * kDay));
  append_some(0, 40);
  now_ += 300 * kDay;
  auto report = log_->sweep();
  must(report);
  CHECK(report->clock_jumped);
  CHECK(visible() == names(0, 40));
  now_ += 5 * 60'000;
  reopen();
  must(log_->sweep());
  CHECK(visible() == names(0, 40));
  now_ -= 300 * kDay;
  report = log_->sweep();
  CHECK(!report->clock_jumped);
  now_ += 300 * kDay;
  must(log_->sweep());
  now_ += 11 * 60'000;
  must(log_->sweep());
  CHECK(visible().empty());
}

TEST_CASE("a reader does not see what is too old, although no writer has looked since") {
  TempDir files;
  const UnixMs real_now = std::chrono::duration_cast<std::chrono::milliseconds>(
                              std::chrono::system_clock::now().time_since_epoch()).count();
  LogOptions options;
  options.retention = age(30 * kDay);
  options.now = [&] { return real_now - 12 * kHour; };
  {
    auto log = *Log::open(files.path(), options);
    must(log->append(SampleRun("old").started(real_now - 30 * kDay - kHour).run()));
    must(log->append(SampleRun("young").started(real_now - kDay).run()));
    CHECK((*log->snapshot())->live() == 2);
  }
  auto reader = Log::open_read_only(files.path());
  must(reader);
  CHECK((*(*reader)->snapshot())->live() == 1);
  CHECK(get(*(*reader)->snapshot(), "old").error().code == ErrorCode::NotFound);
  CHECK((*reader)->flows()->snapshot->live() == 1);
  CHECK(statistics(**reader, std::nullopt)->front().runs[0] == 1);
  const auto planned = (*reader)->plan_sweep();
  must(planned);
  CHECK(planned->by_age.runs == 1);
}

TEST_CASE_METHOD(RetentionFixture, "a log that is opened now and then believes its clock in the end") {
  set(age(10 * kDay));
  append_some(0, 5);
  for (int i = 0; i < 4; ++i) {
    now_ += 3 * kDay;
    reopen();  // looks, and finds a jump, which the next look confirms
  }
  CHECK(visible(*log_) == names(0, 5));
  now_ += 3 * kDay;
  reopen();
  CHECK(visible(*log_).empty());
}

TEST_CASE_METHOD(RetentionFixture, "a closed log changes no policy, no pin and hides nothing") {
  set(cap(5));
  append_some(0, 3);
  must(log_->pin("flow1", "an audit"));
  must(log_->close());
  const auto other = open_log(files_.path(), options_);
  CHECK(log_->set_retention(cap(1)).error().code == ErrorCode::Closed);
  CHECK(log_->pin("flow2", "late").error().code == ErrorCode::Closed);
  CHECK(log_->unpin("flow1").error().code == ErrorCode::Closed);
  CHECK(log_->hide_expired().error().code == ErrorCode::Closed);
  CHECK(*other->retention() == cap(5));
  CHECK(other->pins()->size() == 1);
}

TEST_CASE_METHOD(RetentionFixture, "an interval between sweeps that no clock can measure is refused") {
  log_.reset();
  for (const auto interval : {std::chrono::milliseconds::max(), std::chrono::milliseconds(-1)}) {
    options_.sweep_interval = interval;
    const auto refused = Log::open(files_.path(), options_);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::InvalidArgument);
  }
  options_.sweep_interval = std::chrono::hours(24 * 365);
  must(Log::open(files_.path(), options_));
}
