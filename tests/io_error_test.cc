// A disk that refuses a write, a sync or a directory entry, once or from then on, at each place of a
// short scenario.
#include <catch2/catch.hpp>

#include <algorithm>

#include "log/verify.h"
#include "tests/faults/driver_run.h"
#include "tests/faults/replay.h"

using namespace runlog;
using namespace runlog::faults;

namespace {

bool was_injected(const DriverRun& run) {
  const auto ops = read_journal(run.journal());
  return std::any_of(ops.begin(), ops.end(), [](const Op& op) { return op.injected; });
}

DriverOptions scenario(const char* option) {
  DriverOptions options;
  options.batches = 40;
  options.more = {option, "seal"};
  return options;
}

// Runs the scenario with the n-th operation of a class refused. False when the scenario has no so
// many operations.
bool run_refused(const DriverRun& run, DriverOptions options, const char* which, int nth,
                 const char* with, int times, Ending* how = nullptr) {
  options.environment = {{which, std::to_string(nth)},
                         {kShimFailWith, with},
                         {kShimFailTimes, std::to_string(times)}};
  const Ending ending = run.record(options);
  INFO(ending.text() << "\n" << run.ack_lines());
  CHECK(ending.signal == 0);
  if (how != nullptr) *how = ending;
  return was_injected(run);
}

std::string judge(const DriverRun& run, const DriverOptions& options) {
  ExpectedRuns expected(options.seed, options.threads, options.batches);
  expected.take(run.ack_lines());
  return check_after_crash(run.log(), expected);
}

void refuse_each(const char* with, int times, int step) {
  RUNLOG_NEEDS_SHIM();
  for (const char* which : {kShimFailWrite, kShimFailSync, kShimFailEntry})
    for (int nth = 1;; nth += step) {
      DriverRun run;
      const DriverOptions options = scenario("keep-trying");
      INFO(which << "=" << nth << " with " << with << ", " << times << " times");
      Ending ending;
      if (!run_refused(run, options, which, nth, with, times, &ending)) break;
      // A log that went on to seal everything has left nothing lying about, unless the clean-up was
      // refused as well.
      if (ending.exit_code == 0 && times == 1) {
        const auto report = verify_log(run.log());
        REQUIRE(report);
        CHECK(report->notes == std::vector<std::string>());
      }
      CHECK(judge(run, options) == "");
      const bool opened = run.ack_lines().find("E open") == std::string::npos;
      // One refusal must not stop the log for good: it heals itself, and goes on.
      if (times == 1 && opened)
        CHECK(run.ack_lines().find("A 0 " + std::to_string(options.batches - 1)) !=
              std::string::npos);
    }
}

}  // namespace

TEST_CASE("one refused write, sync or entry is survived, wherever it comes", "[faults]") {
  refuse_each("EIO", 1, test_rounds() > 1 ? 1 : 5);
}

TEST_CASE("a write that is cut short by a full disk is survived, wherever it comes", "[faults]") {
  refuse_each("SHORT", 2, test_rounds() > 1 ? 1 : 11);
}

TEST_CASE("a disk that refuses everything from some point on loses nothing acknowledged",
          "[faults]") {
  refuse_each("EIO", 0, test_rounds() > 1 ? 1 : 23);
  refuse_each("ENOSPC", 0, test_rounds() > 1 ? 1 : 23);
}

TEST_CASE("a refused commit is reported, and the error names the file", "[faults]") {
  RUNLOG_NEEDS_SHIM();
  for (const char* which : {kShimFailWrite, kShimFailSync}) {
    unsigned reported = 0;
    for (int nth = 20; nth < 40; ++nth) {
      DriverRun run;
      REQUIRE(run_refused(run, scenario("keep-trying"), which, nth, "EIO", 1));
      const std::string lines = run.ack_lines();
      const std::size_t at = lines.find("E 0 ");
      if (at == std::string::npos) continue;
      ++reported;
      INFO(lines.substr(at, 300));
      CHECK(lines.substr(at, lines.find('\n', at) - at).find("data.mdb") != std::string::npos);
    }
    CHECK(reported >= 5);
  }
}

// After a failed sync the pages count as clean, so what a later sync promises does not cover them;
// and a synchronous write that failed may be on the disk all the same. The log must not build on
// either, which only a power cut after it went on can show.
TEST_CASE("what is acknowledged after a refused operation survives a power cut", "[faults]") {
  RUNLOG_NEEDS_SHIM();
  for (const char* which : {kShimFailSync, kShimFailWrite})
    for (int nth = 3; nth < 60; nth += test_rounds() > 1 ? 1 : 9) {
      DriverRun run;
      DriverOptions options = scenario("give-up");
      options.batches = 25;
      if (!run_refused(run, options, which, nth, "EIO", 1)) break;
      Replay replay(read_journal(run.journal()));
      ExpectedRuns expected(options.seed, options.threads, options.batches);
      std::size_t taken = 0;
      std::string wrong;
      std::size_t since = 0;
      for (; wrong.empty() && replay.position() < replay.size() && since < 40; replay.advance()) {
        for (; taken < replay.acks().size(); ++taken) expected.take(replay.acks()[taken]);
        if (since == 0 && !replay.op(replay.position()).injected) continue;
        ++since;
        for (unsigned seed = 0; wrong.empty() && seed < 3; ++seed) {
          replay.write(run.state(), Loss::kPages, seed);
          wrong = check_after_crash(run.state() / "log", expected);
        }
      }
      INFO(which << "=" << nth << ", cut at " << replay.position() << "\n" << run.ack_lines());
      CHECK(wrong == "");
    }
}
