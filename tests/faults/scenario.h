// What the append driver appends, so that a test can say what a log must hold after a crash: for
// each of the driver's threads a sequence of batches that its seed alone decides. Some runs come a
// second time unchanged, some come again with other content.
//
// Threads use run ids of their own, and each waits for one batch before it sends the next, so a
// thread's batches take effect in order and at most one of them is under way.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "log/log.h"
#include "log/record.h"

namespace runlog::faults {

// A run with its text. `content` decides everything but the id.
struct MadeRun {
  std::unique_ptr<TextArena> arena = std::make_unique<TextArena>();
  Run run;
};
MadeRun make_run(std::string_view run_id, std::uint64_t content);

struct PlannedAppend {
  std::string run_id;
  std::uint64_t content = 0;
};
using PlannedBatch = std::vector<PlannedAppend>;
std::vector<PlannedBatch> plan_batches(std::uint64_t seed, unsigned thread, std::size_t count);

// The visible runs: id → content.
using VisibleRuns = std::map<std::string, std::uint64_t>;

// Small segments and merges of few, so that a short scenario seals and merges often.
LogOptions small_log_options();

// The states in which a log may be found: what was acknowledged has taken effect, what was under way
// has or has not, and a batch is never cut.
class ExpectedRuns {
 public:
  // The driver ran with these; `acks` is its file of acknowledgements (see append_driver.cc) or
  // the lines of one.
  ExpectedRuns(std::uint64_t seed, unsigned threads, std::size_t batches);
  // Takes lines of the driver: "A thread batch" (acknowledged), "U thread batch" (given up, outcome
  // unknown); others are ignored. Throws std::runtime_error when they make no sense.
  void take(const std::string& lines);
  std::size_t acknowledged() const { return acknowledged_; }
  // Runs that were there before the driver started.
  void set_before(VisibleRuns before) { before_ = std::move(before); }

  // Empty if `found` is one of the states, else what is wrong with it.
  std::string judge(const VisibleRuns& found) const;

 private:
  struct Thread {
    std::vector<PlannedBatch> batches;
    std::size_t next = 0;
    std::set<VisibleRuns> possible;  // after the batches before `next`
  };
  std::vector<Thread> threads_;
  VisibleRuns before_;
  std::size_t acknowledged_ = 0;
};

// Every visible run of an open log, through list and get, with all that must hold among the answers:
// no id twice, totals and statistics that agree, contents as made. `wrong` says what does not.
struct FoundRuns {
  VisibleRuns runs;
  std::string wrong;
};
FoundRuns read_log(Log& log);

// Opens the log for writing as after a crash and checks it: it opens, holds one of the expected
// states, verifies clean, takes appends (a duplicate, a superseding one, a new one) and reads the same when
// it is opened again for reading. Returns what is wrong; empty if nothing is. `found`, if given,
// receives what the log holds at the end.
std::string check_after_crash(const std::filesystem::path& log, const ExpectedRuns& expected,
                              VisibleRuns* found = nullptr);

}  // namespace runlog::faults
