#include "log/maintenance.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "log/active_segment.h"
#include "log/forgetting.h"
#include "log/learning.h"
#include "log/log_open.h"
#include "log/merge.h"
#include "log/seal.h"
#include "log/sealed_segment.h"

namespace runlog {
namespace {

void learn_from(LogState& state, const Segment& sealed) {
  const auto snapshot = state.current->get();
  for (std::size_t i = 0; i < snapshot->segments.size(); ++i)
    if (snapshot->segments[i].segment.get() == &sealed) learn_dictionary(state, *snapshot, i);
}

// The oldest closed segment with an id that is not in `except`, or null.
const SegmentView* oldest_closed(const Snapshot& snapshot, std::span<const std::uint64_t> except) {
  for (const SegmentView& view : std::span(snapshot.segments).first(snapshot.segments.size() - 1))
    if (view.segment->environment() != nullptr &&
        std::find(except.begin(), except.end(), view.segment->id()) == except.end())
      return &view;
  return nullptr;
}

Expected<void> seal(LogState& state, const std::shared_ptr<const Segment>& closed) {
  // A closed segment is nobody's to change any more but the maintenance's.
  auto& segment = const_cast<ActiveSegment&>(static_cast<const ActiveSegment&>(*closed));
  auto entry = seal_segment(segment, state.catalog->identity().log_id, segment.supersedes());
  if (!entry) {
    // Readers still need the segment, and LMDB refuses everything after a failed commit.
    (void)segment.heal();
    return tl::unexpected(entry.error());
  }
  auto sealed = SealedSegment::open(state.directory, *entry, state.catalog->identity().log_id,
                                    *state.names, *state.dictionaries);
  if (!sealed) return tl::unexpected(sealed.error());
  if (auto changed = state.catalog->change(std::span(&*entry, 1)); !changed)
    return tl::unexpected(changed.error());
  state.current->change([&](Snapshot& next) {
    for (SegmentView& view : next.segments)
      if (view.segment == closed) view.segment = *sealed;
  });
  if (state.options.train_dictionary) learn_from(state, **sealed);
  return {};
}

}  // namespace

Maintenance::Maintenance(LogState& state) : state_(state) {
  thread_ = std::thread([this] { run(); });
}

void Maintenance::stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !busy_; });  // with alone()
}

void Maintenance::wake() {
  {
    std::lock_guard lock(mutex_);
    wanted_ = true;
  }
  changed_.notify_all();
}

Expected<void> Maintenance::wait_idle() {
  std::unique_lock lock(mutex_);
  wanted_ = true;
  changed_.notify_all();
  changed_.wait(lock, [&] { return stop_ || (!wanted_ && !busy_); });
  if (stop_) return fail(ErrorCode::Closed, "the log is closed");
  if (const auto known = problem_locked()) return tl::unexpected(*known);
  return {};
}

std::optional<Error> Maintenance::problem() const {
  std::lock_guard lock(mutex_);
  return problem_locked();
}

Expected<Reclaimed> Maintenance::sweep() {
  std::unique_lock lock(mutex_);
  const Reclaimed before = reclaimed_;
  wanted_ = sweep_wanted_ = true;
  changed_.notify_all();
  changed_.wait(lock, [&] { return stop_ || (!sweep_wanted_ && !wanted_ && !busy_); });
  if (stop_) return fail(ErrorCode::Closed, "the log is closed");
  if (const auto known = problem_locked()) return tl::unexpected(*known);
  if (archive_error_) return tl::unexpected(*archive_error_);
  Reclaimed done = reclaimed_;
  done -= before;
  return done;
}

Expected<void> Maintenance::alone(
    const std::function<Expected<void>(const std::atomic<bool>& stop)>& work) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stop_ || !busy_; });
  if (stop_) return fail(ErrorCode::Closed, "the log is closed");
  busy_ = true;
  const bool after_failure = error_.has_value();
  lock.unlock();
  auto done = after_failure ? catch_up(state_) : Expected<void>();
  if (done) done = work(stop_);
  if (!done)
    done = tl::unexpected(explain_write_failure(done.error(), state_.directory));
  lock.lock();
  busy_ = false;
  if (!done) {
    error_ = done.error();
    wanted_ = true;
  }
  changed_.notify_all();
  return done;
}

void Maintenance::run() {
  using Clock = std::chrono::steady_clock;
  const auto interval = state_.options.sweep_interval;
  auto next_sweep = interval.count() == 0 ? Clock::time_point::max() : Clock::now() + interval;
  bool is_sweep_left = false;  // by a round that failed
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto has_work = [&] { return stop_ || wanted_; };
    auto until = next_sweep;
    // What failed, for want of room perhaps, is tried again after a while.
    if (error_) until = std::min(until, Clock::now() + std::chrono::seconds(5));
    if (until == Clock::time_point::max())
      changed_.wait(lock, has_work);
    else
      changed_.wait_until(lock, until, has_work);
    changed_.wait(lock, [&] { return stop_ || !busy_; });
    if (stop_) return;
    const bool sweep = sweep_wanted_ || is_sweep_left || Clock::now() >= next_sweep;
    if (Clock::now() >= next_sweep) next_sweep = Clock::now() + interval;
    wanted_ = sweep_wanted_ = false;
    busy_ = true;
    const bool after_failure = error_.has_value();
    lock.unlock();
    auto done = round(after_failure, sweep);
    is_sweep_left = sweep && !done;
    lock.lock();
    busy_ = false;
    error_ = done ? std::nullopt
                  : std::optional(explain_write_failure(done.error(), state_.directory));
    changed_.notify_all();
  }
}

