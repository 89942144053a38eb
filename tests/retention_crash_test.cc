// Real processes that die by SIGKILL while policies change, runs expire, and segments are dropped and
// merged. What returned must be there, and what was under way is finished or undone.
#include <catch2/catch.hpp>

#include <algorithm>
#include <string_view>

#include "log/verify.h"
#include "tests/faults/crash.h"
#include "tests/faults/retention_plan.h"
#include "tests/faults/shim_support.h"
#include "tests/archive_check.h"
#include "tests/log_fixture.h"

using namespace runlog;
using namespace runlog::faults;

namespace {

constexpr std::size_t kSteps = 400;

std::vector<std::string> found_in(Log& log) {
  const auto ids = visible_ids(log);
  must(ids);
  return *ids;
}

// Opens the log at the time of the step that was under way: it shows what the acknowledged steps
// left, or that and this step, each as a look at that time leaves it; and so it stays.
void check_after(const Crash& crash, std::uint64_t seed) {
  const auto steps = plan_retention(seed, kSteps);
  const std::size_t acknowledged = crash.acknowledged();
  RetentionModel before;
  for (std::size_t i = 0; i < acknowledged; ++i) before.apply(steps[i]);
  RetentionModel after = before;
  if (acknowledged < steps.size()) after.apply(steps[acknowledged]);
  UnixMs now = steps[std::min(acknowledged, steps.size() - 1)].now;
  before.look(now);
  after.look(now);

  std::vector<std::string> found;
  {
    const auto log = open_log(crash.log(), retention_options(now, seed));
    found = found_in(*log);
    const bool is_before = found == before.ids(), is_after = found == after.ids();
    if (!is_before && !is_after) CHECK(found == before.ids());
    auto policy = log->retention();
    must(policy);
    policy->archive.clear();  // which the plan knows nothing of
    CHECK((*policy == before.policy() || *policy == after.policy()));
    const auto pins = log->pins();
    must(pins);
    const auto counted = counted_by_day(*log);
    must(counted);
    CHECK((*counted == before.counted_by_day() || *counted == after.counted_by_day()));
    CHECK((pins->size() == before.pins().size() || pins->size() == after.pins().size()));
    must(log->sweep());
    CHECK(found_in(*log) == found);
    check_archive(*log, crash.log().string() + "-archive",
                  (is_before ? before : after).expired(), true);
  }
  {
    const auto reader = Log::open_read_only(crash.log());
    must(reader);
    CHECK(found_in(**reader) == found);
  }
  const auto report = verify_log(crash.log());
  must(report);
  CHECK(report->damage == std::vector<std::string>());
  // What the catalog names is all that is there.
  CHECK(report->notes == std::vector<std::string>());
}

}  // namespace

TEST_CASE("a process killed at a named point of a sweep leaves it finished or undone", "[faults]") {
#ifndef RUNLOG_KILL_POINTS
  WARN("skipped: this build has no kill points");
#else
  for (const char* name :
       {"retention.after_expiry", "retention.after_policy", "retention.before_drop",
        "retention.after_drop", "retention.mid_drop", "retention.before_merge", "merge.after_input",
        "merge.before_swap", "merge.after_swap", "merge.before_forget", "archive.before_sync",
        "archive.before_rename", "archive.before_manifest", "archive.after_manifest",
        "append.before_acknowledge", "counters.before_commit", "counters.after_commit"})
    for (const int passage : {1, 3}) {
      const bool is_of_sweep = std::string_view(name).substr(0, 9) == "retention";
      const std::uint64_t seed = std::uint64_t(passage) * 14 + (is_of_sweep ? 0 : 1);
      const Crash crash(RUNLOG_RETENTION_DRIVER_PATH, kSteps);
      const auto ending =
          crash.start(seed, {{"RUNLOG_KILL_POINT", std::string(name) + ":" + std::to_string(passage)}})
              ->wait();
      INFO("kill point " << name << ", passage " << passage << ", " << ending.text() << ", "
                         << crash.acknowledged() << " steps acknowledged");
      CHECK(ending.killed());
      check_after(crash, seed);
    }
#endif
}

TEST_CASE("a process killed at random moments of a log's life under retention loses nothing",
          "[faults]") {
  std::mt19937_64 random(4712);
  for (unsigned i = 0; i < 8 * test_rounds(); ++i) {
    const std::uint64_t seed = 2000 + i;
    const Crash crash(RUNLOG_RETENTION_DRIVER_PATH, kSteps);
    const auto driver = crash.start(seed, {});
    std::string line;
    for (auto wanted = 1 + random() % kSteps; wanted > 0 && driver->read_line(line);) --wanted;
    driver->kill();
    driver->wait();
    INFO("seed " << seed << ", " << crash.acknowledged() << " steps acknowledged");
    check_after(crash, seed);
  }
}
