// Hides what the log's retention policy lets go, and remembers it: the policy, the pins, the hidden
// runs and how far they are known stand in state/. Giving the space back is log/sweep.h's.
//
// A cap holds at every moment: an append that brings a flow over it hides the flow's oldest run, and
// since doing the same appends again hides the same runs, it writes nothing. Ages and bytes are
// looked at now and then, and at every change of the policy or of a pin; what they hide is on disk
// before it takes effect.
//
// Publishing an append waits for the sync of such a change: which run a cap hides next depends on it,
// so that an append in between would hide a run that comes back after a crash, or show a flow with more
// runs than it may have. Nothing waits for persist(), which writes down what holds already.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index/error.h"
#include "log/clock_guard.h"
#include "log/expiry.h"
#include "log/flow_caps.h"
#include "log/pin.h"
#include "log/retention_policy.h"
#include "log/retention_state.h"

namespace runlog {

struct LogState;

// What became readable, in the order of sequence numbers.
struct NewRecord {
  SequenceNumber sequence = 0;
  SequenceNumber supersedes = 0;
  Symbol flow = 0;  // 0: its head says it
};

// How many runs each rule has hidden.
struct HiddenRuns {
  std::uint64_t by_cap = 0, by_age = 0, by_bytes = 0;
  std::uint64_t total() const { return by_cap + by_age + by_bytes; }
};

class Retention {
 public:
  explicit Retention(LogState& state) : state_(state) {}

  // Hides in a snapshot of freshly opened segments what is stored, what the records supersede and
  // what the caps hide since. Errors: Corruption; IoError.
  Expected<void> restore(Snapshot& snapshot, StoredRetention stored);

  // ---- inside of an edit of state.current -----------------------------------------------------

  // Whether take() needs every new record, or only those that supersede another.
  bool follows_every_record() const { return tracking_; }
  // Hides what new records supersede and what they bring over a cap. Errors: Corruption (what could
  // be hidden is).
  Expected<void> take(Snapshot& next, std::span<const NewRecord> records);

  // ---- from any thread ------------------------------------------------------------------------

  RetentionPolicy policy() const;
  std::vector<Pin> pins() const;
  // A consistent look for a dry run.
  struct View {
    std::shared_ptr<const Snapshot> snapshot;
    RetentionPolicy policy;
    PinnedRuns pinned;
    UnixMs now = 0;           // the time that ages are measured by
    bool clock_jumped = false;
  };
  View view();
  // `snapshot` as a reader should see it, whose writer may be gone or may not have looked for a
  // while: without what is too old by now. Errors: Corruption.
  Expected<std::shared_ptr<const Snapshot>> without_expired(
      std::shared_ptr<const Snapshot> snapshot);

  // Errors: InvalidArgument (see check_policy); DiskFull, IoError, Corruption; Closed. The old policy
  // stays if the new one is refused or cannot be written; otherwise a sweep finishes what it failed at.
  Expected<void> set_policy(const RetentionPolicy& policy);
  // Errors: NotFound (no such visible run); InvalidArgument (the reason is too long or no text, the
  // end has passed); as set_policy.
  Expected<Pin> pin(std::string_view run_id, std::string_view reason, std::optional<UnixMs> until);
  // Errors: NotFound (it is not pinned); as set_policy.
  Expected<void> unpin(std::string_view run_id);

  // Hides these records for good, whatever pins them, and writes down in the same commit that they
  // are to be removed: see log/forgetting.h. Errors: DiskFull; IoError; Corruption; Closed. After a
  // failure state/ may say so all the same.
  Expected<void> forget(const ForgottenRuns& forgotten);
  // They have been removed.
  void end_forget();
  // Whether a record that was found a while ago is to be forgotten, or gone already.
  bool is_forgotten(SequenceNumber sequence) const;

