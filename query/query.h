// Questions to a log: which runs, how many, in which groups, how long. Every answer is exact over
// the whole snapshot: filters apply before limits, hidden runs never count.
//
// All functions are thread-safe; what they return borrows from `snapshot` where it says so.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "index/error.h"
#include "index/index.h"
#include "log/log.h"
#include "log/record.h"
#include "log/snapshot.h"

namespace runlog {

// Conditions that a run must all meet; within one field any of the values will do. Empty fields ask
// nothing. Times are inclusive on both ends. A run that says neither when it finished nor how long
// it took counts as finished when it was stored (recordedAt). A paused or running run meets no
// condition about its end: finish times, errors and labels.
struct Filter {
  std::vector<std::string> flows;
  std::vector<RunStatus> statuses;
  std::optional<std::string> trigger_type;
  std::optional<std::string> trigger_object;
  std::optional<std::string> trigger_record;  // record id; needs trigger_object
  std::optional<std::string> user;
  std::optional<std::string> organization;
  std::optional<std::string> failing_node;
  std::optional<std::string> error_code;      // the run's own, given or derived (derive_error)
  std::optional<std::string> fingerprint;     // as groups by kFingerprint name it
  // Substring of the whole error message, case-insensitive in every script; the empty text is in
  // every message.
  std::optional<std::string> error_text;
  std::optional<UnixMs> finished_from, finished_to;
  std::optional<UnixMs> started_from, started_to;
  std::vector<std::pair<std::string, std::string>> labels;  // all of them
};

struct ListRequest {
  Filter filter;
  Direction direction = Direction::kNewestFirst;
  std::string cursor;           // empty: from the start
  std::uint32_t limit = 20;     // 1–1000
  bool with_total = true;       // count all matches, not only this page
};

// A page of runs. Paused and running runs come first, in the order of their saves; then the history.
// A run that ended, was tried again and is paused now is in both. The heads borrow text from `snapshot` and `arena`.
struct ListResult {
  // See RunHead: run_id may point into the element itself. Live runs have sequence number 0.
  std::vector<RunHead> runs;
  bool has_more = false;
  std::string next_cursor;      // empty when there is no more
  std::uint64_t total = 0;      // with_total only
  bool incomplete = false;      // a quarantined or damaged segment could not be asked
  std::shared_ptr<const Snapshot> snapshot;
  std::unique_ptr<TextArena> arena;
};

// Errors: InvalidArgument (limit out of range; a cursor that is damaged, or belongs to another log or
// another filter; a record without its object); Corruption.
Expected<ListResult> list(std::shared_ptr<const Snapshot> snapshot, const ListRequest& request);

// How many runs match, live ones among them. Errors: as list.
Expected<std::uint64_t> count(const Snapshot& snapshot, const Filter& filter);

// A whole run by its id: as it waits, if it is paused or running (its correlation, when it was saved,
// and by whom and when it was claimed are unknown members then), else its record.
// Errors: NotFound; Corruption.
Expected<OwnedRun> get(std::shared_ptr<const Snapshot> snapshot, std::string_view run_id);

// The stored bytes of a run's record by its id, both checksums verified, copied into `out`.
// Returns the record's sequence number. Errors: NotFound; Corruption.
Expected<SequenceNumber> get_stored(const Snapshot& snapshot, std::string_view run_id,
                                    std::vector<std::byte>& out);

// Counts records by one property, largest group first; ties in the order of the names. Kinds: flow,
// status, trigger type, trigger object, record (of an object), user, organization, failing node,
// error code, fingerprint, label. `filter` narrows. Errors: InvalidArgument (kFlowStatus,
// kHasError); Corruption.
struct Group {
  std::string name;
  std::uint64_t count = 0;
  std::optional<std::string> object = {};  // kRecord only: the record's object, if the runs name it
};
Expected<std::vector<Group>> groups(const Snapshot& snapshot, TermKind by, const Filter& filter);

// What one flow, or all flows, did. From the flow tables; only last run and last failure read a head.
struct FlowStatistics {
  std::string flow;  // empty: the sum of all flows
  std::array<std::uint64_t, kRunStatusCount> runs{};  // by status
  // The middles of the histogram's buckets, within 6.25 % of the true percentiles; -1: no durations.
  std::int64_t p50_ms = -1, p95_ms = -1, p99_ms = -1;
  std::int64_t selected = 0, acted = 0, unmeasured = 0;
  std::uint64_t bytes = 0;
  std::optional<UnixMs> last_run, last_failure;  // finish times
  struct Hour {
    UnixMs start = 0;
    std::array<std::uint64_t, kRunStatusCount> runs{};
  };
  std::vector<Hour> by_hour;  // oldest first, hours without runs left out
};
// Without a name: the sum of all flows first, then every flow with a visible run, most runs first,
// ties in the order of the names. With one: that flow alone (NotFound if it has no visible run).
// "Last" means newest in the log's order, the one in which runs were appended: it goes back in time
// when old runs are appended late.
// Errors: those of Log::flows(); Corruption.
Expected<std::vector<FlowStatistics>> statistics(Log& log, const std::optional<std::string>& flow);

// Whether things get better or worse: what one flow, or all flows, did lately and before, counted with
// the runs that are gone.
struct FlowPeriod {
  // "24h" and "7d" end now and are whole hours, this one as far as it came; "30d" is this day in UTC
  // and the 29 before, "30d before" the 30 days before those, "400d" all days that are counted.
  std::string name;
  UnixMs from = 0, to = 0;  // below `to`
  FlowCounts counts;        // without bytes and hours
};
struct FlowTrend {
  std::vector<FlowPeriod> periods;   // in the order above; one for each, with or without runs
  FlowHistory history;               // says how far back counters reach
  std::optional<UnixMs> runs_from;   // since when the runs were stored that are there, of all flows
};
// Errors: those of Log::history(); Corruption.
Expected<FlowTrend> trend(Log& log, const std::optional<std::string>& flow);

}  // namespace runlog
