// Runs for tests: one that looks like an engine's, and random ones that have everything a run can.
#pragma once

#include <deque>
#include <random>
#include <string>

#include "log/record.h"

namespace runlog::test {

// A run and the text that it borrows.
struct SampleRun {
  std::deque<std::string> texts;
  Run run;
  Text keep(std::string text) { return texts.emplace_back(std::move(text)); }
};

// A run that failed inside a loop; every field that engines set is set.
inline void make_failed_run(SampleRun& sample) {
  Run& run = sample.run;
  run.run_id = "run_86f42b41-80f0-4ab5-9165-f621d35ceae6";
  run.flow_name = "lead_routing";
  run.flow_version = 4;
  run.status = RunStatus::kFailed;
  run.started_at = 1'792'454'403'630;
  run.start_time = run.started_at;
  run.user_id = "usr_2djz";
  run.organization_id = "acme";
  run.trigger_type = "record-after-update";
  run.trigger_object = "crm_contact";
  run.trigger_record_id = "rec_qulkn69j6pk8rxec";
  run.trigger_record_json = R"({"id":"rec_qulkn69j6pk8rxec","name":"x"})";
  run.node_id = "body_1";
  auto& steps = run.steps.emplace();
  UnixMs clock = run.started_at;
  const auto add = [&](Text id, Text type, std::int64_t duration) -> Step& {
    Step& step = steps.emplace_back();
    step.node_id = id;
    step.node_type = type;
    step.status = StepStatus::kSuccess;
    step.started_at = clock;
    step.duration_ms = duration;
    step.completed_at = clock += duration;
    return step;
  };
  add("start", "start", 0);
  add("get_record_1", "get_record", 32).metrics.emplace().selected = 20;
  Step& loop = add("each", "loop", 245);
  loop.status = StepStatus::kFailure;
  loop.error.emplace();
  loop.error->code = "EXECUTION_ERROR";
  loop.error->message = "Node 'body_1' failed: connect ETIMEDOUT 10.202.17.0:5432";
  clock -= 245;
  for (int i = 0; i < 3; ++i) {
    Step& step = add("body_1", "update_record", 10 + i);
    step.parent_node_id = "each";
    step.region_kind = "loop-body";
    step.iteration = i;
    step.metrics.emplace().acted = 1;
  }
  steps.back().status = StepStatus::kFailure;
  steps.back().error.emplace();
  steps.back().error->code = "NODE_FAILURE";
  steps.back().error->message = "connect ETIMEDOUT 10.202.17.0:5432";
  run.finished_at = clock;
  run.duration_ms = clock - run.started_at;
  run.error.emplace();
  run.error->message = "Node 'body_1' failed: connect ETIMEDOUT 10.202.17.0:5432";
  run.summary = summarize(steps);
  derive_error(run);
}

// Fills structs with values that a seed decides, absent ones included.
class RandomRun {
 public:
  RandomRun(SampleRun& sample, std::uint64_t seed) : sample_(sample), random_(seed) {}

  void make() {
    Run& run = sample_.run;
    run.run_id = coin() ? Text("run_86f42b41-80f0-4ab5-9165-f621d35ceae6") : sample_.keep("r" + word());
    run.flow_name = sample_.keep("f" + word());
    run.flow_version = number();
    run.status = RunStatus(below(4));
    run.started_at = std::int64_t(below(1ull << 42)) - (1ll << 40);
    if (coin()) run.start_time = coin() ? run.started_at : any();
    if (coin()) run.finished_at = coin() ? run.started_at + 5 : any();
    run.duration_ms = coin() ? std::optional<std::int64_t>(5) : number();
    if (coin()) {
      run.error.emplace();
      run.error->code = text();
      run.error->message = text();
      run.error->node_id = text();
      run.error->extra_json = json();
    }
    run.node_id = text();
    run.organization_id = text();
    run.user_id = text();
    run.trigger_type = text();
    run.trigger_object = text();
    run.trigger_record_id = text();
    run.trigger_record_json = json();
    if (coin()) steps(run.started_at, run.steps.emplace());
    if (coin()) run.omitted_steps = std::int64_t(below(100));
    if (coin()) summary(run);
    if (coin()) suspension(run);
    for (std::uint64_t i = below(4); i > 0; --i) {
      run.labels.emplace_back(sample_.keep(word()), sample_.keep(word() + "=" + word()));
    }
    run.extra_json = json();
  }

