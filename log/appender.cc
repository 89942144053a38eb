#include "log/appender.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "log/commit_counters.h"
#include "log/kill_point.h"

namespace runlog {
namespace {

// A run's place in the index is fetched so many runs before it is looked up.
constexpr std::size_t kLookAhead = 8;

Expected<void> read_run_id(const EncodedRun& run, SequenceNumber sequence, std::string& run_id) {
  const auto head = HeadView::open(run.bytes, sequence);
  if (!head) return tl::unexpected(head.error());
  run_id.clear();
  head->append_run_id(run_id);
  return {};
}

Error closed_error() { return {ErrorCode::Closed, "the log is closed"}; }

std::chrono::milliseconds commit_interval(const LogOptions& options) {
  return options.durability == LogOptions::Durability::kInterval ? options.interval
                                                                 : std::chrono::milliseconds(0);
}

}  // namespace

Appender::Appender(LogState& state, std::shared_ptr<ActiveSegment> active, UnixMs last_recorded_at,
                   std::function<void()> wake_maintenance)
    : state_(state),
      wake_maintenance_(std::move(wake_maintenance)),
      active_(std::move(active)),
      last_recorded_at_(last_recorded_at),
      committer_([this](std::span<CommitRequest* const> group) { commit_group(group); },
                 commit_interval(state.options)) {}

// ---- in the appenders' threads ---------------------------------------------------------------

Expected<bool> Appender::same_content(std::span<const std::byte> stored,
                                      SequenceNumber stored_sequence,
                                      std::span<const std::byte> record,
                                      SequenceNumber sequence) const {
  TextArena stored_arena, arena;
  Run stored_run, run;
  auto decoded = decode_run(stored, stored_sequence, *state_.names, state_.dictionaries.get(),
                            stored_arena, stored_run);
  if (decoded)
    decoded = decode_run(record, sequence, *state_.names, state_.dictionaries.get(), arena, run);
  if (!decoded) return tl::unexpected(decoded.error());
  return stored_run == run;
}

// Searches everything but the active segment, so that the committing thread need not.
Expected<void> Appender::look_up(CommitRequest& request) const {
  const auto snapshot = state_.current->get();
  request.searched_end = snapshot->segments.back().segment->base();
  request.known.resize(request.runs.size());
  if (snapshot->segments.size() == 1) return {};
  Snapshot sealed = *snapshot;
  sealed.segments.pop_back();
  RecordReader reader(sealed);
  std::string run_id;
  for (std::size_t i = 0; i < request.runs.size(); ++i) {
    EncodedRun& run = request.runs[i];
    // The head can be read once it is finished; the committing thread finishes it again.
    finish_record(run.bytes, 1, 0, 0);
    if (auto read = read_run_id(run, 1, run_id); !read) return read;
    auto place = find_record_from(sealed, reader, run_id, run.id_hash, 0);
    if (!place) return tl::unexpected(place.error());
    if (!*place) continue;
    auto stored = reader.read((*place)->segment, (*place)->ordinal);
    if (!stored) return tl::unexpected(stored.error());
    auto same = same_content(*stored, (*place)->sequence, run.bytes, 1);
    if (!same)
      return tl::unexpected(
          reader.with_place(same.error(), (*place)->segment, (*place)->ordinal));
    request.known[i] = {(*place)->sequence, *same};
  }
  return {};
}

Expected<std::vector<AppendResult>> Appender::append(std::vector<EncodedRun> runs) {
  if (state_.options.durability == LogOptions::Durability::kInterval) {
    {
      std::lock_guard lock(interval_mutex_);
      if (interval_error_) return tl::unexpected(*std::exchange(interval_error_, std::nullopt));
    }
    const std::size_t count = runs.size();
    auto request = std::make_unique<CommitRequest>();
    request->runs = std::move(runs);
    request->done = [this](Expected<std::vector<AppendResult>> done) {
      if (done) return;
      std::lock_guard lock(interval_mutex_);
      interval_error_ = done.error();
    };
    // What keeps the runs out of the queue is told to their own caller, not to the next one.
    if (auto queued = queue(request); !queued) return tl::unexpected(queued.error());
    return std::vector<AppendResult>(count);
  }
  return append_and_wait(std::move(runs));
}

Expected<std::vector<AppendResult>> Appender::append_and_wait(std::vector<EncodedRun> runs) {
  CommitRequest request;
  request.runs = std::move(runs);
  if (auto looked_up = look_up(request); !looked_up) return tl::unexpected(looked_up.error());
  if (!committer_.commit(request)) return tl::unexpected(closed_error());
  if (request.error) return tl::unexpected(std::move(*request.error));
  return std::move(request.results);
}

void Appender::append_async(std::vector<EncodedRun> runs,
                            std::function<void(Expected<std::vector<AppendResult>>)> done) {
  auto request = std::make_unique<CommitRequest>();
  request->runs = std::move(runs);
  request->done = std::move(done);
  if (auto queued = queue(request); !queued) request->done(tl::unexpected(queued.error()));
}

Expected<void> Appender::queue(std::unique_ptr<CommitRequest>& request) {
  if (auto looked_up = look_up(*request); !looked_up) return looked_up;
  if (!committer_.submit(request)) return tl::unexpected(closed_error());
  return {};
}

Expected<void> Appender::close() {
  committer_.close();
  {
    std::lock_guard roll_lock(roll_mutex_);
    // Without the mark the next open looks closer, and nothing is lost. Once only: another process
    // may write from here on.
    if (!closed_ && !needs_mending_) (void)active_->mark_closed();
    closed_ = true;
  }
  std::lock_guard lock(interval_mutex_);
  if (interval_error_) return tl::unexpected(*std::exchange(interval_error_, std::nullopt));
  return {};
}

// ---- what a group is about to store ----------------------------------------------------------

void PendingIds::clear() {
  slots_.assign(std::max<std::size_t>(slots_.size(), 64), Slot());
  used_ = 0;
}

void PendingIds::put(std::uint64_t hash, std::size_t position) {
  if (2 * (used_ + 1) > slots_.size()) {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.position != 0) place(slot);
  }
  place({hash, std::uint32_t(position + 1)});
  ++used_;
}

