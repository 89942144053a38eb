// Paused runs: live state beside the history. A run that waits at a node is saved here, claimed by
// whoever resumes it, and completed when it has ended. log/FORMAT.md has how they are stored.
//
// They are no part of the history: nothing ages, caps or drops them. Every snapshot shows those of
// its moment; lists name them first, with the statuses `paused` and `running` (claimed).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "index/error.h"
#include "log/record.h"
#include "log/run.h"
#include "log/snapshot.h"

namespace runlog {

class Appender;
struct AppendResult;
struct LogState;

// A suspended run and the bytes that it borrows.
struct OwnedSuspendedRun {
  SuspendedRun run;
  std::unique_ptr<TextArena> arena;
};

// One paused run. It never changes: a claim or a new save makes another one.
struct PausedRun {
  // Persistent: never renumber.
  enum class State : std::uint8_t { kPaused = 1, kRunning = 2 };

  std::uint64_t number = 0;     // of its save; a later save has a higher one. A claim keeps it
  State state = State::kPaused;
  // One above the newest record of the log when it was saved. A terminal record of the run with
  // this sequence number or a higher one ends the pause; a lower one is of an earlier attempt.
  SequenceNumber sequence = 0;
  UnixMs saved_at = 0;
  std::string owner;            // who claimed it; empty while it is paused
  UnixMs claimed_at = 0;        // 0 while it is paused

  // What lists show and filter by, out of the suspended run and its context.
  std::string run_id, flow_name;
  std::uint64_t id_hash = 0;    // run_id_hash(run_id)
  std::optional<std::int64_t> flow_version;
  std::optional<std::string> node_id, correlation;
  std::optional<std::string> trigger_type, trigger_object, trigger_record_id;
  std::optional<std::string> user_id, organization_id;
  UnixMs started_at = 0;        // startedAt or startTime; saved_at where it has neither

  // The suspended run as JSON, one zstd frame if `is_compressed`.
  std::vector<std::byte> json;
  bool is_compressed = false;

  RunStatus status() const {
    return state == State::kRunning ? RunStatus::kRunning : RunStatus::kPaused;
  }
  // The suspended run as it was saved. Errors: Corruption.
  Expected<OwnedSuspendedRun> suspended() const;
};

using PausedRunPtr = std::shared_ptr<const PausedRun>;

// The entry of a run in a snapshot, or null.
PausedRunPtr find_paused(const Snapshot& snapshot, std::string_view run_id);

struct PausedListRequest {
  std::optional<std::string> flow, correlation;  // both must be met
  std::uint64_t before = 0;   // go on below this number; 0: from the newest save
  std::size_t limit = 100;    // at least 1
};

struct PausedPage {
  std::vector<PausedRunPtr> runs;  // the newest save first
  std::uint64_t next_before = 0;   // `before` of the next page; 0 when there is no more
};

struct ClaimResult {
  PausedRunPtr run;          // as it runs now; null when the claim was lost
  std::string lost_because;  // a sentence without its full stop, when it was lost
};

// All functions are thread-safe. What changes something returns when it is on disk, in every mode
// of durability; it fails with InvalidArgument when the log is open for reading only, Closed,
// DiskFull (nothing changed), OutcomeUnknown (a write or a sync failed: look, then do it again) or
// Corruption.
class PausedRuns {
 public:
  // `appender` is null for a log that is open for reading; `snapshot` gives the newest snapshot.
  // All must outlive this.
  PausedRuns(LogState& state, Appender* appender,
             std::function<Expected<std::shared_ptr<const Snapshot>>()> snapshot)
      : state_(state), appender_(appender), snapshot_(std::move(snapshot)) {}

  // Saves `run`, in the place of an entry that is there for the same run, claimed or not. It is
  // newer than every record that was appended before.
  // Errors: InvalidArgument (no run id or flow name, text that is not UTF-8 or not JSON where it must
  // be); TooLarge (a name over the limit of encode_run, or more than kMaxRunJsonBytes).
  Expected<void> save(const SuspendedRun& run);

  // Errors: NotFound; those of Log::snapshot().
  Expected<PausedRunPtr> load(std::string_view run_id);

  // Those that a new snapshot has. Runs that are saved while somebody pages do not come into the
  // later pages, and nothing comes twice.
  // Errors: InvalidArgument (limit 0); those of Log::snapshot().
  Expected<PausedPage> list(const PausedListRequest& request);

  // Takes the run for resuming: if it is paused, at this node and with this correlation (absent
  // equals absent alone), it runs from now on, and every other claim is lost until it is saved
  // again. `owner` (UTF-8, at most 1,024 bytes) is kept for whoever has to find out what became of
  // it. A run that is not there is lost too. Errors: TooLarge (the owner).
  Expected<ClaimResult> claim(std::string_view run_id, OptionalText node_id,
                              OptionalText correlation, std::string_view owner);

  // Removes the entry without a record. False: there was none.
  Expected<bool> erase(std::string_view run_id);

  // Appends the terminal record of a run and then removes its entry, paused or claimed, if there is
  // one. What a crash leaves between the two is finished on the next open. To repeat it is
  // harmless. Errors: those of Log::append. After an error the record may be there and its entry too:
  // repeat it, or the next open removes the entry.
  Expected<AppendResult> complete(const Run& run);

 private:
  LogState& state_;
  Appender* appender_;
  std::function<Expected<std::shared_ptr<const Snapshot>>()> snapshot_;
};

}  // namespace runlog
