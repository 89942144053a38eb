// Counters of what flows did, which outlive their runs.
#include "log/counters.h"

#include <fstream>

#include "log/counters_check.h"
#include "log/verify.h"
#include "tests/cli_process.h"
#include "tests/retention_fixture.h"

using namespace runlog;

namespace {

using Counted = std::array<std::uint64_t, kRunStatusCount>;

Counted total(const std::vector<CountedPeriod>& periods) {
  Counted sum{};
  for (const CountedPeriod& period : periods)
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += period.counts.runs[i];
  return sum;
}

class CountersFixture : public RetentionFixture {
 public:
  FlowHistory history(Log& log, const std::optional<std::string>& flow = std::nullopt) {
    auto found = log.history(flow);
    must(found);
    return *found;
  }
  // As the writer and a reader see it.
  FlowHistory history(const std::optional<std::string>& flow = std::nullopt) {
    FlowHistory seen = history(*log_, flow);
    auto reader = Log::open_read_only(files_.path());
    must(reader);
    const FlowHistory read = history(**reader, flow);  // by the system's clock
    CHECK(total(read.days) == total(seen.days));
    CHECK(read.days_from == seen.days_from);
    return seen;
  }
  Counted counted(const std::optional<std::string>& flow = std::nullopt) {
    const FlowHistory seen = history(flow);
    CHECK(total(seen.hours) == total(seen.days));
    return total(seen.days);
  }
  // Damages what the text stands in, in every version of state/.
  void damage_state(const std::string& text) {
    log_.reset();
    const auto state = files_.path() / "state" / "data.mdb";
    std::string bytes = read_text(state);
    std::size_t found = 0;
    for (auto at = bytes.find(text); at != std::string::npos; at = bytes.find(text, at + 1), ++found)
      bytes[at] ^= 0x20;
    REQUIRE(found > 0);
    std::ofstream(state, std::ios::binary) << bytes;
  }
  VerifyReport verify(bool repair) {
    VerifyOptions options;
    options.repair = repair;
    auto report = verify_log(files_.path(), options);
    must(report);
    return *report;
  }
};

}  // namespace

TEST_CASE_METHOD(CountersFixture, "a run that is gone is still counted, and one that ended again once",
                 "[counters]") {
  set(cap(5));
  for (int i = 0; i < 60; ++i) append("flow" + std::to_string(i), "flow", i % 3 == 0);
  append("flow58", "other", true);  // in another flow
  append("flow59");
  append("flow59");  // the same content again
  CHECK(counted("flow") == Counted{39, 20, 0, 0});
  CHECK(counted("other") == Counted{0, 1, 0, 0});
  CHECK(counted() == Counted{39, 21, 0, 0});
  must(log_->seal_now());
  must(log_->sweep());
  CHECK(segments() <= 3);
  CHECK(counted() == Counted{39, 21, 0, 0});
  reopen();
  CHECK(counted() == Counted{39, 21, 0, 0});
  append("flow56", "flow", true);
  CHECK(counted("flow") == Counted{38, 21, 0, 0});
  CHECK(counted("nothing") == Counted{});
  const FlowHistory seen = history("flow");
  REQUIRE(seen.days.size() == 1);
  CHECK(seen.days[0].start == kStart / kDay * kDay);
  CHECK(double(seen.days[0].counts.durations.percentile(0.5)) == Approx(120).epsilon(0.0625));
  CHECK_FALSE(seen.dropped_before);
  CHECK(verify(false).damage.empty());
}

TEST_CASE_METHOD(CountersFixture, "hours are kept for 8 days and days for 400", "[counters]") {
  set(age(kDay));
  append("first");
  must(log_->seal_now());
  pass(8 * kDay);
  append("second");
  must(log_->seal_now());
  CHECK(total(history().hours) == Counted{2, 0, 0, 0});
  must(log_->sweep());
  pass(kHour);
  append("third");
  must(log_->seal_now());
  CHECK(total(history().hours) == Counted{2, 0, 0, 0});
  CHECK(total(history().days) == Counted{3, 0, 0, 0});
  CHECK(visible() == std::vector<std::string>{"second", "third"});
  pass(393 * kDay);
  append("fourth");
  must(log_->seal_now());
  CHECK(total(history().days) == Counted{3, 0, 0, 0});
  CHECK(*history().days_from == (kStart + 8 * kDay) / kDay * kDay);
  // What finished too long ago finds no place any more.
  now_ -= 300 * kDay;
  append("late");
  now_ += 300 * kDay;
  CHECK(total(history().days) == Counted{4, 0, 0, 0});
  now_ -= 401 * kDay;
  append("too late");
  now_ += 401 * kDay;
  CHECK(total(history().days) == Counted{4, 0, 0, 0});
  CHECK(verify(false).damage.empty());
}