void PendingIds::place(const Slot& slot) {
  std::size_t at = slot.hash & (slots_.size() - 1);
  while (slots_[at].position != 0) at = (at + 1) & (slots_.size() - 1);
  slots_[at] = slot;
}

std::vector<std::size_t> PendingIds::newest_first(std::uint64_t hash) const {
  std::vector<std::size_t> positions;
  for (std::size_t at = hash & (slots_.size() - 1); slots_[at].position != 0;
       at = (at + 1) & (slots_.size() - 1))
    if (slots_[at].hash == hash) positions.push_back(slots_[at].position - 1);
  std::sort(positions.rbegin(), positions.rend());
  return positions;
}

// ---- in the committing thread ----------------------------------------------------------------

void Appender::commit_group(std::span<CommitRequest* const> group) {
  std::lock_guard roll_lock(roll_mutex_);
  const auto commit_all = [&]() -> Expected<void> {
    if (needs_mending_)
      if (auto mended = mend(); !mended) return mended;
    if (next_ || is_full())
      if (auto rolled = roll(); !rolled) return rolled;
    if (auto decided = decide_all(group); !decided) return decided;
    if (pending_.empty()) return {};
    // Whatever ends this early, be it an exception, leaves something to mend.
    needs_mending_ = true;
    if (auto written = active_->commit(pending_, *state_.names, *state_.dictionaries); !written)
      return written;
    commit_counters().add(pending_.size());
    publish();
    needs_mending_ = false;
    return {};
  };
  auto done = commit_all();
  if (state_.paused->has_finished()) wake_maintenance_();
  if (done) return;
  commit_counters().failed.fetch_add(1, std::memory_order_relaxed);
  const Error error = explain_write_failure(done.error(), state_.directory);
  for (CommitRequest* const request : group) request->error = error;
  // Mend at once, so that readers go on; if that fails too, the next commit tries again.
  if (needs_mending_) (void)mend();
}

Expected<void> Appender::decide_all(std::span<CommitRequest* const> group) {
  pending_.clear();
  hidden_.clear();
  pending_ids_.clear();
  const auto snapshot = state_.current->get();
  RecordReader reader(*snapshot);
  const UnixMs now = state_.now();
  for (CommitRequest* const request : group) {
    std::size_t first_unsearched = snapshot->segments.size() - 1;
    while (first_unsearched > 0 &&
           snapshot->segments[first_unsearched].segment->base() > request->searched_end)
      --first_unsearched;
    request->results.clear();
    request->results.reserve(request->runs.size());
    for (std::size_t i = 0; i < request->runs.size(); ++i) {
      if (i + kLookAhead < request->runs.size())
        active_->index().prefetch_id(request->runs[i + kLookAhead].id_hash);
      auto result = decide(request->runs[i], request->known[i], now,
                           {*snapshot, reader, first_unsearched});
      if (!result) return tl::unexpected(result.error());
      request->results.push_back(*result);
    }
  }
  return {};
}

