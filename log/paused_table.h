// The paused runs of a log that is open for writing: keeps state/ and the current snapshot in step.
// Each change is on disk first and then in the snapshot.
//
// A terminal record ends a pause at the moment at which it is published, whoever appended it; the
// entry in state/ goes afterwards, and if the process dies before, on the next open.
//
// Lock order: mutex_, then the catalog's, then the current snapshot's.
#pragma once

#include <cstdint>
#include <mutex>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "index/error.h"
#include "log/active_segment.h"
#include "log/catalog.h"
#include "log/current_snapshot.h"
#include "log/paused_format.h"
#include "log/paused_set.h"

namespace runlog {

// What state/ has of paused runs.
struct StoredPausedRuns {
  PausedHeader header;
  std::vector<PausedRunPtr> runs;  // by number
};

// Reads it consistently; entries that `known` has in the same form are taken from there.
// Errors: Corruption (names the file and the entry); IoError.
Expected<StoredPausedRuns> read_paused_runs(const Catalog& catalog, const PausedSet* known);
// Only PausedHeader::changes. Errors: as above.
Expected<std::uint64_t> read_paused_changes(const Catalog& catalog);
// The newest save of each run, and into `older` what it replaces.
PausedSet set_of(std::span<const PausedRunPtr> runs, std::vector<PausedRunPtr>& older);

class PausedTable {
 public:
  PausedTable(const std::filesystem::path& log, Catalog& catalog) : log_(log), catalog_(catalog) {}

  // Reads the table into `snapshot`, which the log is about to begin with, and mends what a crash
  // left; entries with the numbers `forgotten` go. Call once, before anything else. Errors: Corruption;
  // IoError.
  Expected<void> open(Snapshot& snapshot, const std::vector<std::uint64_t>& forgotten);
  // From now on `current` is what changes.
  void follow(CurrentSnapshot& current) { current_ = &current; }

  // See PausedRuns. `run` has neither number nor sequence number yet.
  Expected<void> save(PausedRun run);
  Expected<ClaimResult> claim(std::string_view run_id, OptionalText node_id,
                              OptionalText correlation, std::string_view owner, UnixMs now);
  Expected<bool> erase(std::string_view run_id);
  // Removes the run's entry if it still is `number`. For a record that was there before.
  Expected<void> erase_number(std::string_view run_id, std::uint64_t number);
  // Removes these entries, of whatever runs they are. Numbers that are not there any more are no
  // error.
  Expected<void> erase_numbers(const std::vector<std::uint64_t>& numbers);
  // Removes from state/ what records have ended.
  Expected<void> remove_finished();
  bool has_finished() const;
  void close();

  // Ends the pauses of runs whose records are being published: takes them out of `next`.
  void end_pauses(Snapshot& next, std::span<const PendingRecord> records);
  // The same for all records from `from` on. Errors: Corruption; IoError (`next` stays as it was).
  Expected<void> end_pauses_from(Snapshot& next, SequenceNumber from);

 private:
  Expected<void> begin_change();
  Expected<void> write(std::span<const PausedRunPtr> put, std::vector<std::uint64_t> remove);
  Expected<void> store(std::span<const PausedRunPtr> put,
                       const std::vector<std::uint64_t>& remove);
  Expected<void> reload();
  Expected<bool> erase_run(const PausedRunPtr& run);
  PausedRunPtr find(std::string_view run_id) const;
  std::vector<std::uint64_t> take_finished_numbers();
  void note_finished(std::span<const PausedRunPtr> runs);

  const std::filesystem::path& log_;
  Catalog& catalog_;
  CurrentSnapshot* current_ = nullptr;

  std::mutex mutex_;  // one change at a time; guards what follows
  PausedHeader header_;
  std::set<std::uint64_t> stored_;  // numbers that are in state/
  bool needs_reload_ = false;       // a commit failed, and whether it took effect is not known
  bool closed_ = false;

  mutable std::mutex finished_mutex_;   // taken last
  std::vector<std::uint64_t> finished_;  // no longer in the snapshot, but in state/
};

}  // namespace runlog
