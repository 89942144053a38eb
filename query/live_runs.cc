#include "query/live_runs.h"

#include <algorithm>
#include <limits>

#include "log/json_writer.h"
#include "log/paused_set.h"

namespace runlog {
namespace {

bool is_live(RunStatus status) {
  return status == RunStatus::kPaused || status == RunStatus::kRunning;
}

// Calls `visit` for the entries of `order` between `first` and `last`, until it returns false.
template <typename Order, typename Visit>
void walk(const PausedOrder<Order>& order, typename PausedOrder<Order>::Place first,
          typename PausedOrder<Order>::Place last, Direction direction, Visit&& visit) {
  while (!(first == last)) {
    if (direction == Direction::kNewestFirst) last = order.before(last);
    const auto& run = order.at(direction == Direction::kNewestFirst ? last : first);
    if (!visit(*run)) return;
    if (direction == Direction::kOldestFirst) first = order.after(first);
  }
}

// The same for the entries that a filter of these flows leaves and whose number is in [low, high).
template <typename Visit>
void walk_flows(const PausedSet& set, const std::vector<std::string>& flows, std::uint64_t low,
                std::uint64_t high, Direction direction, Visit&& visit) {
  if (flows.size() == 1) {
    const auto& order = set.by_flow();
    walk(order, order.lower_bound({flows.front(), low}), order.lower_bound({flows.front(), high}),
         direction, visit);
  } else {
    const auto& order = set.by_save();
    walk(order, order.lower_bound(low), order.lower_bound(high), direction, visit);
  }
}

bool same(const std::optional<std::string>& wanted, const std::optional<std::string>& value) {
  return !wanted || wanted == value;
}

OptionalText text_of(const std::optional<std::string>& text) {
  return text ? OptionalText(*text) : std::nullopt;
}

}  // namespace

// What has not ended has no finish time, no error and no labels.
LiveRuns::LiveRuns(const Snapshot& snapshot, const Filter& filter)
    : snapshot_(snapshot), filter_(filter) {
  possible_ = snapshot.paused && !filter.failing_node && !filter.error_code &&
              !filter.fingerprint && !filter.error_text && !filter.finished_from &&
              !filter.finished_to && filter.labels.empty() &&
              (filter.statuses.empty() ||
               std::any_of(filter.statuses.begin(), filter.statuses.end(), is_live));
}

bool LiveRuns::matches(const PausedRun& run) const {
  const auto any = [](const auto& values, const auto& value) {
    return values.empty() || std::find(values.begin(), values.end(), value) != values.end();
  };
  return any(filter_.flows, run.flow_name) && any(filter_.statuses, run.status()) &&
         same(filter_.trigger_type, run.trigger_type) &&
         same(filter_.trigger_object, run.trigger_object) &&
         same(filter_.trigger_record, run.trigger_record_id) &&
         same(filter_.user, run.user_id) && same(filter_.organization, run.organization_id) &&
         run.started_at >= filter_.started_from.value_or(run.started_at) &&
         run.started_at <= filter_.started_to.value_or(run.started_at);
}

std::uint64_t LiveRuns::count() const {
  if (!possible_) return 0;
  std::uint64_t count = 0;
  walk_flows(*snapshot_.paused, filter_.flows, 0, std::numeric_limits<std::uint64_t>::max(),
             Direction::kOldestFirst, [&](const PausedRun& run) {
               if (matches(run)) ++count;
               return true;
             });
  return count;
}

std::vector<const PausedRun*> LiveRuns::page(Direction direction,
                                             std::optional<std::uint64_t> last,
                                             std::size_t most) const {
  std::vector<const PausedRun*> page;
  if (!possible_) return page;
  std::uint64_t low = 0, high = std::numeric_limits<std::uint64_t>::max();
  if (last && direction == Direction::kNewestFirst) high = *last;
  if (last && direction == Direction::kOldestFirst) low = *last + 1;
  walk_flows(*snapshot_.paused, filter_.flows, low, std::max(low, high), direction,
             [&](const PausedRun& run) {
               if (matches(run)) page.push_back(&run);
               return page.size() < most;
             });
  return page;
}

void fill_head(const PausedRun& run, RunHead& head) {
  head.run_id = run.run_id;
  head.flow_name = run.flow_name;
  head.flow_version = run.flow_version;
  head.status = run.status();
  head.started_at = run.started_at;
  head.node_id = text_of(run.node_id);
  head.organization_id = text_of(run.organization_id);
  head.user_id = text_of(run.user_id);
  head.trigger_type = text_of(run.trigger_type);
  head.trigger_object = text_of(run.trigger_object);
  head.trigger_record_id = text_of(run.trigger_record_id);
}

Expected<OwnedRun> live_run(const PausedRun& paused) {
  auto suspended = paused.suspended();
  if (!suspended) return tl::unexpected(suspended.error());
  TextArena& arena = *suspended->arena;
  const auto keep = [&](const std::optional<std::string>& text) {
    return text ? OptionalText(arena.keep(*text)) : std::nullopt;
  };
  OwnedRun owned;
  Run& run = owned.run;
  SuspendedRun& from = suspended->run;
  run.run_id = from.run_id;
  run.flow_name = from.flow_name;
  run.flow_version = from.flow_version;
  run.status = paused.status();
  run.started_at = paused.started_at;
  run.start_time = from.start_time;
  run.node_id = from.node_id;
  run.organization_id = keep(paused.organization_id);
  run.user_id = keep(paused.user_id);
  run.trigger_type = keep(paused.trigger_type);
  run.trigger_object = keep(paused.trigger_object);
  run.trigger_record_id = keep(paused.trigger_record_id);
  run.steps = std::move(from.steps);
  std::string extra;
  {
    JsonWriter writer(extra);
    ObjectWriter object(writer, {});
    object.text("correlation", from.correlation);
    object.time("savedAt", paused.saved_at);
    if (paused.status() == RunStatus::kRunning) {
      object.text("claimedBy", std::string_view(paused.owner));
      object.time("claimedAt", paused.claimed_at);
    }
  }
  run.extra_json = arena.keep(extra);
  owned.arena = std::move(suspended->arena);
  return owned;
}

}  // namespace runlog
