#include "log/log_follower.h"

#include "log/active_segment.h"
#include "log/log_open.h"

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
  Snapshot nothing;
  nothing.names = state.names;
  nothing.dictionaries = state.dictionaries;
  nothing.log_id = state.catalog->identity().log_id;
  state.current = std::make_unique<CurrentSnapshot>(std::move(nothing));
  if (auto loaded = follower->reload(); !loaded) return tl::unexpected(loaded.error());
  state.mode = OpenMode::kRead;  // a writer may come once no_writer is gone
  if (auto first = follower->refresh(); !first) return tl::unexpected(first.error());
  return follower;
}

Expected<void> LogFollower::reload() {
  Expected<void> result;
  for (int tries = 0; tries < kMaxTries; ++tries) {
    result = {};
    auto contents = state_.catalog->read();
    if (!contents) return tl::unexpected(contents.error());
    // Within an edit, because it folds what the writer has appended since.
    state_.current->change([&](Snapshot& next) {
      auto snapshot = open_segments(state_, *contents, &next);
      if (snapshot) {
        snapshot->paused = next.paused;
        next = std::move(*snapshot);
      } else {
        result = tl::unexpected(snapshot.error());
      }
    });
    if (result) {
      generation_ = contents->generation;
      return {};
    }
    const auto generation = state_.catalog->generation();
    if (!generation || *generation == contents->generation) return result;
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
      std::vector<SequenceNumber> hidden;
      result = segment.follow(*state_.names, *state_.dictionaries,
                              [&](SequenceNumber, SequenceNumber superseded) {
                                if (superseded != 0) hidden.push_back(superseded);
                              });
      if (!result) return;
      view.end = segment.index().count();
      next.end = segment.end();
      Hiding hiding(next);
      for (const SequenceNumber sequence : hidden) hiding.hide(sequence);
      hiding.apply();
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

Expected<std::shared_ptr<const Snapshot>> LogFollower::refresh() {
  std::lock_guard lock(mutex_);
  const auto paused_changed = read_paused();
  if (!paused_changed) return tl::unexpected(paused_changed.error());
  const auto generation = state_.catalog->generation();
  if (!generation) return tl::unexpected(generation.error());
  if (*generation != generation_)
    if (auto loaded = reload(); !loaded) return tl::unexpected(loaded.error());
  if (auto followed = follow_records(); !followed) return tl::unexpected(followed.error());
  if (auto shown = show_paused(*paused_changed); !shown) return tl::unexpected(shown.error());
  return state_.current->get();
}

}  // namespace runlog
