// Random lives of a log under retention policies, and what must be visible after each step, worked
// out run by run as log/retention_policy.h words it.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "log/log.h"
#include "log/retention_policy.h"

namespace runlog::faults {

struct RetentionStep {
  enum class Kind { kAppend, kSetPolicy, kPin, kUnpin, kSeal, kSweep, kForget };
  Kind kind = Kind::kAppend;
  UnixMs now = 0;  // of the clock, in this step and until the next one
  std::string run_id, flow;
  std::int64_t content = 0;  // makes a run of a known id another one
  RunStatus status = RunStatus::kCompleted;
  RetentionPolicy policy;
  std::optional<UnixMs> until;
};

// Runs by flow, day and status.
using CountedByDay =
    std::map<std::pair<std::string, UnixMs>, std::array<std::uint64_t, kRunStatusCount>>;

class RetentionModel {
 public:
  struct StoredRun {
    std::string run_id, flow;
    RunStatus status;
    std::int64_t content;
    UnixMs recorded_at;
    std::uint64_t bytes;
  };

  // `bytes` is what an appended record takes; it matters only under a maximum of bytes.
  void apply(const RetentionStep& step, std::uint64_t bytes = 0);
  // What opening a log does too: asks the rules at `now`.
  void look(UnixMs now);

  const std::vector<StoredRun>& visible() const { return visible_; }  // in the order of storing
  // Runs that rules have hidden, in the form of ids().
  const std::vector<std::string>& expired() const { return expired_; }
  const std::map<std::string, std::optional<UnixMs>>& pins() const { return pins_; }
  const RetentionPolicy& policy() const { return policy_; }
  UnixMs looked_at() const { return looked_at_; }
  std::uint64_t runs_made() const { return runs_made_; }
  friend bool operator==(const RetentionModel& a, const RetentionModel& b) {
    return a.ids() == b.ids() && a.pins_ == b.pins_ && a.policy_ == b.policy_;
  }
  std::vector<std::string> ids() const;  // of the visible runs, oldest first, with their contents
  // Of all runs that ever were, visible or not, each as it ended last.
  CountedByDay counted_by_day() const;

 private:
  bool counts(const StoredRun& run, const std::string& flow) const;
  void hide_beyond_cap(const std::string& flow);
  void hide_old(UnixMs now);
  void hide_beyond_bytes();

  struct Ending {
    std::string flow;
    UnixMs day = 0;
    RunStatus status = RunStatus::kCompleted;
  };
  std::map<std::string, Ending> endings_;  // by run id
  std::vector<StoredRun> visible_;
  std::vector<std::string> expired_;
  std::map<std::string, std::optional<UnixMs>> pins_;  // run id → until
  RetentionPolicy policy_;
  UnixMs looked_at_ = 0, last_recorded_at_ = 0;
  std::uint64_t runs_made_ = 0;
};

// The next step after those that `model` has seen. A model that has seen none begins at `start`.
// With `with_bytes`, some policies have a maximum of bytes.
RetentionStep next_retention_step(std::mt19937_64& random, const RetentionModel& model, UnixMs now,
                                  bool with_bytes);
// The first `steps` steps, without maxima of bytes.
std::vector<RetentionStep> plan_retention(std::uint64_t seed, std::size_t steps);

// Does it to a log whose clock says step.now.
Expected<void> perform(Log& log, const RetentionStep& step);

// Small segments, no sweep that was not asked for, a clock that says what `now` says. With an even
// `seed` only sweeps merge, so that more is left for them.
LogOptions retention_options(const UnixMs& now, std::uint64_t seed);

// What a log shows, in the form of RetentionModel::ids(). Errors: those of list.
Expected<std::vector<std::string>> visible_ids(Log& log);
// What its counters say, in the form of the model's. Errors: those of Log::history.
Expected<CountedByDay> counted_by_day(Log& log);
// Hidden runs that are still there. Errors: Corruption; IoError.
Expected<std::vector<std::string>> hidden_ids(Log& log);
// What the files of an archive hold. Errors: those of read_archive_file; InvalidArgument (a line).
Expected<std::vector<std::string>> archived_ids(const std::filesystem::path& archive);

}  // namespace runlog::faults
