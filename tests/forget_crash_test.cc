// Real processes that die by SIGKILL while they forget runs. What had begun is finished by the next
// open, what had not has changed nothing, and what nobody was told of leaves no bytes either.
#include <catch2/catch.hpp>

#include <algorithm>
#include <random>

#include "log/verify.h"
#include "query/query.h"
#include "tests/faults/crash.h"
#include "tests/faults/forget_plan.h"
#include "tests/file_traces.h"
#include "tests/log_fixture.h"

using namespace runlog;
using namespace runlog::faults;

namespace {

constexpr int kRounds = 5;

std::set<std::string> visible_in(Log& log) {
  const auto snapshot = log.snapshot();
  must(snapshot);
  ListRequest request;
  request.limit = 1000;
  const auto page = list(*snapshot, request);
  must(page);
  std::set<std::string> ids;
  for (const RunHead& run : page->runs) ids.emplace(run.run_id);
  return ids;
}

std::size_t marked_of(const std::set<std::string>& ids, int round) {
  std::size_t found = 0;
  for (int i = 0; i < kMarkedPerRound; ++i) found += ids.count(marked_id(round, i));
  return found;
}

void check_after(const Crash& crash) {
  const int begun = int(crash.acknowledged()) / 2;  // the round that was under way
  const bool was_forgetting = crash.acknowledged() % 2 == 1;
  auto log = open_log(crash.log(), forget_options());
  const auto at_once = visible_in(*log);
  must(log->wait_idle());
  auto ids = visible_in(*log);
  CHECK(ids == at_once);
  for (int round = 0; round < begun; ++round) {
    CHECK(files_with(crash.log(), trace_of(round)) == std::set<std::string>());
    for (int i = 0; i < kOthersPerRound; ++i) CHECK(ids.count(other_id(round, i)) == 1);
  }
  const bool is_paused = log->paused().load(paused_id(begun)).has_value();
  const std::size_t marked = marked_of(ids, begun);
  if (was_forgetting) {
    // Finished or undone.
    CHECK((marked == 0 || marked == std::size_t(kMarkedPerRound)));
    CHECK(is_paused == (marked != 0));
    CHECK(log->pins()->size() == (marked == 0 ? 0 : 1));
    if (marked == 0)
      CHECK(files_with(crash.log(), trace_of(begun)) == std::set<std::string>());
  }
  // Also bytes of commits that were under way, which belong to no run.
  if (begun < kRounds) must(log->forget(forget_user(user_of(begun))));
  CHECK(files_with(crash.log(), trace_of(begun)) == std::set<std::string>());
  ids = visible_in(*log);
  log.reset();
  const auto report = verify_log(crash.log());
  must(report);
  CHECK(report->damage == std::vector<std::string>());
  CHECK(report->notes == std::vector<std::string>());
  CHECK(visible_in(*open_log(crash.log(), forget_options())) == ids);
}

}  // namespace

TEST_CASE("a process killed at a named point of a forget leaves it finished or undone",
          "[forget][faults]") {
#ifndef RUNLOG_KILL_POINTS
  WARN("skipped: this build has no kill points");
#else
  for (const char* name :
       {"forget.after_hiding", "forget.after_segment", "forget.before_state", "merge.after_input",
        "merge.before_swap", "merge.after_swap", "merge.before_forget", "retention.before_merge",
        "forget.before_exchange", "forget.after_exchange", "catalog.before_commit",
        "catalog.after_commit", "paused.before_commit", "commit.before_sync"}) {
    const Crash crash(RUNLOG_FORGET_DRIVER_PATH, kRounds);
    const auto ending = crash.start(1, {{"RUNLOG_KILL_POINT", std::string(name) + ":3"}})->wait();
    INFO("kill point " << name << ", " << ending.text() << ", " << crash.acknowledged()
                       << " acknowledged");
    CHECK(ending.killed());
    check_after(crash);
  }
#endif
}

TEST_CASE("a process killed at random while it forgets leaves it finished or undone",
          "[forget][faults]") {
  std::mt19937_64 random(1848);
  for (unsigned i = 0; i < 6 * test_rounds(); ++i) {
    const Crash crash(RUNLOG_FORGET_DRIVER_PATH, kRounds);
    const auto driver = crash.start(1, {});
    std::string line;
    for (auto wanted = 1 + random() % (6 * kRounds); wanted > 0 && driver->read_line(line);) --wanted;
    // Somewhere in what comes next.
    for (auto turns = random() % 3'000'000; turns > 0; --turns) __asm__ volatile("");
    driver->kill();
    driver->wait();
    INFO("life " << i << ", " << crash.acknowledged() << " acknowledged");
    check_after(crash);
  }
}
