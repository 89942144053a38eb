#include <catch2/catch.hpp>

#include "tests/sample_run.h"

namespace runlog {
namespace {

Step step_of(Text id, StepStatus status) {
  Step step;
  step.node_id = id;
  step.node_type = "type";
  step.status = status;
  return step;
}

}  // namespace

TEST_CASE("no steps add up to an empty summary that says no failure") {
  const RunSummary summary = summarize({});
  CHECK(summary.nodes.empty());
  CHECK(summary.gates.empty());
  CHECK(summary.failed == 0);
}

TEST_CASE("a node that ran several times is one entry with its worst status") {
  std::vector<Step> steps = {step_of("a", StepStatus::kSuccess), step_of("b", StepStatus::kSuccess),
                             step_of("a", StepStatus::kFailure), step_of("b", StepStatus::kSkipped),
                             step_of("c", StepStatus::kSkipped)};
  steps[0].metrics.emplace().selected = 0;
  steps[2].metrics.emplace().selected = 3;
  steps[1].metrics.emplace().acted = 2;
  steps[1].metrics->unmeasured_effect = true;
  steps[3].metrics.emplace().acted = 100;
  steps[0].node_label = "";
  const RunSummary summary = summarize(steps);
  REQUIRE(summary.nodes.size() == 3);
  CHECK(summary.nodes[0].node_id == "a");
  CHECK(summary.nodes[0].status == StepStatus::kFailure);
  CHECK(summary.nodes[0].runs == 2);
  CHECK(summary.nodes[0].failures == 1);
  CHECK(summary.nodes[0].selected == 3);
  CHECK_FALSE(summary.nodes[0].acted);
  CHECK_FALSE(summary.nodes[0].node_label);
  CHECK(summary.nodes[1].status == StepStatus::kSuccess);
  CHECK(summary.nodes[1].skipped == 1);
  CHECK(summary.nodes[1].acted == 2);
  CHECK(summary.nodes[1].unmeasured == 1);
  CHECK(summary.nodes[2].status == StepStatus::kSkipped);
  CHECK(summary.nodes[2].runs == 0);
  CHECK(summary.selected == 3);
  CHECK(summary.acted == 2);
  CHECK(summary.skipped == 2);
  CHECK(summary.unmeasured == 1);
  CHECK(summary.failed == 1);
}

TEST_CASE("gates count what they closed off, the one that closed most often first") {
  std::vector<Step> steps;
  const auto skip = [&](Text node, OptionalText edge) {
    Step& step = steps.emplace_back(step_of(node, StepStatus::kSkipped));
    step.skipped_by = SkippedBy{"gate", edge, "when big"};
  };
  skip("a", "e1");
  skip("b", "e2");
  skip("b", "e2");
  skip("a", "");
  steps.push_back(step_of("d", StepStatus::kSkipped));
  const RunSummary summary = summarize(steps);
  REQUIRE(summary.gates.size() == 3);
  CHECK(summary.gates[0].target_node_id == "b");
  CHECK(summary.gates[0].skipped == 2);
  CHECK(summary.gates[0].label == "when big");
  CHECK(summary.gates[1].edge_id == "e1");
  CHECK_FALSE(summary.gates[2].edge_id);
  CHECK(summary.skipped == 5);
}

TEST_CASE("many nodes are told apart as well as few") {
  test::SampleRun sample;
  std::vector<Step> steps;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 200; ++i) {
      steps.push_back(step_of(sample.keep("n" + std::to_string(i * 7 % 200)), StepStatus::kSuccess));
    }
  }
  const RunSummary summary = summarize(steps);
  REQUIRE(summary.nodes.size() == 200);
  for (const NodeSummary& node : summary.nodes) CHECK(node.runs == 3);
}

TEST_CASE("an error without code and node takes them from the step where it began") {
  test::SampleRun sample;
  make_failed_run(sample);
  Run& run = sample.run;
  CHECK(run.error->code == "NODE_FAILURE");
  CHECK(run.error->node_id == "body_1");

  // The container comes last: its failing child is the origin all the same.
  std::vector<Step> reordered;
  for (const Step& step : *run.steps) {
    if (step.node_id != "each") reordered.push_back(step);
  }
  reordered.push_back(run.steps->at(2));
  run.steps = reordered;
  run.error->code.reset();
  run.error->node_id.reset();
  derive_error(run);
  CHECK(run.error->code == "NODE_FAILURE");
  CHECK(run.error->node_id == "body_1");

  run.error->code = "GIVEN";
  run.error->node_id.reset();
  derive_error(run);
  CHECK(run.error->code == "GIVEN");
  CHECK(run.error->node_id == "body_1");
}

TEST_CASE("containers that name each other in a circle end the search for the origin") {
  Run run;
  run.error.emplace();
  run.steps.emplace();
  for (const auto& [id, parent] : {std::pair("a", "b"), std::pair("b", "a")}) {
    run.steps->push_back(step_of(id, StepStatus::kFailure));
    run.steps->back().parent_node_id = parent;
  }
  derive_error(run);
  CHECK(run.error->node_id);
}

TEST_CASE("a run that did not fail, or has no steps, gets no error of its own") {
  Run run;
  derive_error(run);
  CHECK_FALSE(run.error);
  run.error.emplace();
  derive_error(run);
  CHECK_FALSE(run.error->node_id);
  run.steps.emplace().push_back(step_of("a", StepStatus::kSuccess));
  derive_error(run);
  CHECK_FALSE(run.error->node_id);
}

}  // namespace runlog