TEST_CASE_METHOD(CountersFixture, "a run that claims to finish later than now counts now", "[counters]") {
  SampleRun run("early bird");
  run.started(now_ + 50 * kDay);
  must(log_->append(run.run()));
  const FlowHistory seen = history();
  REQUIRE(seen.hours.size() == 1);
  CHECK(seen.hours[0].start == kStart / kHour * kHour);
}

TEST_CASE_METHOD(CountersFixture, "a log from before there were counters counts what is there",
                 "[counters]") {
  append_some(0, 50);
  must(log_->seal_now());
  log_.reset();
  {
    auto catalog = Catalog::open(files_.path(), OpenMode::kWrite);
    must(catalog);
    std::vector<std::uint64_t> keys;
    must((*catalog)->read_state([&](std::uint64_t key, Bytes) {
      if (is_counter_key(key)) keys.push_back(key);
      return true;
    }));
    CHECK(keys.size() == 3);
    must((*catalog)->write_beside([&](LmdbWrite& write) {
      Expected<void> done;
      for (const std::uint64_t key : keys)
        if (done) done = write.remove(LmdbTable::kTables, key);
      return done;
    }));
  }
  CHECK(verify(false).damage.empty());
  reopen();
  CHECK(counted() == Counted{50, 0, 0, 0});
  append("one more");
  CHECK(counted() == Counted{51, 0, 0, 0});
}

TEST_CASE_METHOD(CountersFixture,
                 "a damaged bucket is reported, and counted anew from what is still there",
                 "[counters]") {
  set(cap(30));
  append_some(0, 40, "daily_report");
  must(log_->seal_now());
  must(log_->sweep());
  CHECK(counted("daily_report") == Counted{40, 0, 0, 0});
  // The name stands in buckets and in the segments' own tables, of which state/ has none.
  damage_state("daily_report");
  reopen();  // a log goes on without
  CHECK(log_->history().error().code == ErrorCode::Corruption);
  append("meanwhile", "daily_report");
  log_.reset();
  const VerifyReport found = verify(false);
  REQUIRE(found.damage.size() == 2);
  CHECK(found.damage.front().find("the counters of the hour 2026-10-2") != std::string::npos);
  const VerifyReport repaired = verify(true);
  REQUIRE(repaired.repairs.size() == 2);
  CHECK(repaired.repairs.front().find("counts anew") != std::string::npos);
  CHECK(verify(false).damage.empty());
  reopen();
  const Counted left = counted("daily_report");
  CHECK(left[0] >= 31);
  CHECK(left[0] <= 41);
  append("more", "daily_report");
  must(log_->seal_now());
  reopen();
  CHECK(counted("daily_report") == Counted{left[0] + 1, 0, 0, 0});
}

TEST_CASE_METHOD(CountersFixture, "a catalog that is made again keeps the counters", "[counters]") {
  set(cap(10));
  append_some(0, 100);
  must(log_->seal_now());
  must(log_->sweep());
  damage_state("RNLG");
  CHECK_FALSE(verify(true).damage.empty());
  CHECK(verify(false).damage.empty());
  reopen();
  CHECK(counted() == Counted{100, 0, 0, 0});
  append_some(100, 120);
  must(log_->seal_now());
  CHECK(counted() == Counted{120, 0, 0, 0});
}