  // Hides what has expired by now, and what is over a cap because a change of the policy or of a pin
  // did not come to its effect. Errors: Corruption; DiskFull; IoError; Closed.
  Expected<void> expire();
  // Runs that the rules have hidden since the log was opened.
  HiddenRuns hidden() const;

  // Writes down which runs are hidden as of now, if that is not known yet: records that hide others,
  // or that caps were counted by, may go afterwards. Nothing is written for a log without retention
  // unless `always`. Errors: DiskFull; IoError.
  Expected<void> persist(bool always = false);
  // The runs of snapshot.segments[position] that are hidden because a rule hid them, and not because
  // another record replaced them.
  OrdinalSet expired_in(const Snapshot& snapshot, std::size_t position) const;
  // Says of hidden runs, or of runs that are about to be hidden, that no rule hid them, when no record
  // says so any more. state/ knows it after persist().
  void withhold(std::span<const SequenceNumber> sequences);
  // Why runs could not be archived, when they were last to be; empty: they could.
  std::string archive_problem() const;
  // Errors: DiskFull; IoError.
  Expected<void> note_archive_problem(const std::string& problem);
  // Segments between two sequence numbers were merged or dropped: what was hidden there need not be
  // remembered any more.
  void forget_between(SequenceNumber base, SequenceNumber end);
  // persist(); whatever would change state/ later fails with Closed. Errors: as persist.
  Expected<void> close();

 private:
  void withhold_one(SequenceNumber sequence);  // within an edit
  Expected<void> restore_records(Snapshot& snapshot, SequenceNumber from);
  Expected<void> start_tracking(const Snapshot& snapshot, SequenceNumber end);
  Expected<void> take_one(Snapshot& next, const NewRecord& record, Hiding& hiding);
  Expected<Symbol> flow_of(const Snapshot& snapshot, Hiding::Place place) const;
  Expected<bool> end_pins(UnixMs now);
  Expected<void> check_open() const;
  Expected<void> expire_locked(bool caps_too);
  Expected<void> persist_locked(bool always);
  struct Found;
  Expected<Found> find_expired(const Snapshot& snapshot, UnixMs now, bool caps_too);
  Expected<void> hide_found(Snapshot& next, const Found& found);
  struct Write;
  Write begin_write(const Snapshot& snapshot);
  Expected<void> write_out(const Snapshot& snapshot, Write& write, std::vector<StateEntry> more);
  void end_write(const Write& write, bool is_done);
  Expected<void> persist_edit(const Snapshot& next, std::vector<StateEntry> more = {});
  OrdinalSet hidden_in_chunk(const Snapshot& snapshot, std::uint64_t chunk) const;
  OrdinalSet records_in_chunk(const Snapshot& snapshot, std::uint64_t chunk) const;
  StateEntry pins_entry(std::uint64_t key) const;
  bool is_in_use() const;
  bool has_clock_moved() const;

  LogState& state_;

  // One change of policy or pins, or one look for what has expired, at a time. Taken before the
  // edit lock of state_.current, which guards everything below.
  mutable std::mutex mutex_;
  bool closed_ = false;

  RetentionPolicy policy_;
  ClockGuard clock_;
  std::map<std::string, Pin, std::less<>> pins_;
  PinnedRuns pinned_;
  bool tracking_ = false;  // caps_ counts, pins move
  FlowCaps caps_;
  std::vector<SequenceNumber> forgotten_;  // hidden, and to be removed from the files; ascending
  HiddenRuns hidden_;
  bool is_stored_ = false;                     // state/ has a mark
  ClockGuard stored_clock_;                    // as it says
  SequenceNumber hidden_to_ = 1;               // as the stored mark says
  std::set<std::uint64_t> changed_chunks_;     // of which state/ does not say what is true now
  std::set<std::uint64_t> stored_chunks_;      // that state/ has
  std::set<std::uint64_t> changed_pins_;       // keys, likewise
  std::map<std::uint64_t, OrdinalSet> withheld_;  // by chunk, as StoredRetention has it
  std::string archive_problem_;
};

}  // namespace runlog
