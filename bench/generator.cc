#include "bench/generator.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "log/record.h"

namespace runlog::bench {
namespace {

// 2025-06-01T00:00:00Z: in the past on any machine, because a log records nothing as of later than
// now. A run starts every 200 ms.
constexpr UnixMs kFirstStart = 1748736000000;
constexpr std::int64_t kStartEveryMs = 200;

constexpr std::array kKnownFlows = {
    "lead_routing",       "deal_stage_sync",  "invoice_dunning", "ticket_escalation",
    "stock_replenish",    "nightly_rollup",   "leave_approval",  "contact_enrichment",
    "payment_matching",   "erp_full_sync",    "quote_approval",  "monthly_close"};
constexpr std::array kObjects = {"inv_item",     "mkt_campaign", "fin_payment", "crm_contact",
                                 "hr_leave_request", "fin_invoice", "pm_task",  "pm_project",
                                 "crm_deal",     "crm_lead",     "inv_shipment", "svc_ticket"};
constexpr std::array kRecordTriggers = {"record-after-update", "record-after-insert"};
constexpr std::array kOtherTriggers = {"schedule", "time_relative", "manual", "api"};
constexpr std::array kOrganizations = {"acme", "globex", "initech"};

template <typename Array>
auto& pick(const Array& values, std::uint64_t random) {
  return values[random % std::size(values)];
}

}  // namespace

// SplitMix64: tiny, and good enough to decide what a run looks like.
class Generator::Random {
 public:
  explicit Random(std::uint64_t state) : state_(state) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  double unit() { return double(next() >> 11) * 0x1p-53; }
  std::string letters(std::size_t count) {
    std::string text(count, ' ');
    for (char& c : text) c = "0123456789abcdefghijklmnopqrstuvwxyz"[below(36)];
    return text;
  }
  std::string uuid() {
    constexpr char kHex[] = "0123456789abcdef";
    std::uint64_t high = (next() & ~0xf000ull) | 0x4000ull;             // version 4
    std::uint64_t low = (next() & ~(3ull << 62)) | (2ull << 62);        // variant 1
    std::string text;
    text.reserve(36);
    for (int i = 0; i < 32; ++i) {
      if (i == 8 || i == 12 || i == 16 || i == 20) text.push_back('-');
      const std::uint64_t half = i < 16 ? high : low;
      text.push_back(kHex[(half >> (60 - 4 * (i % 16))) & 15]);
    }
    return text;
  }

