#include "log/log.h"

#include <algorithm>
#include <atomic>

#include <fmt/format.h>

#include "log/active_segment.h"
#include "log/appender.h"
#include "log/log_follower.h"
#include "log/log_open.h"
#include "log/maintenance.h"
#include "log/paused_runs.h"
#include "log/paused_set.h"
#include "log/sealed_segment.h"

namespace runlog {

// Either a writer (state, maintenance, appender) or a follower.
struct Log::Impl {
  std::unique_ptr<LogState> writing;
  std::unique_ptr<Maintenance> maintenance;
  std::unique_ptr<Appender> appender;
  std::unique_ptr<LogFollower> follower;
  std::unique_ptr<PausedRuns> paused;
  std::mutex close_mutex;
  bool closed = false;

  LogState& state() { return writing ? *writing : follower->state(); }
};

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

Expected<Log::Flows> Log::flows() {
  if (impl_->follower)
    if (auto fresh = impl_->follower->refresh(); !fresh) return tl::unexpected(fresh.error());
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
  for (const SegmentView& view : flows.snapshot->segments)
    if (view.dead_flows)
      for (const auto& [flow, counts] : *view.dead_flows) flows.table[flow].subtract(counts);
  std::erase_if(flows.table, [](const auto& entry) {
    const auto& runs = entry.second.runs;
    return std::all_of(runs.begin(), runs.end(), [](std::uint64_t n) { return n == 0; });
  });
  return flows;
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
  for (std::uint32_t number = 1; number <= state.dictionaries->current(); ++number)
    if (const auto bytes = state.dictionaries->bytes(number); !bytes.empty())
      result.dictionaries.push_back({number, bytes.size()});
  result.names = state.names->end() - 1;
  if (impl_->maintenance)
    if (const auto problem = impl_->maintenance->problem()) result.problem = problem->message;
  result.paused = current->paused ? current->paused->size() : 0;
  return result;
}

// ---- sealing ---------------------------------------------------------------------------------

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
