#include "tests/faults/retention_plan.h"

#include <algorithm>

#include "log/archive_file.h"
#include "log/run_json.h"
#include "query/query.h"

namespace runlog::faults {
namespace {

constexpr UnixMs kStart = 1'792'454'400'000;
constexpr UnixMs kHour = 3'600'000;
// A step of the clock that is no jump, also for a process that only knows the last look roughly.
constexpr UnixMs kMostBetweenLooks = 20 * kHour;

UnixMs begin_of_day(UnixMs time) { return time / (24 * kHour) * (24 * kHour); }

std::string id_of(const std::string& run_id, std::int64_t content) {
  return run_id + "#" + std::to_string(content);
}

}  // namespace

// ---- the model -------------------------------------------------------------------------------

std::vector<std::string> RetentionModel::ids() const {
  std::vector<std::string> ids;
  for (const StoredRun& run : visible_) ids.push_back(id_of(run.run_id, run.content));
  return ids;
}

CountedByDay RetentionModel::counted_by_day() const {
  CountedByDay counted;
  for (const auto& [id, ending] : endings_)
    ++counted[{ending.flow, ending.day}][std::size_t(ending.status)];
  return counted;
}

bool RetentionModel::counts(const StoredRun& run, const std::string& flow) const {
  return run.flow == flow && pins_.count(run.run_id) == 0;
}

void RetentionModel::hide_beyond_cap(const std::string& flow) {
  const std::int64_t cap = policy_.resolve(flow).max_per_flow;
  auto many = std::count_if(visible_.begin(), visible_.end(),
                            [&](const StoredRun& run) { return counts(run, flow); });
  while (many > cap) {
    const auto oldest = std::find_if(visible_.begin(), visible_.end(),
                                     [&](const StoredRun& run) { return counts(run, flow); });
    expired_.push_back(id_of(oldest->run_id, oldest->content));
    visible_.erase(oldest);
    --many;
  }
}

void RetentionModel::hide_old(UnixMs now) {
  std::map<std::string, std::int64_t> newer;  // runs of the flow that count and are newer
  std::vector<StoredRun> stays;
  for (auto run = visible_.rbegin(); run != visible_.rend(); ++run) {
    const auto rules = policy_.resolve(run->flow);
    const std::int64_t age = rules.max_age_ms[std::size_t(run->status)];
    const bool is_pinned = pins_.count(run->run_id) != 0;
    const bool is_old = age != kNoLimit && run->recorded_at <= now - age;
    const bool is_kept = !is_pinned && newer[run->flow]++ < rules.min_per_flow;
    if (is_pinned || !is_old || is_kept)
      stays.insert(stays.begin(), *run);
    else
      expired_.push_back(id_of(run->run_id, run->content));
  }
  visible_ = std::move(stays);
}

void RetentionModel::hide_beyond_bytes() {
  if (!policy_.has_max_bytes()) return;
  std::uint64_t total = 0;
  for (const StoredRun& run : visible_) total += run.bytes;
  for (auto run = visible_.begin(); run != visible_.end();) {
    if (total <= std::uint64_t(*policy_.max_bytes)) return;
    if (pins_.count(run->run_id) != 0) {
      ++run;
      continue;
    }
    total -= run->bytes;
    expired_.push_back(id_of(run->run_id, run->content));
    run = visible_.erase(run);
  }
}

void RetentionModel::look(UnixMs now) {
  looked_at_ = now;
  std::erase_if(pins_, [&](const auto& pin) { return pin.second && *pin.second <= now; });
  std::vector<std::string> flows;
  for (const StoredRun& run : visible_) flows.push_back(run.flow);
  for (const std::string& flow : flows) hide_beyond_cap(flow);
  hide_old(now);
  hide_beyond_bytes();
}

void RetentionModel::apply(const RetentionStep& step, std::uint64_t bytes) {
  switch (step.kind) {
    case RetentionStep::Kind::kAppend: {
      std::erase_if(visible_, [&](const StoredRun& run) { return run.run_id == step.run_id; });
      last_recorded_at_ = std::max(step.now, last_recorded_at_);
      visible_.push_back(
          {step.run_id, step.flow, step.status, step.content, last_recorded_at_, bytes});
      ++runs_made_;
      endings_[step.run_id] = {step.flow, begin_of_day(step.now), step.status};
      hide_beyond_cap(step.flow);
      return;
    }
    case RetentionStep::Kind::kSetPolicy:
      policy_ = step.policy;
      return look(step.now);
    case RetentionStep::Kind::kPin: pins_[step.run_id] = step.until; return;
    case RetentionStep::Kind::kUnpin: pins_.erase(step.run_id); return look(step.now);
    case RetentionStep::Kind::kSeal: return;
    case RetentionStep::Kind::kSweep: return look(step.now);
    case RetentionStep::Kind::kForget:
      std::erase_if(visible_, [&](const StoredRun& run) { return run.run_id == step.run_id; });
      pins_.erase(step.run_id);
      return;
  }
}

// ---- the plan --------------------------------------------------------------------------------

namespace {

RetentionRules random_rules(std::mt19937_64& random) {
  RetentionRules rules;
  if (random() % 2 == 0) rules.max_age_ms = std::int64_t(1 + random() % 60) * kHour;
  if (random() % 3 == 0)
    rules.max_age_by_status_ms[random() % kRunStatusCount] =
        random() % 4 == 0 ? kNoLimit : std::int64_t(1 + random() % 90) * kHour;
  if (random() % 2 == 0) rules.max_per_flow = std::int64_t(4 + random() % 30);
  if (random() % 3 == 0) rules.min_per_flow = std::int64_t(random() % 4);
  return rules;
}

RetentionPolicy random_policy(std::mt19937_64& random, bool with_bytes) {
  RetentionPolicy policy;
  policy.all = random_rules(random);
  for (int i = 0; i < 3; ++i)
    if (random() % 3 == 0) policy.flows["flow" + std::to_string(random() % 5)] = random_rules(random);
  if (with_bytes && random() % 3 == 0) policy.max_bytes = std::int64_t(2'000 + random() % 20'000);
  return policy;
}

const std::string& random_pin(std::mt19937_64& random, const RetentionModel& model) {
  return std::next(model.pins().begin(), std::ptrdiff_t(random() % model.pins().size()))->first;
}

}  // namespace

RetentionStep next_retention_step(std::mt19937_64& random, const RetentionModel& model, UnixMs now,
                                  bool with_bytes) {
  using Kind = RetentionStep::Kind;
  RetentionStep step;
  step.now = now == 0 ? kStart : now;
  if (random() % 4 == 0) step.now += UnixMs(random() % std::uint64_t(3 * kHour));
  if (random() % 40 == 0) step.now -= UnixMs(random() % std::uint64_t(kHour));  // it may go back
  const auto& visible = model.visible();
  const unsigned dice = unsigned(random() % 100);
  if (step.now > model.looked_at() + kMostBetweenLooks && model.looked_at() != 0) {
    step.kind = Kind::kSweep;
  } else if (dice < 4 || model.looked_at() == 0) {
    step.kind = Kind::kSetPolicy;
    step.policy = random_policy(random, with_bytes);
  } else if (dice < 8 && !visible.empty()) {
    step.kind = Kind::kPin;
    step.run_id = visible[random() % visible.size()].run_id;
    if (random() % 2 == 0) step.until = step.now + UnixMs(1 + random() % std::uint64_t(30 * kHour));
  } else if (dice < 11 && !model.pins().empty()) {
    step.kind = Kind::kUnpin;
    step.run_id = random_pin(random, model);
  } else if (dice < 13) {
    step.kind = Kind::kSeal;
  } else if (dice < 18) {
    step.kind = Kind::kSweep;
  } else if (dice < 20 && !visible.empty()) {
    step.kind = Kind::kForget;
    step.run_id = visible[random() % visible.size()].run_id;
  } else {
    step.run_id = "run" + std::to_string(model.runs_made());
    step.flow = "flow" + std::to_string(random() % 5);
    if (dice < 28 && !visible.empty())
      step.run_id = visible[random() % visible.size()].run_id;  // superseded, perhaps by another flow
    step.content = std::int64_t(model.runs_made());
    step.status = RunStatus(random() % kRunStatusCount);
  }
  return step;
}

std::vector<RetentionStep> plan_retention(std::uint64_t seed, std::size_t steps) {
  std::mt19937_64 random(seed);
  RetentionModel model;
  std::vector<RetentionStep> plan;
  while (plan.size() < steps) {
    plan.push_back(
        next_retention_step(random, model, plan.empty() ? 0 : plan.back().now, false));
    model.apply(plan.back());
  }
  return plan;
}

// ---- the log ---------------------------------------------------------------------------------

Expected<void> perform(Log& log, const RetentionStep& step) {
  const auto only_whether = [](const auto& done) {
    return done ? Expected<void>() : tl::unexpected(done.error());
  };
  switch (step.kind) {
    case RetentionStep::Kind::kAppend: {
      Run run;
      run.run_id = step.run_id;
      run.flow_name = step.flow;
      run.flow_version = step.content;
      run.status = step.status;
      run.started_at = step.now - 1000;
      run.finished_at = step.now;
      return only_whether(log.append(run));
    }
    case RetentionStep::Kind::kSetPolicy: return log.set_retention(step.policy);
    case RetentionStep::Kind::kPin: return only_whether(log.pin(step.run_id, "plan", step.until));
    case RetentionStep::Kind::kUnpin: return log.unpin(step.run_id);
    case RetentionStep::Kind::kSeal: return log.seal_now();
    case RetentionStep::Kind::kSweep: return only_whether(log.sweep());
    case RetentionStep::Kind::kForget: {
      ForgetRequest request;
      request.by = ForgetRequest::By::kRun;
      request.values = {step.run_id};
      return only_whether(log.forget(request));
    }
  }
  return {};
}

LogOptions retention_options(const UnixMs& now, std::uint64_t seed) {
  LogOptions options;
  options.segment_runs = 20;
  options.merge_fanout = 3;
  options.merge = seed % 2 == 1;
  options.retention = RetentionPolicy();
  options.sweep_interval = std::chrono::milliseconds(0);
  options.now = [&now] { return now; };
  return options;
}

Expected<std::vector<std::string>> visible_ids(Log& log) {
  auto snapshot = log.snapshot();
  if (!snapshot) return tl::unexpected(snapshot.error());
  ListRequest request;
  request.limit = 1000;
  request.direction = Direction::kOldestFirst;
  auto page = list(*snapshot, request);
  if (!page) return tl::unexpected(page.error());
  std::vector<std::string> ids;
  for (const RunHead& run : page->runs)
    ids.push_back(id_of(std::string(run.run_id), run.flow_version.value_or(-1)));
  return ids;
}

Expected<CountedByDay> counted_by_day(Log& log) {
  CountedByDay counted;
  for (int i = 0; i < 5; ++i) {
    const std::string flow = "flow" + std::to_string(i);
    const auto history = log.history(flow);
    if (!history) return tl::unexpected(history.error());
    for (const CountedPeriod& day : history->days) {
      counted[{flow, day.start}] = day.counts.runs;
      // The hours that are kept add up to their days.
      std::array<std::uint64_t, kRunStatusCount> hours{};
      for (const CountedPeriod& hour : history->hours)
        if (begin_of_day(hour.start) == day.start)
          for (std::size_t s = 0; s < hours.size(); ++s) hours[s] += hour.counts.runs[s];
      if (day.start > history->measured_at - 7 * 24 * kHour && hours != day.counts.runs)
        return fail(ErrorCode::Corruption, "the hours of a day do not add up to it");
    }
  }
  return counted;
}

Expected<std::vector<std::string>> hidden_ids(Log& log) {
  const auto snapshot = log.snapshot();
  if (!snapshot) return tl::unexpected(snapshot.error());
  std::vector<std::string> ids;
  RecordReader reader(**snapshot);
  for (std::size_t i = 0; i < (*snapshot)->segments.size(); ++i) {
    const SegmentView& view = (*snapshot)->segments[i];
    for (Ordinal ordinal = 0; ordinal < view.end; ++ordinal) {
      if (!view.is_dead(ordinal)) continue;
      const auto record = reader.read(i, ordinal);
      if (!record) return tl::unexpected(record.error());
      TextArena arena;
      Run run;
      auto decoded = decode_run(*record, view.sequence(ordinal), *(*snapshot)->names,
                                (*snapshot)->dictionaries.get(), arena, run);
      if (!decoded) return tl::unexpected(decoded.error());
      ids.push_back(id_of(std::string(run.run_id), run.flow_version.value_or(-1)));
    }
  }
  return ids;
}

Expected<std::vector<std::string>> archived_ids(const std::filesystem::path& archive) {
  std::vector<std::string> ids;
  RunJsonParser parser;
  std::error_code none;  // an archive that was never written to
  for (const auto& entry : std::filesystem::directory_iterator(archive, none)) {
    if (entry.path().extension() != ".zst") continue;
    auto read = read_archive_file(entry.path(), [&](std::string_view line) -> Expected<void> {
      TextArena arena;
      Run run;
      if (auto parsed = parser.parse(line, arena, run); !parsed) return parsed;
      ids.push_back(id_of(std::string(run.run_id), run.flow_version.value_or(-1)));
      return {};
    });
    if (!read) return tl::unexpected(read.error());
  }
  return ids;
}

}  // namespace runlog::faults
