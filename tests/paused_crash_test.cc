// Real processes that die by SIGKILL while they save, claim and complete paused runs, at random
// moments and at named points. What returned must be there, what was under way may be.
#include <catch2/catch.hpp>

#include <algorithm>

#include "log/paused_runs.h"
#include "log/verify.h"
#include "query/query.h"
#include "tests/faults/crash.h"
#include "tests/faults/paused_plan.h"
#include "tests/faults/scenario.h"
#include "tests/faults/shim_support.h"
#include "tests/log_fixture.h"

using namespace runlog;
using namespace runlog::faults;

namespace {

constexpr std::size_t kSteps = 120;

PausedContent read_content(Log& log) {
  PausedContent content;
  PausedListRequest all;
  all.limit = 1000;
  const auto page = log.paused().list(all);
  must(page);
  for (const PausedRunPtr& run : page->runs)
    content.paused[run->run_id] = {run->flow_version.value_or(-1),
                                   run->state == PausedRun::State::kRunning};
  ListRequest request;
  for (unsigned i = 0; i < kRunStatusCount; ++i)
    request.filter.statuses.push_back(RunStatus(i));
  request.limit = 1000;
  const auto snapshot = log.snapshot();
  must(snapshot);
  const auto records = list(*snapshot, request);
  must(records);
  for (const RunHead& run : records->runs)
    content.records[std::string(run.run_id)] = run.flow_version.value_or(-1);
  return content;
}

// The log holds what the acknowledged steps left, or that and the step that was under way; after it
// was mended, it holds the same and verifies.
void check_content(const Crash& crash, std::uint64_t seed) {
  const auto steps = plan_paused(seed, kSteps);
  const std::size_t acknowledged = crash.acknowledged();
  PausedContent before;
  for (std::size_t i = 0; i < acknowledged; ++i) before.apply(steps[i]);
  PausedContent after = before;
  if (acknowledged < steps.size()) after.apply(steps[acknowledged]);

  PausedContent found;
  {
    auto log = Log::open_read_only(crash.log());
    if (log) {
      found = read_content(**log);
      CHECK((found == before || found == after));
    } else {
      CHECK(acknowledged == 0);  // killed before the log was made
    }
  }
  {
    const auto log = open_log(crash.log(), small_log_options());
    const PausedContent mended = read_content(*log);
    CHECK(mended == found);
    must(log->close());
  }
  const auto report = verify_log(crash.log());
  must(report);
  CHECK(report->damage.empty());
  const auto again = Log::open_read_only(crash.log());
  must(again);
  CHECK(read_content(**again) == found);
}

}  // namespace

TEST_CASE("a process killed at a named point of a pause loses nothing", "[faults]") {
#ifndef RUNLOG_KILL_POINTS
  WARN("skipped: this build has no kill points");
#else
  for (const char* name :
       {"paused.before_commit", "paused.after_commit", "paused.complete.before_append",
        "paused.complete.after_append", "paused.complete.after_removal", "commit.before_sync",
        "commit.after_sync", "append.before_acknowledge"})
    for (const int passage : {1, 2, 3, 5, 9, 20}) {
      const std::uint64_t seed = std::uint64_t(passage) * 7 + 1;
      const Crash crash(RUNLOG_PAUSED_DRIVER_PATH, kSteps);
      const auto ending =
          crash.start(seed, {{"RUNLOG_KILL_POINT", std::string(name) + ":" + std::to_string(passage)}})
              ->wait();
      INFO("kill point " << name << ", passage " << passage << ", " << ending.text() << ", "
                         << crash.acknowledged() << " steps acknowledged");
      CHECK(ending.killed());
      check_content(crash, seed);
    }
#endif
}

TEST_CASE("a process killed at random moments of pauses loses nothing", "[faults]") {
  std::mt19937_64 random(815);
  for (unsigned i = 0; i < 12 * test_rounds(); ++i) {
    const std::uint64_t seed = 1000 + i;
    const Crash crash(RUNLOG_PAUSED_DRIVER_PATH, kSteps);
    const auto driver = crash.start(seed, {});
    std::string line;
    for (auto wanted = random() % kSteps; wanted > 0 && driver->read_line(line);) --wanted;
    driver->kill();
    driver->wait();
    INFO("seed " << seed << ", " << crash.acknowledged() << " steps acknowledged");
    check_content(crash, seed);
  }
}
