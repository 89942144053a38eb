// A log: one tenant's history of terminal runs, kept in one directory. This is the header that an
// embedder includes; query/query.h asks questions of the snapshots that it gives.
//
//   auto log = runlog::Log::open("/var/lib/engine/history/acme");
//   if (!log) die(log.error().message);
//   auto result = (*log)->append(run);      // on disk when this returns
//
// One process writes a log at a time; others may open it for reading beside the writer. All
// functions are thread-safe unless they say otherwise. A Log must not be used across fork().
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "index/error.h"
#include "log/flow_history.h"
#include "log/forget.h"
#include "log/pin.h"
#include "log/record.h"
#include "log/retention_policy.h"
#include "log/run.h"
#include "log/snapshot.h"

namespace runlog {

class PausedRuns;

struct LogOptions {
  // kDurable: append returns after the commit is on disk. kInterval: append returns when the run is
  // queued, and one synced commit is made every `interval`; a crash loses what was not committed,
  // and so does a commit that fails: the next append, or close(), returns its error and stores
  // nothing, and everything since the last success should be appended again.
  enum class Durability { kDurable, kInterval };
  Durability durability = Durability::kDurable;
  std::chrono::milliseconds interval{20};

  // The active segment is closed and sealed at either limit. 64 MiB are about 300,000 runs, whose
  // index takes under 40 MB of memory while the segment is active.
  std::uint64_t segment_bytes = 64ull << 20;
  std::uint32_t segment_runs = 500'000;
  // Neighbouring sealed segments of like size are merged once there are so many of them.
  unsigned merge_fanout = 8;
  bool merge = true;
  // Learn a compression dictionary from the log's own payloads when that saves 10 % or more.
  bool train_dictionary = true;

  // What a new log keeps, 30 days or 100 runs a flow unless something else is asked for; one that
  // exists has its own policy, see Log::set_retention. RetentionPolicy() keeps everything.
  RetentionPolicy retention = RetentionPolicy::standard();
  // How often to hide what has expired and to give its space back, a year at most; 0: only
  // Log::sweep() does.
  std::chrono::milliseconds sweep_interval{60'000};
  // Where the time comes from, in milliseconds since 1970; empty: the system's clock. Called by
  // several threads.
  std::function<UnixMs()> now;

  RunLimits limits;
};

// What a sweep did, or would do. Of what each rule hid, a sweep that was done counts the runs alone.
struct SweepReport {
  struct Runs {
    std::uint64_t runs = 0;
    std::uint64_t bytes = 0;     // of their stored records
    std::uint64_t segments = 0;  // in which they stand
  };
  Runs by_cap, by_age, by_bytes;  // what each rule hides now, in this order
  Runs hidden_before;  // what was hidden already, superseded runs too, and still takes space
  std::uint64_t dropped_segments = 0, merged_segments = 0;
  std::uint64_t freed_bytes = 0, written_bytes = 0;  // of files; a dry run estimates
  std::uint64_t archived_runs = 0, archived_bytes = 0;  // of the archive's files; 0 in a dry run
  Runs stays;  // visible runs, the segments left, and the runs' share of these files
  UnixMs measured_at = 0;  // what ages are measured from
  // The clock jumped ahead and is not believed yet (see log/clock_guard.h): measured_at lies behind.
  bool clock_jumped = false;
};

struct BackupReport {
  std::uint64_t runs = 0;      // that are visible in the copy
  std::uint64_t segments = 0;
  std::uint64_t bytes = 0;     // of files
};
using BackupProgress = std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)>;

struct AppendResult {
  // kDuplicate: the same content is stored already, under `sequence`. kSuperseded: the run was
  // stored with other content, which `sequence` now replaces.
  enum class Outcome { kAppended, kDuplicate, kSuperseded };
  SequenceNumber sequence = 0;  // 0 in interval mode, where it is not known yet
  Outcome outcome = Outcome::kAppended;
};

// Runs that will be appended in one commit: all of them or none. Encodes in the caller's thread.
// Not thread-safe. Must not outlive its log.
class Batch {
 public:
  // Encodes and keeps `run`; its text may go afterwards. The batch is unchanged on failure.
  // Errors: InvalidArgument, TooLarge (see encode_run).
  Expected<void> add(const Run& run);
  std::size_t size() const { return runs_.size(); }