Expected<void> Maintenance::round(bool after_failure, bool sweep) {
  // Sealing and merging start from what the catalog says; a merge's output that it does not name as
  // sealed goes here.
  if (after_failure)
    if (auto done = catch_up(state_); !done) return done;
  if (auto removed = state_.paused->remove_finished(); !removed) return removed;
  if (sweep)
    if (auto expired = state_.retention->expire(); !expired) return expired;
  Expected<void> done = seal_and_merge();
  // What keeps a forget from its end keeps nothing else from being done.
  const auto forgot = done ? finish_forgetting() : Expected<void>();
  // Its last change of the catalog may have taken effect all the same.
  if (!forgot) done = catch_up(state_);
  if (done && sweep) done = give_back();
  // Sparse segments that became small ones of like size.
  if (done && sweep) done = seal_and_merge();
  if (done) done = forgot;
  return pass_over_archive(std::move(done), sweep);
}

// Without its archive a log goes on as it is: nothing is merged or dropped before the next sweep.
Expected<void> Maintenance::pass_over_archive(Expected<void> done, bool sweep) {
  const bool failed = !done && done.error().code == ErrorCode::ArchiveFailed;
  if (!failed && !(done && sweep)) return done;
  {
    std::lock_guard lock(mutex_);
    archive_error_ = failed ? std::optional(done.error()) : std::nullopt;
  }
  return state_.retention->note_archive_problem(failed ? done.error().message : "");
}

// Drops and merges what has expired.
Expected<void> Maintenance::give_back() {
  while (!stop_) {
    Reclaimed done;
    auto result = pass_over_damage(drop_dead_segments(state_, damaged_, stop_, done), {});
    const auto snapshot = state_.current->get();
    const auto choice = result ? choose_sparse(*snapshot, damaged_) : std::nullopt;
    if (choice)
      result = pass_over_damage(
          merge_sparse(state_, *choice, stop_, done),
          std::span(snapshot->segments).subspan(choice->first, choice->count));
    {
      std::lock_guard lock(mutex_);
      reclaimed_ += done;
    }
    if (!result) return result;
    if (!choice) break;
  }
  return state_.retention->persist();
}

// Errors: as problem(); ArchiveFailed, after which there is nothing left to seal.
Expected<void> Maintenance::seal_and_merge() {
  const auto nothing_left = [&](bool has_sealed) {
    // Whoever asks what flows did folds only what came since.
    return has_sealed ? state_.counters->persist() : Expected<void>();
  };
  for (bool has_sealed = false;;) {
    if (stop_) return {};
    const auto snapshot = state_.current->get();
    Expected<void> done;
    if (const SegmentView* const closed = oldest_closed(*snapshot, damaged_)) {
      done = pass_over_damage(seal(state_, closed->segment), std::span(closed, 1));
      // After a crash only records that are newer are taken once more.
      if (done) done = state_.retention->persist();
      has_sealed = true;
    } else {
      if (!state_.options.merge) return nothing_left(has_sealed);
      const auto choice = choose_merge(*snapshot, state_.options, damaged_);
      if (!choice) return nothing_left(has_sealed);
      Reclaimed reclaimed;
      done = pass_over_damage(merge_segments(state_, *choice, stop_, reclaimed.archived),
                              std::span(snapshot->segments).subspan(choice->first, choice->count));
      std::lock_guard lock(mutex_);
      reclaimed_ += reclaimed;
    }
    if (!done) return done;
  }
}

// Of a forget that failed, or of a process that died.
Expected<void> Maintenance::finish_forgetting() {
  if (!state_.is_forgetting) return {};
  ForgetReport ignored;
  auto done = forget_found(state_, {}, stop_, ignored, {});
  if (done || done.error().code != ErrorCode::Corruption) return done;
  // It would fail again each time: the next open tries again.
  state_.is_forgetting = false;
  std::lock_guard lock(mutex_);
  damage_ = done.error();
  return {};
}

Expected<void> Maintenance::pass_over_damage(Expected<void> done,
                                             std::span<const SegmentView> segments) {
  if (done || done.error().code != ErrorCode::Corruption) return done;
  for (const SegmentView& view : segments) damaged_.push_back(view.segment->id());
  std::lock_guard lock(mutex_);
  damage_ = done.error();
  return {};
}

}  // namespace runlog