TEST_CASE("a bucket that names as many flows as it may counts the others together", "[counters]") {
  NameTable names;
  CounterBucket bucket;
  const auto change = [&](std::size_t flow, std::uint64_t more, std::uint64_t less) {
    const auto symbol = *names.intern(NameKind::kFlow, "flow" + std::to_string(flow));
    BucketChange out;
    if (more > 0) out.more[symbol].runs[0] = more;
    if (less > 0) out.less[symbol].runs[0] = less;
    bucket.take(out, names);
  };
  for (std::size_t i = 0; i <= kMaxBucketFlows; ++i) change(i, 2, 0);
  CHECK(bucket.has_others());
  CHECK(bucket.of("flow" + std::to_string(kMaxBucketFlows)) == nullptr);
  CHECK(bucket.sum().runs[0] == 2 * kMaxBucketFlows + 2);
  // What was counted with the others is taken away from them, also when there is a place again.
  change(3, 0, 2);
  change(kMaxBucketFlows, 1, 2);
  CHECK(bucket.of("flow" + std::to_string(kMaxBucketFlows)) == nullptr);
  CHECK(bucket.sum().runs[0] == 2 * kMaxBucketFlows - 1);
  // No more than was there.
  change(4, 0, 9);
  CHECK(bucket.of("flow4")->runs[0] == 0);

  const std::uint64_t key = hour_bucket(500'000);
  const StateEntry entry = bucket.encode(key, 77);
  const auto decoded = CounterBucket::decode(key, entry.value);
  must(decoded);
  CHECK(CounterBucket::counted_to(entry.value) == 77);
  CHECK(decoded->encode(key, 77).value == entry.value);
  CHECK_FALSE(CounterBucket::decode(key + 1, entry.value));
  for (std::size_t at = 0; at < entry.value.size(); at += 101) {
    auto damaged = entry.value;
    damaged[at] ^= std::byte{4};
    CHECK_FALSE(CounterBucket::decode(key, damaged));
  }
}

TEST_CASE("counters whose mark is lost are not taken over: nobody knows what they have counted",
          "[counters]") {
  TempDir folder;
  {
    LmdbEnv::Options options;
    options.map_bytes = 1 << 20;
    const auto env = LmdbEnv::open(folder.path(), options);
    must(env);
    auto write = LmdbWrite::begin(**env);
    must(write);
    const std::uint64_t key = hour_bucket(500'000);
    must(write->put(LmdbTable::kTables, key, CounterBucket().encode(key, 77).value));
    must(write->commit());
  }
  const SalvagedCounters found = salvage_counters(folder.path());
  CHECK_FALSE(found.is_certain);
  CHECK(found.is_empty());
}

TEST_CASE("when counters take too much room the oldest buckets go, and the newest stays",
          "[counters]") {
  std::map<std::uint64_t, std::uint64_t> sizes;
  for (std::int64_t hour = 480'000; hour < 480'010; ++hour) sizes[hour_bucket(hour)] = 10;
  for (std::int64_t day = 19'990; day <= 20'000; ++day) sizes[day_bucket(day)] = 20;
  CHECK(buckets_beyond(sizes, 320).empty());
  CHECK(buckets_beyond(sizes, 319) == std::vector{day_bucket(19'990)});
  // The day 20,000 begins with the hour 480,000.
  CHECK(buckets_beyond(sizes, 119).size() == 11);
  CHECK(buckets_beyond(sizes, 109).back() == day_bucket(20'000));
  CHECK(buckets_beyond(sizes, 0).size() == sizes.size() - 1);
  CHECK(buckets_beyond(sizes, 0).back() == hour_bucket(480'008));

  CounterReach reach;
  reach.rise_to(20'000 * kDay);
  CHECK(reach.covers(day_bucket(19'600)));
  CHECK_FALSE(reach.covers(day_bucket(19'599)));
  CHECK(reach.covers(hour_bucket(480'000 - 192)));
  CHECK_FALSE(reach.covers(hour_bucket(480'000 - 193)));
  reach.rise_above(day_bucket(19'700));
  CHECK_FALSE(reach.covers(day_bucket(19'700)));
  reach.rise_to(19'000 * kDay);
  CHECK_FALSE(reach.covers(day_bucket(19'700)));
}

TEST_CASE_METHOD(CountersFixture, "stats says whether a flow fails more than before", "[counters]") {
  set(age(2 * kDay));
  for (int day = 0; day < 60; ++day) {
    for (int i = 0; i < 2; ++i)
      append("run" + std::to_string(day) + "." + std::to_string(i), "flow", day >= 30 && i == 0);
    pass(kDay);
    must(log_->sweep());
  }
  now_ -= kHour;
  const auto found = trend(*log_, "flow");
  must(found);
  REQUIRE(found->periods.size() == 5);
  CHECK(found->periods[0].name == "24h");
  CHECK(found->periods[0].counts.runs == Counted{1, 1, 0, 0});
  CHECK(found->periods[1].counts.runs == Counted{7, 7, 0, 0});
  CHECK(found->periods[2].counts.runs == Counted{30, 30, 0, 0});
  CHECK(found->periods[3].name == "30d before");
  CHECK(found->periods[3].counts.runs == Counted{60, 0, 0, 0});
  CHECK(found->periods[4].counts.runs == Counted{90, 30, 0, 0});
  CHECK(*found->runs_from > now_ - 3 * kDay);
  CHECK(*found->history.days_from == kStart / kDay * kDay);
}
