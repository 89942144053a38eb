#include "server/run_tree.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "log/record.h"
#include "server/step_tree.h"

using namespace runlog;

namespace {

Step step(Text id, Text type, StepStatus status = StepStatus::kSuccess, std::int64_t ms = 10) {
  Step s;
  s.node_id = id;
  s.node_type = type;
  s.status = status;
  s.duration_ms = ms;
  return s;
}

Step inside(Step s, Text parent, std::optional<std::int64_t> iteration) {
  s.parent_node_id = parent;
  s.iteration = iteration;
  return s;
}

Step failed(Step s, Text code, Text message) {
  s.status = StepStatus::kFailure;
  s.error.emplace();
  s.error->code = code;
  s.error->message = message;
  return s;
}

std::string render(const std::vector<Step>& steps, RunTreeOptions options = {}) {
  return render_run_tree(steps, options, Screen());
}

std::vector<Step> loop_of(int iterations, int failing) {
  std::vector<Step> steps = {step("start", "start", StepStatus::kSuccess, 0), step("each", "loop")};
  if (failing >= 0) steps[1] = failed(steps[1], "EXECUTION_ERROR", "Node 'write' failed: no room");
  for (int i = 0; i < iterations; ++i) {
    steps.push_back(inside(step("read", "get_record"), "each", i));
    steps.push_back(inside(step("write", "update_record"), "each", i));
    if (i == failing) steps.back() = failed(steps.back(), "NODE_FAILURE", "no room");
  }
  return steps;
}

}  // namespace

TEST_CASE("a straight run is a list with durations and what each step did") {
  std::vector<Step> steps = {step("start", "start", StepStatus::kSuccess, 0),
                             step("get_record_1", "get_record", StepStatus::kSuccess, 1934),
                             step("notify", "notify", StepStatus::kSkipped, 0)};
  steps[1].metrics.emplace();
  steps[1].metrics->selected = 20;
  steps[2].skipped_by.emplace();
  steps[2].skipped_by->node_id = "gate";
  CHECK(render(steps) ==
        "✓ start         start         0 ms\n"
        "✓ get_record_1  get_record  1.93 s  selected 20\n"
        "– notify        notify        0 ms  skipped by gate\n");
}

TEST_CASE("the failing step is marked, with its error below it") {
  std::vector<Step> steps = {
      step("read", "get_record"),
      failed(step("write", "update_record"), "NODE_FAILURE", "connect\nETIMEDOUT")};
  RunTreeOptions options;
  options.failing_node = "write";
  CHECK(render(steps, options) ==
        "✓ read   get_record     10 ms\n"
        "✗ write  update_record  10 ms  ← the run failed here\n"
        "  NODE_FAILURE: connect ETIMEDOUT\n");
}

TEST_CASE("iterations without a failure are folded around the one that failed") {
  CHECK(render(loop_of(50, 41)) ==
        "✓ start      start           0 ms\n"
        "✗ each       loop           10 ms\n"
        "  ✓ iterations 0–40: 82 steps, 820 ms, none failed\n"
        "  iteration 41\n"
        "    ✓ read   get_record     10 ms\n"
        "    ✗ write  update_record  10 ms\n"
        "      NODE_FAILURE: no room\n"
        "  ✓ iterations 42–49: 16 steps, 160 ms, none failed\n");
}

TEST_CASE("of a loop in which nothing failed the first iteration is shown") {
  CHECK(render(loop_of(5, -1)) ==
        "✓ start      start           0 ms\n"
        "✓ each       loop           10 ms\n"
        "  iteration 0\n"
        "    ✓ read   get_record     10 ms\n"
        "    ✓ write  update_record  10 ms\n"
        "  ✓ iterations 1–4: 8 steps, 80 ms, none failed\n");
}

TEST_CASE("all iterations are shown when they are few, or asked for") {
  CHECK(render(loop_of(3, -1)).find("none failed") == std::string::npos);
  RunTreeOptions options;
  options.every_iteration = true;
  const std::string all = render(loop_of(50, 41), options);
  CHECK(all.find("none failed") == std::string::npos);
  CHECK(all.find("  iteration 49\n") != std::string::npos);
}