Expected<AppendResult> Appender::decide(EncodedRun& run, KnownRun known, UnixMs now,
                                        const Unsearched& unsearched) {
  using Outcome = AppendResult::Outcome;
  const SequenceNumber sequence = active_->end() + pending_.size();
  // recordedAt: the finish time, but never before the previous run's and never after now.
  const UnixMs recorded_at =
      std::max(std::min(run.finished_at.value_or(now), now), last_recorded_at_);
  finish_record(run.bytes, sequence, recorded_at, 0);

  auto newer = find_in_group(run, sequence);
  if (newer && !*newer) newer = find_newer(run, sequence, unsearched);
  if (!newer) return tl::unexpected(newer.error());
  if (*newer) known = **newer;
  // What a forget removes is stored anew.
  if (known.same_content && state_.retention->is_forgotten(known.sequence))
    known.same_content = false;
  if (known.sequence != 0 && known.same_content)
    return AppendResult{known.sequence, Outcome::kDuplicate};

  last_recorded_at_ = recorded_at;
  pending_ids_.put(run.id_hash, pending_.size());
  pending_.push_back({&run, sequence});
  if (known.sequence == 0) return AppendResult{sequence, Outcome::kAppended};
  finish_record(run.bytes, sequence, recorded_at, known.sequence);
  hidden_.push_back(known.sequence);
  return AppendResult{sequence, Outcome::kSuperseded};
}

// The newest record of the same run that this group is about to store.
Expected<std::optional<KnownRun>> Appender::find_in_group(const EncodedRun& run,
                                                          SequenceNumber sequence) const {
  std::string run_id;
  for (const std::size_t position : pending_ids_.newest_first(run.id_hash)) {
    if (run_id.empty())
      if (auto read = read_run_id(run, sequence, run_id); !read)
        return tl::unexpected(read.error());
    const PendingRecord& earlier = pending_[position];
    const auto head = HeadView::open(earlier.run->bytes, earlier.sequence);
    if (!head || !head->run_id_is(run_id)) continue;
    auto same = same_content(earlier.run->bytes, earlier.sequence, run.bytes, sequence);
    if (!same) return tl::unexpected(same.error());
    return std::optional(KnownRun{earlier.sequence, *same});
  }
  return std::optional<KnownRun>();
}

// The visible record of the same run among what was committed since the caller searched.
Expected<std::optional<KnownRun>> Appender::find_newer(const EncodedRun& run,
                                                       SequenceNumber sequence,
                                                       const Unsearched& unsearched) const {
  const Snapshot& snapshot = unsearched.snapshot;
  std::size_t candidates = 0;
  for (std::size_t s = unsearched.first_segment; s < snapshot.segments.size(); ++s) {
    std::array<Ordinal, 1> one;
    const SegmentView& view = snapshot.segments[s];
    auto count = view.index().find_id(run.id_hash, view.end, one);
    if (!count) return tl::unexpected(count.error());
    candidates += *count;
  }
  if (candidates == 0) return std::optional<KnownRun>();

  std::string run_id;
  if (auto read = read_run_id(run, sequence, run_id); !read) return tl::unexpected(read.error());
  RecordReader& reader = unsearched.reader;
  auto place = find_record_from(snapshot, reader, run_id, run.id_hash, unsearched.first_segment);
  if (!place) return tl::unexpected(place.error());
  if (!*place) return std::optional<KnownRun>();
  auto stored = reader.read((*place)->segment, (*place)->ordinal);
  if (!stored) return tl::unexpected(stored.error());
  auto same = same_content(*stored, (*place)->sequence, run.bytes, sequence);
  if (!same)
    return tl::unexpected(reader.with_place(same.error(), (*place)->segment, (*place)->ordinal));
  return std::optional(KnownRun{(*place)->sequence, *same});
}

// What retention has to know of the pending records.
std::span<const NewRecord> Appender::new_records() {
  new_records_.clear();
  if (state_.retention->follows_every_record()) {
    for (const PendingRecord& record : pending_) {
      const auto head = HeadView::open(record.run->bytes, record.sequence);
      new_records_.push_back({record.sequence, head->supersedes(), head->flow()});
    }
  } else {
    for (const SequenceNumber hidden : hidden_) new_records_.push_back({0, hidden, 0});
  }
  return new_records_;
}

