// Power cuts: everything that a process wrote and synced is recorded, then the directory is rebuilt
// as it may have been found after a cut at each point, and the log is opened there.
#include <catch2/catch.hpp>

#include <numeric>
#include <vector>

#include "tests/faults/driver_run.h"
#include "tests/faults/replay.h"

using namespace runlog;
using namespace runlog::faults;

namespace {

struct Cuts {
  Loss loss = Loss::kNothing;
  std::size_t every = 1;   // look at every n-th operation
  std::size_t from = 0;    // the first operation to cut at
  unsigned seeds = 1;      // different losses at each
};

// Opens the log after a cut at many points of a recording; returns the first complaint with its
// place. A log that acknowledged nothing yet may also not be there.
std::string judge_cuts(const DriverRun& run, const DriverOptions& options, const Cuts& cuts) {
  Replay replay(read_journal(run.journal()));
  ExpectedRuns expected(options.seed, options.first_thread + options.threads, options.batches);
  std::size_t taken = 0;
  for (;; replay.advance()) {
    for (; taken < replay.acks().size(); ++taken) expected.take(replay.acks()[taken]);
    const std::size_t at = replay.position();
    for (unsigned i = 0; i < cuts.seeds && at >= cuts.from && at % cuts.every == 0; ++i) {
      replay.write(run.state(), cuts.loss, at * 131 + i);
      const std::string wrong = check_after_crash(run.state() / "log", expected);
      if (!wrong.empty())
        return "cut at " + std::to_string(at) + " of " + std::to_string(replay.size()) + ", loss " +
               std::to_string(i) + ", " +
               (at > 0 ? "after: " + to_text(replay.op(at - 1)) : std::string()) + ": " + wrong;
    }
    if (replay.position() == replay.size()) return "";
  }
}

}  // namespace

TEST_CASE("the replay of a whole journal is the log that the process left", "[faults]") {
  RUNLOG_NEEDS_SHIM();
  DriverRun run;
  DriverOptions options;
  options.threads = 2;
  options.batches = 40;
  options.more = {"seal"};
  REQUIRE(run.record(options).exit_code == 0);
  Replay replay(read_journal(run.journal()));
  while (replay.position() < replay.size()) replay.advance();
  replay.write(run.state(), Loss::kNothing, 0);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(run.log())) {
    if (!entry.is_regular_file() || entry.path().filename() == "lock.mdb") continue;
    const auto copy = run.state() / "log" / std::filesystem::relative(entry.path(), run.log());
    INFO(copy);
    std::ifstream left(entry.path(), std::ios::binary), right(copy, std::ios::binary);
    using Bytes = std::istreambuf_iterator<char>;
    CHECK(std::equal(Bytes(left), Bytes(), Bytes(right), Bytes()));
  }
}

TEST_CASE("a power cut at any point loses nothing acknowledged", "[faults]") {
  RUNLOG_NEEDS_SHIM();
  DriverRun run;
  DriverOptions options;
  options.threads = 2;
  options.batches = 40;
  options.more = {"seal"};
  REQUIRE(run.record(options).exit_code == 0);
  // The usual run looks at every seventh point for each kind of loss, a long one at all.
  const std::size_t every = test_rounds() > 1 ? 1 : 7;
  CHECK(judge_cuts(run, options, {Loss::kNothing, every}) == "");
  CHECK(judge_cuts(run, options, {Loss::kPages, every, 0, test_rounds()}) == "");
  CHECK(judge_cuts(run, options, {Loss::kSectors, every, 0, test_rounds()}) == "");
}

TEST_CASE("a power cut while a killed process's log is recovered loses nothing acknowledged",
          "[faults]") {
  RUNLOG_NEEDS_SHIM();
  // The first dozen operations make the log.
  std::vector<int> kills(12);
  std::iota(kills.begin(), kills.end(), 1);
  kills.insert(kills.end(), {60, 170, 290});
  for (const int killed_at : kills) {
    DriverRun run;
    DriverOptions options;
    options.batches = 60;
    options.environment[kShimKill] = std::to_string(killed_at);
    REQUIRE(run.record(options).killed());
    const std::size_t from = read_journal(run.journal()).size();
    // The second process appends to the same log with other threads' runs.
    options.environment.clear();
    options.first_thread = 1;
    options.batches = killed_at <= 12 ? 4 : 20;
    REQUIRE(run.record(options).exit_code == 0);
    options.batches = 60;
    INFO("killed before operation " << killed_at);
    CHECK(judge_cuts(run, options, {Loss::kPages, test_rounds() > 1 ? 1u : 3u, from, test_rounds()}) == "");
  }
}