 private:
  std::uint64_t state_;
};

Generator::Generator(std::uint64_t seed) : seed_(seed) {
  Random random(seed);
  users_.reserve(kUsers);
  for (std::size_t i = 0; i < kUsers; ++i) users_.push_back("usr_" + random.letters(4));
  make_flows(random);
  set_failure_rates(random);
}

void Generator::make_flows(Random& random) {
  double sum = 0;
  for (std::size_t i = 0; i < kFlows; ++i) {
    Flow flow;
    flow.name = i < kKnownFlows.size() ? kKnownFlows[i] : "custom_flow_" + std::to_string(i);
    flow.version = std::int64_t(1 + random.below(12));
    if (i % 3 == 2) {
      plan_loop(random, flow);
    } else {
      plan_straight(random, 8 + (i + 1) % 4, flow);
    }
    flows_.push_back(std::move(flow));
    sum += 1.0 / double(i + 1);
    cumulative_.push_back(sum);
  }
  for (double& share : cumulative_) share /= sum;
}

void Generator::plan_straight(Random& random, std::size_t count, Flow& flow) {
  static constexpr std::array kTypes = {"update_record", "get_record", "notify",          "http",
                                        "create_record", "script",     "connector_action"};
  flow.steps.push_back({"start", "start"});
  while (flow.steps.size() < count) {
    const std::size_t position = flow.steps.size();
    const std::string type = position == 1 ? "get_record" : pick(kTypes, random.next());
    Effect effect = Effect::kNone;
    if (type == "get_record") effect = Effect::kSelected;
    if (type == "update_record" || type == "create_record" || type == "notify")
      effect = Effect::kActed;
    if (type == "connector_action") effect = Effect::kUnmeasured;
    flow.steps.push_back({type + "_" + std::to_string(position), type, effect});
  }
}

void Generator::plan_loop(Random& random, Flow& flow) {
  flow.steps = {{"start", "start"},
                {"get_record_1", "get_record", Effect::kSelected},
                {"load", "seed_items"},
                {"each", "loop"}};
  flow.body = {{"body_1_update_record", "update_record", Effect::kActed}};
  if (random.below(2) == 0) {
    flow.body.push_back({"body_2_notify", "notify", Effect::kActed});
  } else {
    flow.body.push_back({"body_2_http", "http"});
  }
}

void Generator::set_failure_rates(Random& random) {
  static constexpr std::array kWeights = {1.0, 1.0, 2.0, 8.0};
  constexpr double kOverall = 0.05;
  constexpr double kRare = 0.005;
  double weighted = 0;
  double previous = 0;
  double rare_share = 0;
  for (std::size_t i = 0; i < kFlows; ++i) {
    const double share = cumulative_[i] - previous;
    previous = cumulative_[i];
    if (i == kRarelyFailing) {
      rare_share = share;
      continue;
    }
    flows_[i].failure_rate = pick(kWeights, random.next());
    weighted += share * flows_[i].failure_rate;
  }
  const double scale = (kOverall - rare_share * kRare) / weighted;
  for (Flow& flow : flows_) flow.failure_rate *= scale;
  flows_[kRarelyFailing].failure_rate = kRare;
}

Generator::Random Generator::random_of(std::uint64_t n) const {
  Random mix(seed_ ^ (n * 0xd1342543de82ef95ull));
  return Random(mix.next());
}

std::string Generator::run_id(std::uint64_t n) const { return "run_" + random_of(n).uuid(); }

void Generator::fill(std::uint64_t first, std::size_t count, RunBatch& batch) const {
  batch.runs.clear();
  batch.text.clear();
  batch.runs.reserve(count);
  for (std::size_t i = 0; i < count; ++i) batch.runs.push_back(make(first + i, batch.text));
}

Run Generator::make(std::uint64_t n, TextBuffer& text) const {
  Random random = random_of(n);
  Run run;
  run.run_id = text.keep("run_" + random.uuid());
  const auto found = std::lower_bound(cumulative_.begin(), cumulative_.end() - 1, random.unit());
  const Flow& flow = flows_[std::size_t(found - cumulative_.begin())];
  run.flow_name = flow.name;
  run.flow_version = flow.version;
  run.started_at = kFirstStart + std::int64_t(n) * kStartEveryMs +
                   std::int64_t(random.below(std::uint64_t(kStartEveryMs)));
  run.user_id = pick(users_, random.next());
  run.organization_id = pick(kOrganizations, random.next());
  add_trigger(random, text, run);

  const std::size_t iterations = 1 + random.below(7);
  std::size_t count = flow.steps.size() + iterations * flow.body.size();
  const bool failed = random.unit() < flow.failure_rate;
  if (failed) count = 2 + random.below(count - 1);
  add_steps(flow, count, random, run);
  run.node_id = run.steps->back().node_id;
  run.finished_at = run.steps->back().completed_at;
  run.duration_ms = *run.finished_at - run.started_at;
  if (failed) add_failure(random, text, run);
  run.summary = summarize(*run.steps);
  return run;
}

void Generator::add_trigger(Random& random, TextBuffer& text, Run& run) const {
  if (random.below(2) == 0) {
    run.trigger_type = pick(kOtherTriggers, random.next());
    return;
  }
  run.trigger_type = pick(kRecordTriggers, random.next());
  run.trigger_object = pick(kObjects, random.next());
  const std::string id = "rec_" + random.letters(16);
  run.trigger_record_id = text.keep(id);
  run.trigger_record_json = text.keep("{\"id\":\"" + id + "\",\"name\":\"x\"}");
}

void Generator::add_steps(const Flow& flow, std::size_t count, Random& random, Run& run) const {
  std::vector<Step>& steps = run.steps.emplace(count);
  UnixMs now = run.started_at;
  const std::size_t prefix = flow.steps.size();
  for (std::size_t i = 0; i < count; ++i) {
    Step& step = steps[i];
    if (i < prefix) {
      run_step(flow.steps[i], random, now, step);
      continue;
    }
    run_step(flow.body[(i - prefix) % flow.body.size()], random, now, step);
    Step& loop = steps[prefix - 1];
    loop.completed_at = now;
    loop.duration_ms = now - *loop.started_at;
    step.parent_node_id = loop.node_id;
    step.region_kind = "loop-body";
    step.iteration = std::int64_t((i - prefix) / flow.body.size());
  }
}

void Generator::run_step(const StepPlan& plan, Random& random, UnixMs& now, Step& step) {
  step.node_id = plan.node_id;
  step.node_type = plan.node_type;
  step.status = StepStatus::kSuccess;
  step.started_at = now;
  if (plan.node_type != "start" && plan.node_type != "loop") {
    const std::uint64_t slow = random.below(50) == 0 ? 20 : 1;
    now += std::int64_t(random.below(48) * slow);
  }
  step.completed_at = now;
  step.duration_ms = now - *step.started_at;
  switch (plan.effect) {
    case Effect::kNone: break;
    case Effect::kSelected: step.metrics.emplace().selected = std::int64_t(random.below(50)); break;
    case Effect::kActed: step.metrics.emplace().acted = std::int64_t(1 + random.below(3)); break;
    case Effect::kUnmeasured: step.metrics.emplace().unmeasured_effect = true; break;
  }
}

void Generator::add_failure(Random& random, TextBuffer& text, Run& run) const {
  run.status = RunStatus::kFailed;
  Step& failing = run.steps->back();
  const Text message = text.keep(error_text(random));
  failing.status = StepStatus::kFailure;
  failing.error =
      StepError{.code = "NODE_FAILURE", .message = message, .stack = {}, .extra_json = {}};
  const Text told = text.keep("Node '" + std::string(*failing.node_id) + "' failed: " +
                              std::string(message));
  run.error = RunError{.code = failing.error->code,
                       .message = told,
                       .node_id = failing.node_id,
                       .extra_json = {}};
  if (!failing.parent_node_id) return;
  for (Step& step : *run.steps) {
    if (step.node_id != failing.parent_node_id) continue;
    step.status = StepStatus::kFailure;
    step.error =
        StepError{.code = "EXECUTION_ERROR", .message = told, .stack = {}, .extra_json = {}};
  }
}

std::string Generator::error_text(Random& random) const {
  const std::string object = pick(kObjects, random.next());
  const auto number = [&](std::uint64_t bound) { return std::to_string(random.below(bound)); };
  switch (random.below(8)) {
    case 0: return "Record 'rec_" + random.letters(16) + "' not found in " + object;
    case 1: return "Validation failed on " + object + ": field 'owner' is required";
    case 2: return "connect ETIMEDOUT 10." + number(256) + "." + number(256) + "." + number(256) +
                   ":5432";
    case 3: return "Expression error at '{record.lines[" + number(9) +
                   "].qty}': undefined is not a number";
    case 4: return "Permission denied: user " + pick(users_, random.next()) + " cannot update " +
                   object;
    case 5: return "duplicate key value violates unique constraint \"" + object +
                   "_external_id_key\"";
    case 6: return "HTTP 503 Service Unavailable from https://erp.example.com/api/v2/orders/" +
                   number(100000);
    default: return "邮件模板 '付款提醒' 缺少收件人";
  }
}

}  // namespace runlog::bench
