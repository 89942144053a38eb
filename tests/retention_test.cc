// What a log's retention policy hides, when, and that it stays so; and that the space comes back.
#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "log/verify.h"
#include "query/query.h"
#include "tests/damaged_log.h"
#include "tests/log_fixture.h"

using namespace runlog;

namespace {

constexpr UnixMs kStart = 1'792'454'400'000;
constexpr UnixMs kHour = 3'600'000;
constexpr UnixMs kDay = 24 * kHour;

// A log under a clock that the test moves.
class RetentionFixture {
 public:
  RetentionFixture() {
    options_.segment_runs = 20;
    options_.merge_fanout = 4;
    options_.sweep_interval = std::chrono::milliseconds(0);
    options_.now = [this] { return now_.load(); };
    reopen();
  }

  void reopen() {
    log_.reset();
    log_ = open_log(files_.path(), options_);
  }
  // Steps that are no jumps.
  void pass(UnixMs time) {
    for (; time > kDay; time -= kDay) {
      now_ += kDay;
      must(log_->sweep());
    }
    now_ += time;
  }
  void append(const std::string& id, const std::string& flow = "flow", bool failed = false) {
    SampleRun run(id, flow);
    run.started(now_ - 120);
    if (failed) run.failed("it broke");
    must(log_->append(run.run()));
  }
  void append_some(int from, int to, const std::string& flow = "flow") {
    for (int i = from; i < to; ++i) append(flow + std::to_string(i), flow);
  }
  std::vector<std::string> visible(Log& log) {
    ListRequest request;
    request.limit = 1000;
    request.direction = Direction::kOldestFirst;
    request.with_total = true;
    auto snapshot = log.snapshot();
    must(snapshot);
    auto page = list(*snapshot, request);
    must(page);
    std::vector<std::string> ids;
    for (const RunHead& head : page->runs) ids.emplace_back(head.run_id);
    CHECK(page->total == ids.size());
    CHECK((*snapshot)->live() == ids.size());
    const auto all = statistics(log, std::nullopt);
    must(all);
    std::uint64_t counted = 0;
    for (const std::uint64_t runs : all->front().runs) counted += runs;
    CHECK(counted == ids.size());
    return ids;
  }
  std::vector<std::string> visible() {
    auto ids = visible(*log_);
    auto reader = Log::open_read_only(files_.path());
    must(reader);
    CHECK(visible(**reader) == ids);
    return ids;
  }
  void set(const RetentionPolicy& policy) { must(log_->set_retention(policy)); }
  std::size_t segments() { return log_->describe().segments.size(); }

 protected:
  TempDir files_;
  std::atomic<UnixMs> now_{kStart};
  LogOptions options_;
  std::shared_ptr<Log> log_;
};

std::vector<std::string> names(int from, int to, const std::string& flow = "flow") {
  std::vector<std::string> out;
  for (int i = from; i < to; ++i) out.push_back(flow + std::to_string(i));
  return out;
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

RetentionPolicy cap(std::int64_t runs) {
  RetentionPolicy policy;
  policy.all.max_per_flow = runs;
  return policy;
}

RetentionPolicy age(std::int64_t ms) {
  RetentionPolicy policy;
  policy.all.max_age_ms = ms;
  return policy;
}

}  // namespace

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

TEST_CASE_METHOD(RetentionFixture, "a sweep unlinks dead segments and merges sparse ones") {
  for (int i = 0; i < 400; ++i) {
    append("flow" + std::to_string(i));
    if (i % 40 == 0) append("rare" + std::to_string(i), "rare");
  }
  must(log_->seal_now());
  const auto before = log_->describe();
  RetentionPolicy policy = cap(20);
  policy.flows["rare"].max_per_flow = kNoLimit;
  const auto planned_none = log_->plan_sweep();
  must(planned_none);
  CHECK(planned_none->dropped_segments == 0);
  set(policy);
  const auto expected = visible();
  CHECK(expected.size() == 30);
  auto held = *log_->snapshot();
  const auto planned = log_->plan_sweep();
  const auto swept = log_->sweep();
  must(swept);
  CHECK(swept->dropped_segments + swept->merged_segments > 0);
  CHECK(planned->dropped_segments == swept->dropped_segments);
  CHECK(swept->freed_bytes > 0);
  CHECK(log_->describe().bytes < before.bytes);
  CHECK(log_->describe().hidden <= log_->describe().runs);
  CHECK(visible() == expected);
  // A reader that still holds the old segments reads on.
  for (const std::string& id : expected) CHECK(get(held, id));
  reopen();
  CHECK(visible() == expected);
  // Nothing is left to do.
  const auto again = log_->sweep();
  CHECK(again->dropped_segments + again->merged_segments == 0);
  const auto verified = verify_log(files_.path());
  must(verified);
  CHECK(verified->damage.empty());
}

TEST_CASE_METHOD(RetentionFixture, "a merge carries on no name that only hidden runs had") {
  set(cap(1));
  for (int i = 0; i < 40; ++i) append("run" + std::to_string(i), "common");
  for (int i = 0; i < 40; ++i)
    append("once" + std::to_string(i), i % 2 == 0 ? "secret" + std::to_string(i) : "common");
  RetentionPolicy policy;
  for (int i = 0; i < 40; i += 2)
    if (i != 20) policy.flows["secret" + std::to_string(i)].max_age_ms = 1;
  must(log_->seal_now());
  now_ += kHour;
  set(policy);
  must(log_->sweep());
  const auto expected = visible();
  CHECK(expected == std::vector<std::string>{"once20", "once39"});
  log_.reset();
  std::size_t found = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(files_.path() / "segments"))
    if (file.is_regular_file()) {
      const std::string bytes = read_text(file.path());
      for (int i = 0; i < 40; i += 2)
        found += bytes.find("secret" + std::to_string(i)) != std::string::npos;
    }
  CHECK(found == 2);  // "secret2" begins "secret20"
  CHECK(verify_log(files_.path())->damage.empty());
  reopen();
  CHECK(visible() == expected);
  append("new", "another");
  CHECK(get(*log_->snapshot(), "once20")->run.flow_name == "secret20");
  CHECK(get(*log_->snapshot(), "new")->run.flow_name == "another");
}