 private:
  friend class Log;
  Batch(NameTable* names, const Dictionaries* dictionaries, const RunLimits* limits)
      : names_(names), dictionaries_(dictionaries), limits_(limits) {}
  NameTable* names_;
  const Dictionaries* dictionaries_;
  const RunLimits* limits_;
  std::vector<EncodedRun> runs_;
};

struct SegmentInfo {
  std::uint64_t id = 0;
  std::string state;  // "active", "closed" (waits to be sealed), "sealed"
  std::uint64_t runs = 0;
  std::uint64_t hidden = 0;
  std::uint64_t file_bytes = 0;
  SequenceNumber first = 0, last = 0;
  UnixMs oldest = 0, newest = 0;  // recordedAt
};

struct LogInfo {
  std::filesystem::path directory;
  std::uint64_t log_id = 0;
  std::vector<SegmentInfo> segments;
  std::uint64_t runs = 0;    // visible
  std::uint64_t hidden = 0;  // superseded, or expired by the retention policy
  std::uint64_t bytes = 0;   // of these segments and the catalog; not of what was set aside
  std::uint64_t index_memory_bytes = 0;
  struct DictionaryInfo {
    std::uint32_t number = 0;
    std::uint64_t bytes = 0;
  };
  std::vector<DictionaryInfo> dictionaries;
  std::uint64_t names = 0;
  std::uint64_t paused = 0;  // paused and claimed runs
  bool incomplete = false;
  std::string archive;  // where runs go before their space is given back; empty: nowhere
  // Why the last attempt to archive runs failed, so that they and their space are still there; empty:
  // it did not. Tried again with every sweep.
  std::string archive_problem;
  // What keeps segments from being sealed or merged, which is tried again unless they are damaged;
  // empty: nothing does.
  std::string problem;
};

class Log {
 public:
  // Opens the log in `directory` for writing; creates it, and missing parents, if it is not there.
  // Recovers what a crash left. Errors: Busy (another process writes it: names the process; readers
  // are opening it; or this process has it open for reading: close that first); Corruption (names
  // the file and the check; `runlog verify --repair` mends or sets aside); DiskFull; IoError;
  // InvalidArgument (options out of range).
  static Expected<std::shared_ptr<Log>> open(const std::filesystem::path& directory,
                                             const LogOptions& options = {});

  // Opens the log for reading, beside a writer or without one. Every snapshot() looks for what the
  // writer has committed since. A sealed segment that is damaged is left out, and the snapshots are
  // incomplete. Errors: NotFound; Corruption; IoError (a reader must be able to write the lock.mdb
  // files, by which the writer knows of it, unless the file system is read-only).
  static Expected<std::shared_ptr<Log>> open_read_only(const std::filesystem::path& directory);

  // Finishes what is queued, stops the background work and lets another process write. The files
  // stay open and mapped until the Log and all its snapshots are gone, and snapshots stay readable.
  // Called by the destructor; explicitly, it reports the last commit's error.
  Expected<void> close();
  ~Log();

  // Appends one run, or all runs of a batch in one commit, and returns when they are on disk (in
  // interval mode: queued). The caller reads its own write afterwards.
  // Errors: those of encode_run; DiskFull (nothing was stored; try again when there is room);
  // OutcomeUnknown (a write or a sync failed: retry, it is idempotent); Corruption; Closed;
  // InvalidArgument (the log is open for reading only; the batch was made by another log).
  Expected<AppendResult> append(const Run& run);
  Expected<std::vector<AppendResult>> append(Batch batch);
  // The same without waiting: `done` is called once, from another thread or from this one, and must
  // not block; it may append_async again.
  void append_async(Batch batch, std::function<void(Expected<std::vector<AppendResult>>)> done);
  Batch make_batch() const;

  // What can be read now. Errors (only when open for reading): Corruption; IoError.
  Expected<std::shared_ptr<const Snapshot>> snapshot();

  // Per-flow counts of what is visible, and the snapshot that they are true for. It is marked as
  // incomplete, and so are later ones, when a damaged hidden run could not be left out.
  // Errors: Corruption.
  struct Flows {
    FlowTable table;
    std::shared_ptr<const Snapshot> snapshot;
  };
  Expected<Flows> flows();

