// The newest snapshot of a log, and the only way in which it changes: a copy is edited and then
// published whole, so that a reader sees all of a change or nothing of it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "index/error.h"
#include "index/index.h"
#include "index/ordinal_set.h"
#include "log/run.h"
#include "log/snapshot.h"

namespace runlog {

class CurrentSnapshot {
 public:
  explicit CurrentSnapshot(Snapshot first)
      : current_(std::make_shared<const Snapshot>(std::move(first))) {}

  std::shared_ptr<const Snapshot> get() const {
    std::lock_guard lock(pointer_mutex_);
    return current_;
  }

  // Calls `edit` with a copy of the snapshot, which is published afterwards. One edit at a time; an
  // active segment is folded inside of one, so that its flow table never runs ahead of what is
  // published (see with_edits_held).
  template <typename Edit>
  void change(Edit&& edit) {
    std::lock_guard lock(edit_mutex_);
    Snapshot next = *get();
    edit(next);
    auto published = std::make_shared<const Snapshot>(std::move(next));
    std::lock_guard pointer_lock(pointer_mutex_);
    current_.swap(published);
  }

  // Calls `look` with the snapshot while nothing can be folded or published.
  template <typename Look>
  auto with_edits_held(Look&& look) {
    std::lock_guard lock(edit_mutex_);
    return look(get());
  }

 private:
  std::mutex edit_mutex_;             // taken before pointer_mutex_
  mutable std::mutex pointer_mutex_;  // held for a pointer's copy only
  std::shared_ptr<const Snapshot> current_;
};

// Where a record stands in a snapshot.
struct SegmentPlace {
  std::size_t position = 0;  // in snapshot.segments
  Ordinal ordinal = 0;
};
// The place of the record with this sequence number; nullopt if it was merged away or dropped.
std::optional<SegmentPlace> find_sequence(const Snapshot& snapshot, SequenceNumber sequence);

// Hides runs in a snapshot that is being edited: collects them by segment, so that each segment's
// dead set is copied once however many runs a commit hides.
class Hiding {
 public:
  // Notes in `chunks` which chunks of the stored hidden set are no longer what the snapshot says
  // (see log/retention_state.h).
  Hiding(Snapshot& snapshot, std::set<std::uint64_t>& chunks)
      : snapshot_(snapshot), chunks_(chunks) {}

  using Place = SegmentPlace;
  std::optional<Place> find(SequenceNumber sequence) const {
    return find_sequence(snapshot_, sequence);
  }
  bool is_hidden(Place place) const;
  // Hides a run; false if it is hidden already.
  bool hide(Place place);
  // The same by sequence number; false also if there is no such record any more.
  bool hide(SequenceNumber sequence);
  // Puts the new dead sets into the snapshot.
  void apply();

 private:
  Snapshot& snapshot_;
  std::set<std::uint64_t>& chunks_;
  std::map<std::size_t, OrdinalSet> changed_;  // by position in snapshot_.segments
};

}  // namespace runlog
