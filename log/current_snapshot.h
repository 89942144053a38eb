// The newest snapshot of a log, and the only way in which it changes: a copy is edited and then
// published whole, so that a reader sees all of a change or nothing of it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
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

// Hides runs in a snapshot that is being edited: collects them by segment, so that each segment's
// dead set is copied once however many runs a commit hides.
class Hiding {
 public:
  explicit Hiding(Snapshot& snapshot) : snapshot_(snapshot) {}

  // Hides the run with this sequence number, if the snapshot holds it and it is visible. If its head
  // cannot be read, the counts go on including it, and the snapshot is marked as incomplete.
  void hide(SequenceNumber sequence);
  // Puts the new dead sets into the snapshot.
  void apply();

 private:
  struct Dead {
    OrdinalSet ordinals;
    FlowTable flows;
  };
  Snapshot& snapshot_;
  std::map<std::size_t, Dead> changed_;  // by position in snapshot_.segments
};

}  // namespace runlog
