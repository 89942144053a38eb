#include "bench/runlog_store.h"

#include <algorithm>

namespace runlog::bench {

namespace {

// The peers keep all of their rows, too.
LogOptions keep_all(LogOptions options) {
  options.retention = RetentionPolicy();
  return options;
}

}  // namespace

RunlogStore::RunlogStore(const std::filesystem::path& directory, const LogOptions& options)
    : log_(take(Log::open(directory / "log", keep_all(options)))) {}

RunlogStore::~RunlogStore() = default;

void RunlogStore::append(std::span<const Run> runs) {
  Batch batch = log_->make_batch();
  for (const Run& run : runs) take(batch.add(run));
  take(log_->append(std::move(batch)));
}

void RunlogStore::load(std::span<const Run> runs) {
  constexpr std::size_t kBatch = 1000;
  for (std::size_t i = 0; i < runs.size(); i += kBatch)
    append(runs.subspan(i, std::min(kBatch, runs.size() - i)));
}

void RunlogStore::settle() { take(log_->seal_now()); }

void RunlogStore::wait_idle() { take(log_->wait_idle()); }

void RunlogStore::append_async(std::span<const Run> runs, std::function<void()> done) {
  Batch batch = log_->make_batch();
  for (const Run& run : runs) take(batch.add(run));
  log_->append_async(std::move(batch), [this, done = std::move(done)](const auto& result) {
    if (!result) {
      const std::lock_guard lock(mutex_);
      async_failure_ = result.error().message;
    }
    done();
  });
}

void RunlogStore::check_async() {
  const std::lock_guard lock(mutex_);
  if (!async_failure_.empty()) throw std::runtime_error(async_failure_);
}

std::size_t RunlogStore::get_stored(std::string_view run_id) {
  take(runlog::get_stored(*take(log_->snapshot()), run_id, stored_));
  return stored_.size();
}

const Run& RunlogStore::get(std::string_view run_id) {
  run_ = take(runlog::get(take(log_->snapshot()), run_id));
  return run_.run;
}

std::span<const RunHead> RunlogStore::list(const PageRequest& request) {
  ListRequest query;
  query.filter.flows.emplace_back(request.flow);
  if (request.status) query.filter.statuses.push_back(*request.status);
  query.cursor = request.cursor;
  query.limit = request.limit;
  query.with_total = false;
  page_ = take(runlog::list(take(log_->snapshot()), query));
  return page_.runs;
}

std::uint64_t RunlogStore::count_flow(std::string_view flow) {
  Filter filter;
  filter.flows.emplace_back(flow);
  return take(runlog::count(*take(log_->snapshot()), filter));
}

std::uint64_t RunlogStore::count_status(RunStatus status) {
  Filter filter;
  filter.statuses.push_back(status);
  return take(runlog::count(*take(log_->snapshot()), filter));
}

}  // namespace runlog::bench