TEST_CASE_METHOD(RetentionFixture,
                 "what a dropped segment's records superseded stays hidden") {
  append_some(0, 20, "old");
  must(log_->seal_now());
  for (int i = 0; i < 20; i += 3) append("old" + std::to_string(i), "gone", true);
  must(log_->seal_now());
  RetentionPolicy policy;
  policy.flows["gone"].max_age_ms = kDay;
  set(policy);
  now_ += kDay;
  const auto swept = log_->sweep();
  must(swept);
  CHECK(swept->dropped_segments == 1);
  const auto left = visible();
  CHECK(left.size() == 13);
  reopen();
  CHECK(visible() == left);
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

TEST_CASE_METHOD(RetentionFixture,
                 "a catalog that is made again knows the policy, the pins and what was hidden") {
  set(cap(10));
  append_some(0, 60);
  must(log_->pin("flow55", "an audit"));
  append_some(0, 5, "other");
  must(log_->seal_now());
  set(cap(20));  // what the smaller cap has hidden does not come back
  append_some(60, 63);
  const auto expected = visible();
  log_.reset();
  const auto state = files_.path() / "state" / "data.mdb";
  SECTION("of whose file the meta pages are damaged") {
    flip_byte(state, 16);
    flip_byte(state, 4096 + 16);
  }
  SECTION("for an entry of a segment fails its checksum") {
    std::string bytes = read_text(state);
    const auto pages = bytes.size() / 4096;
    std::size_t flipped = 0;
    // An entry begins with version 1 and its state, 5 zeros, and the segment's number twice.
    for (std::size_t at = 2 * 4096; at + 64 < pages * 4096; at += 2) {
      const std::string_view head(bytes.data() + at, 16);
      if (head[0] == 1 && head[1] == 0 && head[2] == 3 && head.substr(3, 5) == std::string(5, 0) &&
          head[8] > 0 && head[8] < 30 && head.substr(9, 7) == std::string(7, 0)) {
        bytes[at + 40] = char(bytes[at + 40] ^ 0x5A);
        ++flipped;
      }
    }
    REQUIRE(flipped > 0);
    std::ofstream(state, std::ios::binary) << bytes;
  }
  VerifyOptions repair;
  repair.repair = true;
  const auto repaired = verify_log(files_.path(), repair);
  must(repaired);
  CHECK_FALSE(repaired->damage.empty());
  CHECK(verify_log(files_.path())->damage.empty());
  reopen();
  CHECK(*log_->retention() == cap(20));
  REQUIRE(log_->pins()->size() == 1);
  CHECK(visible() == expected);
  append_some(63, 90);
  auto later = names(0, 5, "other");
  later.insert(later.begin(), "flow55");
  const auto newest = names(70, 90);
  later.insert(later.end(), newest.begin(), newest.end());
  CHECK(visible() == later);
}

TEST_CASE_METHOD(RetentionFixture, "damage to what retention keeps is reported, and repaired") {
  set(cap(10));
  append_some(0, 40);
  must(log_->pin("flow35", "a reason that stands in the file"));
  const auto expected = visible();
  log_.reset();
  const auto state = files_.path() / "state" / "data.mdb";
  std::string bytes = read_text(state);
  for (auto at = bytes.find("that stands in the file"); at != std::string::npos;
       at = bytes.find("that stands in the file", at + 1))
    bytes[at] = 'T';
  std::ofstream(state, std::ios::binary) << bytes;
  CHECK(Log::open(files_.path(), options_).error().code == ErrorCode::Corruption);
  const auto found = verify_log(files_.path());
  must(found);
  REQUIRE(found->damage.size() == 1);
  CHECK(found->damage.front().find("a pin") != std::string::npos);
  VerifyOptions repair;
  repair.repair = true;
  must(verify_log(files_.path(), repair));
  CHECK(verify_log(files_.path())->damage.empty());
  reopen();
  CHECK(log_->pins()->empty());
  CHECK(visible() == expected);
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

TEST_CASE_METHOD(RetentionFixture, "a dry run says what a sweep then does, and does nothing") {
  append_some(0, 100);
  RetentionPolicy policy = cap(60);
  policy.all.max_age_ms = 2 * kDay;
  pass(kDay);
  append_some(100, 130);
  set(policy);
  CHECK(visible() == names(70, 130));
  now_ += kDay;
  const auto planned = log_->plan_sweep();
  must(planned);
  CHECK(planned->by_cap.runs == 0);
  CHECK(planned->by_age.runs == 30);
  CHECK(planned->by_age.bytes > 0);
  CHECK(planned->hidden_before.runs == 70);
  CHECK(planned->stays.runs == 30);
  CHECK(visible() == names(70, 130));
  const auto swept = log_->sweep();
  CHECK(swept->by_age.runs == 30);
  CHECK(visible() == names(100, 130));
}
