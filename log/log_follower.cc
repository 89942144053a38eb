#include "log/log_follower.h"

#include "log/active_segment.h"

namespace runlog {
namespace {

// A merge may remove a segment between our reading of the catalog and our opening of the file: the
// catalog has moved on then, and is read again. So often at most.
constexpr int kMaxTries = 100;

}  // namespace

Expected<std::unique_ptr<LogFollower>> LogFollower::open(const std::filesystem::path& directory) {
  std::unique_ptr<LogFollower> follower(new LogFollower());
  LogState& state = follower->state_;
  state.directory = directory;
  // Without a writer the files stand still, and everything about them can be checked, as a writer
  // does when it opens them. With a writer that was done, and what is read is checked.
  const auto no_writer = WriterLock::keep_writers_out(directory / "LOCK");
  const bool never_written = !file_bytes(directory / "LOCK");
  state.mode = no_writer || never_written ? OpenMode::kReadAtRest : OpenMode::kRead;
  auto catalog = Catalog::open(directory, state.mode);
  if (!catalog) return tl::unexpected(catalog.error());
  state.catalog = std::move(*catalog);
  state.names = std::make_shared<NameTable>();
  state.dictionaries = std::make_shared<Dictionaries>();
  state.retention = std::make_unique<Retention>(state);
  state.counters = std::make_unique<Counters>(state);
  Snapshot nothing;
  nothing.names = state.names;
  nothing.dictionaries = state.dictionaries;
  nothing.log_id = state.catalog->identity().log_id;
  state.current = std::make_unique<CurrentSnapshot>(std::move(nothing));
  if (auto loaded = follower->reload(); !loaded) return tl::unexpected(loaded.error());
  state.mode = OpenMode::kRead;  // a writer may come once no_writer is gone
  if (auto first = follower->follow(); !first) return tl::unexpected(first.error());
  return follower;
}

Expected<void> LogFollower::reload(bool afresh) {
  Expected<void> result;
  auto damaged = DamagedSegments::kRefuse;
  for (int tries = 0; tries < kMaxTries; ++tries) {
    auto contents = state_.catalog->read();
    if (!contents) return tl::unexpected(contents.error());
    result = load(*contents, damaged, afresh);
    const auto generation = state_.catalog->generation();
    if (!generation) return tl::unexpected(generation.error());
    if (*generation != contents->generation) {
      damaged = DamagedSegments::kRefuse;
    } else if (result) {
      generation_ = contents->generation;
      return {};
    } else if (!afresh && result.error().code == ErrorCode::Corruption) {
      afresh = true;
    } else if (damaged == DamagedSegments::kRefuse) {
      damaged = DamagedSegments::kLeaveOut;  // nobody removed it: it is damaged
    } else {
      return result;
    }
  }
  return result;
}

// Names that no record used any more may have got other symbols since, which only a table that is
// read `afresh` can hold.
Expected<void> LogFollower::load(const Catalog::Contents& contents, DamagedSegments damaged,
                                 bool afresh) {
  auto stored = load_retention(*state_.catalog);
  if (!stored) return tl::unexpected(stored.error());
  const auto names = state_.names;
  const auto dictionaries = state_.dictionaries;
  if (afresh) {
    state_.names = std::make_shared<NameTable>();
    state_.dictionaries = std::make_shared<Dictionaries>();
  }
  Expected<void> result;
  // Within an edit, because it folds what the writer has appended since.
  state_.current->change([&](Snapshot& next) {
    auto snapshot = open_segments(state_, contents, afresh ? nullptr : &next, damaged);
    if (!snapshot) {
      result = tl::unexpected(snapshot.error());
      return;
    }
    // Worked out anew, from what the writer has written down.
    for (SegmentView& view : snapshot->segments) view.dead = nullptr;
    result = state_.retention->restore(*snapshot, std::move(*stored));
    snapshot->paused = next.paused;
    snapshot->incomplete = snapshot->incomplete || next.incomplete;
    if (result) next = std::move(*snapshot);
  });
  if (!result) {
    state_.names = names;
    state_.dictionaries = dictionaries;
  }
  return result;
}

Expected<void> LogFollower::follow_records() {
  Expected<void> result;
  state_.current->change([&](Snapshot& next) {
    for (SegmentView& view : next.segments) {
      if (view.segment->environment() == nullptr) continue;
      // Only this function, under mutex_, ever folds into a follower's segments.
      auto& segment =
          const_cast<ActiveSegment&>(static_cast<const ActiveSegment&>(*view.segment));
      std::vector<NewRecord> records;
      result = segment.follow(*state_.names, *state_.dictionaries,
                              [&](SequenceNumber sequence, SequenceNumber superseded) {
                                records.push_back({sequence, superseded, 0});
                              });
      if (!result) return;
      view.end = segment.index().count();
      next.end = segment.end();
      if (auto done = state_.retention->take(next, records); !done) result = done;
    }
  });
  return result;
}

Expected<bool> LogFollower::read_paused() {
  const auto changes = read_paused_changes(*state_.catalog);
  if (!changes) return tl::unexpected(changes.error());
  if (*changes == paused_changes_) return false;
  auto found = read_paused_runs(*state_.catalog, &paused_);
  if (!found) return tl::unexpected(found.error());
  std::vector<PausedRunPtr> older;
  paused_ = set_of(found->runs, older);
  paused_changes_ = found->header.changes;
  return true;
}

// Takes what state/ had before the records were followed: a run that ended in between is seen as
// ended. The other way round it would be seen neither paused nor ended.
Expected<void> LogFollower::show_paused(bool has_changed) {
  const auto now = state_.current->get();
  if (!has_changed && (!now->paused || now->end == paused_checked_end_)) return {};
  Expected<void> result;
  state_.current->change([&](Snapshot& next) {
    if (has_changed) set_paused(next, paused_);
    const auto ended = take_finished(next, has_changed ? 0 : paused_checked_end_);
    if (ended) {
      paused_checked_end_ = next.end;
    } else {
      result = tl::unexpected(ended.error());
      paused_changes_.reset();  // the next look begins anew
    }
  });
  return result;
}

Expected<void> LogFollower::follow() {
  std::lock_guard lock(mutex_);
  bool has_begun_afresh = false;
  for (int tries = 1;; ++tries) {
    if (!state_.catalog->is_current())
      if (auto followed = state_.catalog->follow_rewrite(); !followed) return followed;
    auto done = look();
    if (done || tries == kMaxTries) return done;
    if (!state_.catalog->is_current()) continue;
    if (done.error().code != ErrorCode::Corruption || has_begun_afresh) return done;
    has_begun_afresh = true;
    if (auto loaded = reload(true); !loaded) return loaded;
  }
}

Expected<void> LogFollower::look() {
  const auto paused_changed = read_paused();
  if (!paused_changed) return tl::unexpected(paused_changed.error());
  const auto generation = state_.catalog->generation();
  if (!generation) return tl::unexpected(generation.error());
  if (*generation != generation_)
    if (auto loaded = reload(); !loaded) return tl::unexpected(loaded.error());
  // Records that were taken under rules that have just changed are taken again.
  for (int tries = 0; tries < kMaxTries; ++tries) {
    if (auto followed = follow_records(); !followed) return tl::unexpected(followed.error());
    const auto now = state_.catalog->generation();
    if (!now) return tl::unexpected(now.error());
    if (*now == generation_) break;
    if (auto loaded = reload(); !loaded) return tl::unexpected(loaded.error());
  }
  return show_paused(*paused_changed);
}

Expected<std::shared_ptr<const Snapshot>> LogFollower::refresh() {
  if (auto followed = follow(); !followed) return tl::unexpected(followed.error());
  return state_.retention->without_expired(state_.current->get());
}

}  // namespace runlog
