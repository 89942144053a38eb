#include "log/paused_runs.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "log/appender.h"
#include "log/kill_point.h"
#include "log/log_state.h"
#include "log/paused_format.h"
#include "log/paused_set.h"

namespace runlog {
namespace {

Error read_only() {
  return {ErrorCode::InvalidArgument, "the log is open for reading only"};
}

// Fills `page` with runs of one order below `place`, going back to `first`.
template <typename Order>
void fill(const PausedOrder<Order>& order, typename PausedOrder<Order>::Place first,
          typename PausedOrder<Order>::Place place, const PausedListRequest& request,
          PausedPage& page) {
  while (!(place == first)) {
    place = order.before(place);
    const PausedRunPtr& run = order.at(place);
    if (request.flow && run->flow_name != *request.flow) continue;
    if (request.correlation && run->correlation != request.correlation) continue;
    if (page.runs.size() == request.limit) {
      page.next_before = page.runs.back()->number;
      return;
    }
    page.runs.push_back(run);
  }
}

}  // namespace

PausedRunPtr find_paused(const Snapshot& snapshot, std::string_view run_id) {
  return snapshot.paused ? snapshot.paused->find(run_id, run_id_hash(run_id)) : nullptr;
}

Expected<void> PausedRuns::save(const SuspendedRun& run) {
  if (appender_ == nullptr) return tl::unexpected(read_only());
  auto made = make_paused_run(run, state_.now(), state_.options.limits.max_name_bytes);
  if (!made) return tl::unexpected(made.error());
  // Records that were queued before must not count as newer.
  if (state_.options.durability == LogOptions::Durability::kInterval)
    if (auto done = appender_->append_and_wait({}); !done) return tl::unexpected(done.error());
  return state_.paused->save(std::move(*made));
}

Expected<PausedRunPtr> PausedRuns::load(std::string_view run_id) {
  auto snapshot = snapshot_();
  if (!snapshot) return tl::unexpected(snapshot.error());
  PausedRunPtr run = find_paused(**snapshot, run_id);
  if (!run) return fail(ErrorCode::NotFound, fmt::format("the run '{}' is not paused", run_id));
  return run;
}

Expected<PausedPage> PausedRuns::list(const PausedListRequest& request) {
  if (request.limit == 0)
    return fail(ErrorCode::InvalidArgument,
                "the limit of a list of paused runs is 0; it must be at least 1");
  auto snapshot = snapshot_();
  if (!snapshot) return tl::unexpected(snapshot.error());
  PausedPage page;
  const auto paused = (*snapshot)->paused;
  if (!paused) return page;
  const std::uint64_t before =
      request.before == 0 ? std::numeric_limits<std::uint64_t>::max() : request.before;
  if (request.correlation) {
    const auto& order = paused->by_correlation();
    fill(order, order.lower_bound({*request.correlation, 0}),
         order.lower_bound({*request.correlation, before}), request, page);
  } else if (request.flow) {
    const auto& order = paused->by_flow();
    fill(order, order.lower_bound({*request.flow, 0}), order.lower_bound({*request.flow, before}),
         request, page);
  } else {
    const auto& order = paused->by_save();
    fill(order, order.begin(), order.lower_bound(before), request, page);
  }
  return page;
}

Expected<ClaimResult> PausedRuns::claim(std::string_view run_id, OptionalText node_id,
                                        OptionalText correlation, std::string_view owner) {
  if (appender_ == nullptr) return tl::unexpected(read_only());
  if (owner.size() > kMaxOwnerBytes)
    return fail(ErrorCode::TooLarge, fmt::format("the owner of a claim has {} bytes; the limit is {}",
                                                 owner.size(), kMaxOwnerBytes));
  if (!is_utf8(owner))
    return fail(ErrorCode::InvalidArgument, "the owner of a claim is not valid UTF-8");
  return state_.paused->claim(run_id, node_id, correlation, owner, state_.now());
}

Expected<bool> PausedRuns::erase(std::string_view run_id) {
  if (appender_ == nullptr) return tl::unexpected(read_only());
  return state_.paused->erase(run_id);
}

Expected<AppendResult> PausedRuns::complete(const Run& run) {
  if (appender_ == nullptr) return tl::unexpected(read_only());
  const auto before = load(run.run_id);
  if (!before && before.error().code != ErrorCode::NotFound)
    return tl::unexpected(before.error());
  std::vector<EncodedRun> encoded(1);
  auto done = encode_run(run, *state_.names, state_.dictionaries.get(), state_.options.limits,
                         encoded.front());
  if (!done) return tl::unexpected(done.error());
  kill_point("paused.complete.before_append");
  auto results = appender_->append_and_wait(std::move(encoded));
  if (!results) return tl::unexpected(results.error());
  kill_point("paused.complete.after_append");
  // Usually the record has ended the pause. It has not if the run ended in the same way before it
  // was tried again: then nothing was appended.
  if (before) done = state_.paused->erase_number(run.run_id, (*before)->number);
  if (done) done = state_.paused->remove_finished();
  if (!done) return tl::unexpected(done.error());
  kill_point("paused.complete.after_removal");
  return results->front();
}

}  // namespace runlog