TEST_CASE("iterations that the engine left out are said to be missing") {
  std::vector<Step> steps = {step("each", "loop")};
  for (int i = 23; i < 25; ++i) steps.push_back(inside(step("read", "get_record"), "each", i));
  CHECK(render(steps).find("  iterations before 23 are not in the step log\n") !=
        std::string::npos);
}

TEST_CASE("folded ranges do not claim iterations that are not in the log") {
  std::vector<Step> steps = {step("each", "loop")};
  for (const int i : {0, 1, 2, 7, 8}) steps.push_back(inside(step("read", "get"), "each", i));
  const std::string text = render(steps);
  CHECK(text.find("iterations 1–2: 2 steps") != std::string::npos);
  CHECK(text.find("iterations 7–8: 2 steps") != std::string::npos);
}

TEST_CASE("a loop in a loop keeps each inner turn below its own outer turn") {
  std::vector<Step> steps = {step("outer", "loop")};
  for (int o = 0; o < 2; ++o) {
    steps.push_back(inside(step("inner", "loop"), "outer", o));
    for (int i = 0; i < 2; ++i) steps.push_back(inside(step("leaf", "http"), "inner", i));
  }
  const StepTree tree = build_step_tree(steps);
  CHECK(tree.roots == std::vector<std::size_t>{0});
  CHECK(tree.nodes[0].children == std::vector<std::size_t>{1, 4});
  CHECK(tree.nodes[1].children == std::vector<std::size_t>{2, 3});
  CHECK(tree.nodes[4].children == std::vector<std::size_t>{5, 6});
}

TEST_CASE("a container that is logged after what it contains is found") {
  const std::vector<Step> steps = {inside(step("leaf", "http"), "each", 0), step("each", "loop")};
  const StepTree tree = build_step_tree(steps);
  CHECK(tree.roots == std::vector<std::size_t>{1});
  CHECK(tree.nodes[1].children == std::vector<std::size_t>{0});
}

TEST_CASE("a step whose container is missing stands on its own and says where it belongs") {
  CHECK(render({inside(step("leaf", "http"), "each", 3)}) == "✓ leaf  http  10 ms  in each\n");
}

TEST_CASE("containers that contain each other do not hang or lose steps") {
  const std::vector<Step> steps = {inside(step("a", "loop"), "b", 0),
                                   inside(step("b", "loop"), "a", 0),
                                   inside(step("c", "loop"), "c", 0)};
  const std::string text = render(steps);
  for (const char* id : {"✓ a ", "✓ b ", "✓ c "}) CHECK(text.find(id) != std::string::npos);
}

TEST_CASE("nesting without end is flattened and loses no step") {
  constexpr std::size_t kSteps = 5000;
  TextArena arena;
  std::vector<Step> down, up;
  for (std::size_t i = 0; i < kSteps; ++i) {
    Step s = step(arena.keep(fmt::format("n{}", i)), "loop");
    if (i > 0) s.parent_node_id = down.back().node_id;
    down.push_back(s);
  }
  up.assign(down.rbegin(), down.rend());  // containers after their contents
  for (const auto& steps : {down, up}) {
    const StepTree tree = build_step_tree(steps);
    std::size_t placed = tree.roots.size();
    for (const auto& node : tree.nodes) placed += node.children.size();
    CHECK(placed == kSteps);
    CHECK(tree.roots.size() > 1);
    CHECK_FALSE(render(steps).empty());
  }
}

TEST_CASE("a step without any field still is a line") {
  CHECK(render({Step{}}) == "? (no node id)\n");
}

TEST_CASE("without UTF-8 the marks are ASCII") {
  Screen screen;
  screen.utf8 = false;
  const std::string text = render_run_tree(loop_of(50, 41), {}, screen);
  for (const char c : text) CHECK(static_cast<unsigned char>(c) < 0x80);
  CHECK(text.find("  + iterations 0-40") != std::string::npos);
}