 private:
  std::uint64_t below(std::uint64_t end) { return random_() % end; }
  bool coin() { return random_() % 2 == 0; }
  std::int64_t any() { return std::int64_t(random_()) >> below(64); }
  std::optional<std::int64_t> number() {
    if (below(3) == 0) return std::nullopt;
    return below(4) == 0 ? any() : std::int64_t(below(300));
  }
  std::optional<UnixMs> time(UnixMs near) {
    if (below(4) == 0) return std::nullopt;
    return below(8) == 0 ? any() : near + std::int64_t(below(50));
  }
  std::string word() {
    constexpr const char* kPieces[] = {"a", "node", "_1", "…", "𝄞", "邮件", "\"", "\\", "\n", "x"};
    std::string word;
    for (std::uint64_t i = below(6); i > 0; --i) word += kPieces[below(10)];
    if (below(20) == 0) word += std::string(1, '\0') + "after";
    if (below(20) == 0) word.append(below(700), 'l');
    return word;
  }
  OptionalText text() {
    if (below(3) == 0) return std::nullopt;
    return sample_.keep(word());
  }
  Text json() {
    if (below(3) != 0) return {};
    return sample_.keep("{\"k" + std::to_string(below(100)) + "\":[null,1.5,\"v\"]}");
  }
  void steps(UnixMs clock, std::vector<Step>& out) {
    out.resize(below(30));
    for (Step& step : out) {
      step.node_id = text();
      step.node_type = text();
      step.node_label = text();
      if (below(8) != 0) step.status = StepStatus(below(3));
      step.started_at = time(clock);
      step.duration_ms = number();
      step.completed_at = time(clock + 10);
      step.parent_node_id = text();
      step.region_kind = text();
      step.iteration = number();
      step.branch = number();
      step.retry_attempt = number();
      step.extra_json = json();
      if (below(4) == 0) step.error = StepError{text(), text(), text(), json()};
      if (below(4) == 0) {
        for (std::uint64_t i = below(3); i > 0; --i) step.warnings.emplace().push_back(Text("w"));
      }
      if (coin()) {
        step.metrics = StepMetrics{number(), number(), std::nullopt, json()};
        if (coin()) step.metrics->unmeasured_effect = coin();
      }
      if (below(4) == 0) step.skipped_by = SkippedBy{sample_.keep(word()), text(), text()};
      clock += std::int64_t(below(30));
    }
  }
  void summary(Run& run) {
    if (run.steps && coin()) {
      run.summary = summarize(*run.steps);
      return;
    }
    RunSummary& summary = run.summary.emplace();
    summary.selected = any();
    summary.unmeasured = any();
    summary.failed = number();
    if (coin()) summary.detail_omitted = coin();
    summary.extra_json = json();
    for (std::uint64_t i = below(4); i > 0; --i) {
      summary.nodes.push_back({sample_.keep(word()), sample_.keep(word()), text(),
                               StepStatus(below(3)), any(), any(), any(), number(), number(),
                               number()});
      summary.gates.push_back({sample_.keep(word()), sample_.keep(word()), text(), text(), any()});
    }
  }
  void suspension(Run& run) {
    const auto suspended = std::make_shared<SuspendedRun>();
    suspended->run_id = coin() ? run.run_id : sample_.keep(word());
    suspended->flow_name = coin() ? run.flow_name : sample_.keep(word());
    suspended->flow_version = coin() ? run.flow_version : number();
    suspended->node_id = text();
    suspended->node_type = text();
    suspended->variables_json = json();
    if (coin()) steps(run.started_at, suspended->steps.emplace());
    suspended->context_json = json();
    suspended->started_at = time(run.started_at);
    suspended->start_time = number();
    suspended->correlation = text();
    suspended->screen_json = json();
    suspended->extra_json = json();
    run.consumed_suspension = suspended;
  }

  SampleRun& sample_;
  std::mt19937_64 random_;
};

}  // namespace runlog::test
