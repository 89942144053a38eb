// Sweeps give the space of hidden runs back, and say before what they would do.
#include "log/sweep.h"

#include <random>

#include "log/verify.h"
#include "tests/cli_process.h"
#include "tests/retention_fixture.h"

using namespace runlog;

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

namespace {

// A run whose message takes so many bytes, and does not compress well.
void append_long(Log& log, const std::string& id, UnixMs now, std::size_t bytes) {
  std::mt19937_64 random(bytes + id.size());
  std::string message;
  while (message.size() < bytes) message += char('0' + random() % 75);
  SampleRun run(id, "long");
  run.started(now - 120).failed(message);
  must(log.append(run.run()));
}

std::uint64_t sealed_bytes(Log& log) {
  std::uint64_t bytes = 0;
  for (const SegmentInfo& segment : log.describe().segments)
    if (segment.state == "sealed") bytes += segment.file_bytes;
  return bytes;
}

}  // namespace

TEST_CASE_METHOD(RetentionFixture, "a few large runs that are hidden give their space back") {
  options_.segment_runs = 50;
  reopen();
  for (int i = 0; i < 200; ++i) {
    append("flow" + std::to_string(i));
    if (i % 10 == 0) append_long(*log_, "long" + std::to_string(i), now_, 60'000);
  }
  must(log_->seal_now());
  const std::uint64_t before = sealed_bytes(*log_);
  RetentionPolicy policy;
  policy.flows["long"].max_per_flow = 1;
  set(policy);
  const auto planned = log_->plan_sweep();
  const auto swept = log_->sweep();
  must(swept);
  CHECK(swept->merged_segments > 0);
  CHECK(planned->merged_segments == swept->merged_segments);
  // 19 of 20 runs of 60 kB went.
  CHECK(sealed_bytes(*log_) * 2 < before);
  CHECK(visible().size() == 201);
}

TEST_CASE_METHOD(RetentionFixture, "many small runs that are hidden beside large ones cost no merge") {
  options_.segment_runs = 55;
  options_.merge = false;
  reopen();
  for (int i = 0; i < 200; ++i) {
    append("flow" + std::to_string(i));
    if (i % 10 == 0) append_long(*log_, "long" + std::to_string(i), now_, 60'000);
  }
  must(log_->seal_now());
  RetentionPolicy policy;
  policy.flows["flow"].max_per_flow = 1;
  set(policy);
  const auto planned = log_->plan_sweep();
  const auto swept = log_->sweep();
  must(swept);
  CHECK(planned->merged_segments == 0);
  CHECK(swept->merged_segments == 0);
  CHECK(visible().size() == 21);
}