  // What a flow did, or all flows together, hour by hour for 8 days and day by day for 400, also in
  // runs that are gone. A flow without any has an empty history. Errors: Corruption; IoError.
  Expected<FlowHistory> history(const std::optional<std::string>& flow = std::nullopt);

  // The runs that wait to be resumed. Lives as long as the log.
  PausedRuns& paused();

  LogInfo describe();

  // ---- retention: which runs are kept ----------------------------------------------------------
  // Functions that change something fail with InvalidArgument on a log that is open for reading.

  // The policy. Errors (only when open for reading): Corruption; IoError.
  Expected<RetentionPolicy> retention();
  // Replaces it; what it lets go is hidden when this returns, in every answer. A run that was hidden
  // never comes back. Errors: InvalidArgument (the policy makes no sense; says why); DiskFull;
  // IoError; Corruption; Closed. The old policy stays if the new one is refused or cannot be written;
  // otherwise the new one holds, and a sweep finishes what failed.
  Expected<void> set_retention(const RetentionPolicy& policy);
  // Hides what has expired by now and gives the space of hidden runs back; waits for both.
  // Errors: as wait_idle.
  Expected<SweepReport> sweep();
  // What sweep() would do, changing nothing. Also on a log that is open for reading.
  Expected<SweepReport> plan_sweep();
  // Hides what has expired by now, as a sweep does every LogOptions::sweep_interval, without giving
  // space back. Errors: as set_retention.
  Expected<void> hide_expired();
  // How many runs the policy has hidden since the log was opened, by rule.
  struct Hidden {
    std::uint64_t by_cap = 0, by_age = 0, by_bytes = 0;
    std::uint64_t total() const { return by_cap + by_age + by_bytes; }
  };
  Hidden hidden_by_retention();

  // Keeps a run from every rule, until a time or for ever; a pinned run counts for no cap. Pinning
  // again replaces reason and end. When the run is superseded, its new record is pinned.
  // Errors: NotFound (no such visible run); InvalidArgument (reason too long, end in the past);
  // DiskFull; IoError; Corruption; Closed.
  Expected<Pin> pin(std::string_view run_id, std::string_view reason,
                    std::optional<UnixMs> until = std::nullopt);
  // Lets the rules have it again, at once. Errors: NotFound (not pinned); as pin.
  Expected<void> unpin(std::string_view run_id);
  // Every pin, by run id. Errors: as retention().
  Expected<std::vector<Pin>> pins();

  // Copies the log as it is now into `directory`, which must not exist or be empty, while appends and
  // all else go on. The copy is a log of its own with the same identity: it has every run that was
  // acknowledged before the call, and of those acknowledged during it all up to some one. It is made
  // beside its place, as `directory`.partial, synced and opened once before it gets its name. Also on
  // a log that is open for reading. `progress` is called by this thread.
  // Errors: InvalidArgument (`directory` is not empty, or within the log); Busy (another backup goes
  // there; the log changes too fast); DiskFull; IoError; Corruption.
  Expected<BackupReport> backup(const std::filesystem::path& directory,
                                const BackupProgress& progress = {});

  // Removes runs for good, see log/forget.h: all that were appended, and all pauses that were saved,
  // before the call. Those of afterwards stay, also of the same runs. Readers that hold an older
  // snapshot keep what it maps. Appends and reads go on meanwhile; other calls, and what seals, merges
  // and sweeps, wait. What was begun is finished, if need be by the next open, even if this fails
  // (unless `info` says otherwise).
  // Errors: InvalidArgument (see ForgetRequest); Corruption (a segment that cannot be copied:
  // `runlog verify --repair`); ArchiveFailed (of other runs, which are removed with them); DiskFull;
  // IoError, OutcomeUnknown (repeat it); Closed.
  Expected<ForgetReport> forget(const ForgetRequest& request, const ForgetProgress& progress = {});
  // What forget() would remove, changing nothing. Also on a log that is open for reading.
  // Errors: InvalidArgument; Corruption; IoError.
  Expected<ForgetReport> plan_forget(const ForgetRequest& request);

  // Closes the active segment, so that it is sealed; waits until the background work has nothing
  // left to seal or to merge. For tests, benchmarks and before a copy. Errors: those of append.
  Expected<void> seal_now();
  // Waits until nothing is left to seal or merge, without closing the active segment.
  Expected<void> wait_idle();

 private:
  Log();
  void make_paused_runs();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace runlog