// Folds what was committed and lets readers see it, together with what it hides.
void Appender::publish() {
  state_.current->change([&](Snapshot& next) {
    active_->fold(pending_);
    next.segments.back().end = active_->index().count();
    next.end = active_->end();
    (void)state_.retention->take(next, new_records());
    state_.paused->end_pauses(next, pending_);
  });
  kill_point("append.before_acknowledge");
}

// After a failed commit nobody knows what is on disk: look, and make it certain.
Expected<void> Appender::mend() {
  if (auto healed = active_->heal(); !healed) return healed;
  Expected<void> result;
  state_.current->change([&](Snapshot& next) {
    std::vector<NewRecord> records;
    result = active_->follow(*state_.names, *state_.dictionaries,
                             [&](SequenceNumber sequence, SequenceNumber superseded) {
                               records.push_back({sequence, superseded, 0});
                             });
    const SequenceNumber known_end = next.end;
    next.segments.back().end = active_->index().count();
    next.end = active_->end();
    (void)state_.retention->take(next, records);
    if (auto done = state_.paused->end_pauses_from(next, known_end); !done) result = done;
  });
  if (!result) return result;
  needs_mending_ = false;
  last_recorded_at_ = std::max(last_recorded_at_, active_->newest());
  return {};
}

bool Appender::is_full() const {
  // A reader that stands still keeps pages from being used again. Half of the map is for sealing.
  return active_->used_bytes() >= state_.options.segment_bytes ||
         active_->index().count() >= state_.options.segment_runs ||
         active_->env().file_bytes_used() >= active_->env().map_bytes() / 2;
}

// Makes the segment that the log moves on to. What could not be made complete must not pile up; if
// the disk is too full even to remove it, the next open does.
Expected<void> Appender::make_next() {
  const SequenceNumber base = active_->end();
  auto id = state_.catalog->begin_segment(base);
  if (!id) return tl::unexpected(id.error());
  auto created = ActiveSegment::create(state_.directory, state_.header_of(*id, base),
                                       state_.segment_map_bytes(), false);
  if (!created) {
    if (remove_directory(segment_directory(state_.directory, *id)))
      (void)state_.catalog->change({}, std::span(&*id, 1));
    return tl::unexpected(created.error());
  }
  next_ = std::move(*created);
  return {};
}

Expected<void> Appender::roll() {
  if (!next_)
    if (auto made = make_next(); !made) return made;
  kill_point("roll.before_catalog");
  // One without records has nothing to seal, and the next one the same base.
  const bool is_empty = active_->index().count() == 0;
  CatalogEntry entries[2];
  entries[0].state = is_empty ? SegmentState::kDropped : SegmentState::kClosed;
  entries[0].id = active_->id();
  entries[0].base = active_->base();
  entries[1].state = SegmentState::kActive;
  entries[1].id = next_->id();
  entries[1].base = next_->base();
  // If this fails it may have taken effect all the same: nothing may be appended to the old segment
  // any more, and the next commit tries again. next_ says so.
  if (auto changed = state_.catalog->change(entries); !changed) return changed;
  state_.current->change([&](Snapshot& next) {
    SegmentView view;
    view.segment = next_;
    if (is_empty) next.segments.pop_back();
    next.segments.push_back(std::move(view));
  });
  active_ = std::move(next_);
  wake_maintenance_();
  if (!is_empty) return {};
  const std::uint64_t gone = entries[0].id;
  if (auto removed = remove_directory(segment_directory(state_.directory, gone)); !removed)
    return removed;
  return state_.catalog->change({}, std::span(&gone, 1));
}

Expected<void> Appender::close_segment() {
  std::lock_guard roll_lock(roll_mutex_);
  if (closed_) return tl::unexpected(closed_error());
  const auto close = [&]() -> Expected<void> {
    if (needs_mending_)
      if (auto mended = mend(); !mended) return mended;
    if (active_->index().count() == 0) {
      // Bytes of a commit that did not take effect go with the segment.
      const auto has_leftovers = active_->may_have_leftovers();
      if (!has_leftovers) return tl::unexpected(has_leftovers.error());
      if (!*has_leftovers) return {};
    }
    return roll();
  };
  auto closed = close();
  if (!closed) return tl::unexpected(explain_write_failure(closed.error(), state_.directory));
  return {};
}

}  // namespace runlog
