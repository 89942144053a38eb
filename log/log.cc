#include "log/log.h"

#include <algorithm>

#include <fmt/format.h>

#include "log/active_segment.h"
#include "log/backup.h"
#include "log/hidden_flows.h"
#include "log/log_impl.h"
#include "log/log_open.h"
#include "log/paused_set.h"
#include "log/sealed_segment.h"

namespace runlog {

Log::Log() : impl_(std::make_unique<Impl>()) {}
Log::~Log() { (void)close(); }

Expected<std::shared_ptr<Log>> Log::open(const std::filesystem::path& directory,
                                         const LogOptions& options) {
  auto opened = open_for_writing(directory, options);
  if (!opened) return tl::unexpected(opened.error());
  std::shared_ptr<Log> log(new Log());
  Impl& impl = *log->impl_;
  impl.writing = std::move(opened->state);
  impl.maintenance = std::make_unique<Maintenance>(*impl.writing);
  impl.appender = std::make_unique<Appender>(*impl.writing, std::move(opened->active),
                                             opened->last_recorded_at,
                                             [&impl] { impl.maintenance->wake(); });
  log->make_paused_runs();
  // What expired while the log was closed. If it cannot be written down now, a sweep does it.
  (void)impl.writing->retention->expire();
  return log;
}

Expected<std::shared_ptr<Log>> Log::open_read_only(const std::filesystem::path& directory) {
  auto follower = LogFollower::open(directory);
  if (!follower) return tl::unexpected(follower.error());
  std::shared_ptr<Log> log(new Log());
  log->impl_->follower = std::move(*follower);
  log->make_paused_runs();
  return log;
}

void Log::make_paused_runs() {
  impl_->paused = std::make_unique<PausedRuns>(impl_->state(), impl_->appender.get(),
                                               [this] { return snapshot(); });
}

Expected<void> Log::close() {
  std::lock_guard lock(impl_->close_mutex);
  if (impl_->closed || !impl_->appender) return {};
  impl_->closed = true;
  auto done = impl_->appender->close();
  impl_->maintenance->stop();  // it stays for those that wait in it
  impl_->writing->paused->close();
  if (auto known = impl_->writing->retention->close(); !known && done) done = known;
  // Snapshots that readers hold keep their segments; another process may write from here on.
  impl_->writing->lock.reset();
  return done;
}

// ---- appending -------------------------------------------------------------------------------

Expected<void> Batch::add(const Run& run) {
  EncodedRun encoded;
  if (auto done = encode_run(run, *names_, dictionaries_, *limits_, encoded); !done) return done;
  runs_.push_back(std::move(encoded));
  return {};
}

namespace {

// Its symbols would name something else here.
tl::unexpected<Error> foreign_batch() {
  return fail(ErrorCode::InvalidArgument, "the batch was made by another log's make_batch()");
}

}  // namespace

Batch Log::make_batch() const {
  LogState& state = impl_->state();
  return Batch(state.names.get(), state.dictionaries.get(), &state.options.limits);
}

Expected<AppendResult> Log::append(const Run& run) {
  Batch batch = make_batch();
  if (auto added = batch.add(run); !added) return tl::unexpected(added.error());
  auto results = append(std::move(batch));
  if (!results) return tl::unexpected(results.error());
  return results->front();
}

Expected<std::vector<AppendResult>> Log::append(Batch batch) {
  if (!impl_->appender)
    return fail(ErrorCode::InvalidArgument, "the log is open for reading only");
  if (batch.names_ != impl_->state().names.get()) return foreign_batch();
  if (batch.runs_.empty()) return std::vector<AppendResult>();
  return impl_->appender->append(std::move(batch.runs_));
}

void Log::append_async(Batch batch,
                       std::function<void(Expected<std::vector<AppendResult>>)> done) {
  if (!impl_->appender)
    return done(fail(ErrorCode::InvalidArgument, "the log is open for reading only"));
  if (batch.names_ != impl_->state().names.get()) return done(foreign_batch());
  if (batch.runs_.empty()) return done(std::vector<AppendResult>());
  impl_->appender->append_async(std::move(batch.runs_), std::move(done));
}

PausedRuns& Log::paused() { return *impl_->paused; }

// ---- reading ---------------------------------------------------------------------------------

Expected<std::shared_ptr<const Snapshot>> Log::snapshot() {
  if (impl_->follower) return impl_->follower->refresh();
  return impl_->writing->current->get();
}

namespace {

// Returns whether all that is hidden could be subtracted.
Expected<bool> subtract_hidden(const Snapshot& snapshot, FlowTable& from) {
  bool is_exact = true;
  for (std::size_t i = 0; i < snapshot.segments.size(); ++i) {
    if (!snapshot.segments[i].dead) continue;
    auto done = snapshot.segments[i].hidden_flows->of(snapshot, i, [&](const FlowTable& hidden) {
      for (const auto& [flow, counts] : hidden) from[flow].subtract(counts);
    });
    if (!done) return done;
    is_exact = is_exact && *done;
  }
  return is_exact;
}

}  // namespace

Expected<Log::Flows> Log::flows() {
  if (impl_->follower)
    if (auto fresh = impl_->follower->follow(); !fresh) return tl::unexpected(fresh.error());
  Flows flows;
  // A sealed segment's table never changes, so appends need not wait while those are decoded.
  const auto add = [&](const Snapshot& snapshot, bool sealed) -> Expected<void> {
    for (const SegmentView& view : snapshot.segments) {
      if ((view.segment->environment() == nullptr) != sealed) continue;
      auto table = view.index().flow_table();
      if (!table) return tl::unexpected(table.error());
      for (const auto& [flow, counts] : *table) flows.table[flow].add(counts);
    }
    return {};
  };
  auto added =
      impl_->state().current->with_edits_held([&](std::shared_ptr<const Snapshot> snapshot) {
        flows.snapshot = std::move(snapshot);
        return add(*flows.snapshot, false);
      });
  if (added) added = add(*flows.snapshot, true);
  if (!added) return tl::unexpected(added.error());
  if (impl_->follower) {
    auto shown = impl_->state().retention->without_expired(std::move(flows.snapshot));
    if (!shown) return tl::unexpected(shown.error());
    flows.snapshot = std::move(*shown);
  }
  auto is_exact = subtract_hidden(*flows.snapshot, flows.table);
  if (!is_exact) return tl::unexpected(is_exact.error());
  if (!*is_exact && !flows.snapshot->incomplete) {
    // From here on everybody hears of it.
    impl_->state().current->change([](Snapshot& next) { next.incomplete = true; });
    auto told = std::make_shared<Snapshot>(*flows.snapshot);
    told->incomplete = true;
    flows.snapshot = std::move(told);
  }
  std::erase_if(flows.table, [](const auto& entry) {
    const auto& runs = entry.second.runs;
    return std::all_of(runs.begin(), runs.end(), [](std::uint64_t n) { return n == 0; });
  });
  return flows;
}

Expected<FlowHistory> Log::history(const std::optional<std::string>& flow) {
  auto now = snapshot();
  if (!now) return tl::unexpected(now.error());
  return impl_->state().counters->history(**now, flow);
}

LogInfo Log::describe() {
  LogInfo result;
  LogState& state = impl_->state();
  auto snapshot = this->snapshot();
  const auto current = snapshot ? *snapshot : state.current->get();
  result.directory = state.directory;
  result.log_id = current->log_id;
  result.incomplete = current->incomplete;
  for (const SegmentView& view : current->segments) {
    const Segment& segment = *view.segment;
    SegmentInfo one;
    one.id = segment.id();
    one.runs = view.end;
    one.hidden = view.end - view.live();
    one.file_bytes = file_bytes(segment.file()).value_or(0);
    one.first = view.end == 0 ? 0 : view.sequence(0);
    one.last = view.end == 0 ? 0 : view.sequence(view.end - 1);
    if (segment.environment() == nullptr) {
      const auto& footer = static_cast<const SealedSegment&>(segment).footer();
      one.state = "sealed";
      one.oldest = footer.oldest;
      one.newest = footer.newest;
    } else {
      const auto& active = static_cast<const ActiveSegment&>(segment);
      one.state = &view == &current->segments.back() ? "active" : "closed";
      one.oldest = active.oldest();
      one.newest = active.newest();
    }
    result.runs += view.live();
    result.hidden += one.hidden;
    result.bytes += one.file_bytes;
    result.index_memory_bytes += view.index().memory_bytes();
    result.segments.push_back(std::move(one));
  }
  result.bytes += file_bytes(state.directory / "state" / "data.mdb").value_or(0);
  for (std::uint32_t number = 1; number <= current->dictionaries->current(); ++number)
    if (const auto bytes = current->dictionaries->bytes(number); !bytes.empty())
      result.dictionaries.push_back({number, bytes.size()});
  result.names = current->names->end() - 1;
  result.archive = state.retention->policy().archive;
  result.archive_problem = state.retention->archive_problem();
  if (impl_->maintenance)
    if (const auto problem = impl_->maintenance->problem()) result.problem = problem->message;
  result.paused = current->paused ? current->paused->size() : 0;
  return result;
}

// ---- retention -------------------------------------------------------------------------------

namespace {

Error read_only_error() {
  return {ErrorCode::InvalidArgument, "the log is open for reading only"};
}

// What `snapshot` hides. A damaged record counts for no bytes.
Expected<SweepReport::Runs> hidden_in(const Snapshot& snapshot) {
  SweepReport::Runs out;
  for (std::size_t i = 0; i < snapshot.segments.size(); ++i) {
    const SegmentView& view = snapshot.segments[i];
    if (!view.dead) continue;
    out.runs += view.end - view.live();
    ++out.segments;
    auto done = view.hidden_flows->of(snapshot, i, [&](const FlowTable& hidden) {
      for (const auto& [flow, counts] : hidden) out.bytes += counts.bytes;
    });
    if (!done) return tl::unexpected(done.error());
  }
  return out;
}

// Adds what a rule hides in `rest`, and hides it there.
Expected<void> plan_rule(Snapshot& rest, Expected<ExpiredRuns> expired, SweepReport::Runs& out) {
  if (!expired) return tl::unexpected(expired.error());
  for (std::size_t i = 0; i < expired->size(); ++i) {
    const OrdinalSet& runs = (*expired)[i];
    if (runs.is_empty()) continue;
    out.runs += runs.count();
    out.bytes += record_bytes_of(rest, i, runs);
    ++out.segments;
  }
  const Snapshot before = rest;
  hide_expired(rest, *expired);
  // What is only planned must not be counted with what is hidden.
  for (std::size_t i = 0; i < expired->size(); ++i)
    if (rest.segments[i].dead != before.segments[i].dead)
      rest.segments[i].hidden_flows = std::make_shared<HiddenFlows>();
  return {};
}

// What sealed segments of `rest` a sweep would drop and merge, and what it would give back.
void plan_reclaim(const Snapshot& rest, SweepReport& report) {
  for (std::size_t i = 0; i < rest.segments.size(); ++i) {
    const SegmentView& view = rest.segments[i];
    report.stays.runs += view.live();
    const bool is_sealed = view.segment->environment() == nullptr;
    const std::uint64_t bytes = file_bytes(view.segment->file()).value_or(0);
    if (is_sealed && view.live() == 0) {
      ++report.dropped_segments;
      report.freed_bytes += bytes;
      continue;
    }
    ++report.stays.segments;
    const std::uint64_t live_bytes = live_file_bytes(rest, i);
    report.stays.bytes += live_bytes;
    if (!is_sparse(view, live_bytes)) continue;
    ++report.merged_segments;
    report.freed_bytes += bytes;
    report.written_bytes += live_bytes;
  }
}

}  // namespace

Expected<RetentionPolicy> Log::retention() {
  if (impl_->follower)
    if (auto fresh = impl_->follower->follow(); !fresh) return tl::unexpected(fresh.error());
  return impl_->state().retention->policy();
}

Expected<void> Log::set_retention(const RetentionPolicy& policy) {
  if (!impl_->appender) return tl::unexpected(read_only_error());
  return impl_->writing->retention->set_policy(policy);
}

Expected<SweepReport> Log::sweep() {
  if (!impl_->appender) return tl::unexpected(read_only_error());
  Retention& retention = *impl_->writing->retention;
  SweepReport report;
  if (auto hidden = hidden_in(*impl_->writing->current->get()); hidden)
    report.hidden_before = *hidden;
  else
    return tl::unexpected(hidden.error());
  const HiddenRuns before = retention.hidden();
  auto reclaimed = impl_->maintenance->sweep();
  if (!reclaimed) return tl::unexpected(reclaimed.error());
  const HiddenRuns after = retention.hidden();
  report.by_cap.runs = after.by_cap - before.by_cap;
  report.by_age.runs = after.by_age - before.by_age;
  report.by_bytes.runs = after.by_bytes - before.by_bytes;
  report.dropped_segments = reclaimed->dropped_segments;
  report.merged_segments = reclaimed->merged_segments;
  report.freed_bytes = reclaimed->freed_bytes;
  report.written_bytes = reclaimed->written_bytes;
  report.archived_runs = reclaimed->archived.runs;
  report.archived_bytes = reclaimed->archived.bytes;
  const Retention::View now = retention.view();
  report.stays.runs = now.snapshot->live();
  report.stays.segments = now.snapshot->segments.size();
  report.measured_at = now.now;
  report.clock_jumped = now.clock_jumped;
  return report;
}

Expected<SweepReport> Log::plan_sweep() {
  if (impl_->follower)
    if (auto fresh = impl_->follower->follow(); !fresh) return tl::unexpected(fresh.error());
  const Retention::View view = impl_->state().retention->view();
  const RetentionPolicy& policy = view.policy;
  SweepReport report;
  report.measured_at = view.now;
  report.clock_jumped = view.clock_jumped;
  auto hidden = hidden_in(*view.snapshot);
  if (!hidden) return tl::unexpected(hidden.error());
  report.hidden_before = *hidden;
  Snapshot rest = *view.snapshot;
  auto done = plan_rule(rest, expired_by_cap(rest, policy, view.pinned), report.by_cap);
  if (done)
    done = plan_rule(rest, expired_by_age(rest, policy, view.pinned, view.now), report.by_age);
  if (done && policy.has_max_bytes())
    done = plan_rule(rest,
                     expired_by_bytes(*view.snapshot, rest, std::uint64_t(*policy.max_bytes),
                                      view.pinned),
                     report.by_bytes);
  if (!done) return tl::unexpected(done.error());
  plan_reclaim(rest, report);
  return report;
}

Expected<void> Log::hide_expired() {
  if (!impl_->appender) return tl::unexpected(read_only_error());
  return impl_->writing->retention->expire();
}

Log::Hidden Log::hidden_by_retention() {
  const HiddenRuns hidden = impl_->state().retention->hidden();
  return {hidden.by_cap, hidden.by_age, hidden.by_bytes};
}

Expected<Pin> Log::pin(std::string_view run_id, std::string_view reason,
                       std::optional<UnixMs> until) {
  if (!impl_->appender) return tl::unexpected(read_only_error());
  return impl_->writing->retention->pin(run_id, reason, until);
}

Expected<void> Log::unpin(std::string_view run_id) {
  if (!impl_->appender) return tl::unexpected(read_only_error());
  return impl_->writing->retention->unpin(run_id);
}

Expected<std::vector<Pin>> Log::pins() {
  if (impl_->follower)
    if (auto fresh = impl_->follower->follow(); !fresh) return tl::unexpected(fresh.error());
  return impl_->state().retention->pins();
}

// ---- copying and sealing ---------------------------------------------------------------------------------

Expected<BackupReport> Log::backup(const std::filesystem::path& directory,
                                   const BackupProgress& progress) {
  return back_up(impl_->state(), [this] { return snapshot(); }, directory, progress);
}

Expected<void> Log::seal_now() {
  if (!impl_->appender)
    return fail(ErrorCode::InvalidArgument, "the log is open for reading only");
  if (auto closed = impl_->appender->close_segment(); !closed) return closed;
  return wait_idle();
}

Expected<void> Log::wait_idle() {
  if (!impl_->maintenance) return {};
  return impl_->maintenance->wait_idle();
}

}  // namespace runlog
