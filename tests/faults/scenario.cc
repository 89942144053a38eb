#include "tests/faults/scenario.h"

#include <array>
#include <cstdio>
#include <random>
#include <sstream>
#include <stdexcept>

namespace runlog::faults {
namespace {

constexpr UnixMs kFirstStart = 1'790'000'000'000;
constexpr std::array<const char*, 4> kFlows = {"invoice_sync", "nightly_report", "lead_routing",
                                               "超時檢查"};

std::string hex(std::mt19937_64& random, std::size_t length) {
  std::string text(length, '0');
  for (char& digit : text) digit = "0123456789abcdef"[random() % 16];
  return text;
}

std::string make_id(std::uint64_t seed, unsigned thread, std::size_t number) {
  if (number % 7 == 3)
    return "run-" + std::to_string(seed) + "-" + std::to_string(thread) + "-" +
           std::to_string(number);
  std::mt19937_64 random(seed * 1'000'003 + thread * 7919 + number);
  return hex(random, 8) + "-" + hex(random, 4) + "-4" + hex(random, 3) + "-a" + hex(random, 3) +
         "-" + hex(random, 12);
}

std::vector<Step> make_steps(TextArena& arena, std::mt19937_64& random, UnixMs start,
                             bool failed) {
  std::vector<Step> steps(random() % 6);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    Step& step = steps[i];
    step.node_id = arena.keep("node_" + std::to_string(random() % 9));
    step.node_type = i % 2 == 0 ? "update_record" : "decision";
    step.status = StepStatus::kSuccess;
    step.started_at = start + static_cast<UnixMs>(i) * 10;
    step.duration_ms = static_cast<std::int64_t>(random() % 40);
    step.completed_at = *step.started_at + *step.duration_ms;
    if (!failed || i + 1 != steps.size()) continue;
    step.status = StepStatus::kFailure;
    step.error = StepError{};
    step.error->code = "TIMEOUT";
    step.error->message = arena.keep("no answer from " + hex(random, 12));
  }
  return steps;
}

}  // namespace

MadeRun make_run(std::string_view run_id, std::uint64_t content) {
  MadeRun made;
  TextArena& arena = *made.arena;
  Run& run = made.run;
  std::mt19937_64 random(content * 2'654'435'761u + 17);
  run.run_id = arena.keep(std::string(run_id));
  run.flow_name = kFlows[random() % kFlows.size()];
  run.flow_version = static_cast<std::int64_t>(random() % 5);
  run.status = static_cast<RunStatus>(random() % kRunStatusCount);
  run.started_at = kFirstStart + static_cast<UnixMs>(content % 100'000'000);
  run.duration_ms = static_cast<std::int64_t>(random() % 5000);
  run.finished_at = run.started_at + *run.duration_ms;
  run.user_id = arena.keep("user_" + std::to_string(random() % 6));
  run.trigger_type = "record_change";
  run.trigger_object = "invoice";
  run.trigger_record_id = arena.keep("rec_" + hex(random, 6));
  const bool failed = run.status == RunStatus::kFailed;
  run.steps = make_steps(arena, random, run.started_at, failed);
  if (failed) {
    run.error = RunError{};
    run.error->code = "TIMEOUT";
    run.error->message = arena.keep("node gave up after " + std::to_string(content) + " ms");
    run.error->node_id = "node_1";
  }
  // Some are too large for a page of LMDB, so that runs of pages are written too.
  const std::size_t noise = random() % 12 == 0 ? 3000 + random() % 6000 : random() % 80;
  run.trigger_record_json = arena.keep("{\"content\":\"" + std::to_string(content) +
                                       "\",\"noise\":\"" + hex(random, noise) + "\"}");
  return made;
}

std::vector<PlannedBatch> plan_batches(std::uint64_t seed, unsigned thread, std::size_t count) {
  std::mt19937_64 random(seed * 31 + thread);
  std::vector<PlannedBatch> batches(count);
  std::vector<PlannedAppend> earlier;
  for (PlannedBatch& batch : batches) {
    const std::size_t size = random() % 3 == 0 ? 1 : 1 + random() % 7;
    for (std::size_t i = 0; i < size; ++i) {
      const std::uint64_t content = (seed * 16 + thread) * 1'000'000 + earlier.size();
      const unsigned choice = random() % 100;
      PlannedAppend append{make_id(seed, thread, earlier.size()), content};
      if (!earlier.empty() && choice < 24) {
        const PlannedAppend& old = earlier[random() % earlier.size()];
        append.run_id = old.run_id;
        if (choice < 12) append.content = old.content;
      }
      earlier.push_back(append);
      batch.push_back(append);
    }
  }
  return batches;
}

LogOptions small_log_options() {
  LogOptions options;
  options.segment_runs = 40;
  options.merge_fanout = 3;
  options.retention = RetentionPolicy();
  return options;
}

// ---- what may be found ------------------------------------------------------------------------

namespace {

void apply_batch(VisibleRuns& runs, const PlannedBatch& batch) {
  for (const PlannedAppend& append : batch) runs[append.run_id] = append.content;
}

// How `found` differs from `wanted`, in one line; empty if it does not.
std::string difference(const VisibleRuns& wanted, const VisibleRuns& found) {
  for (const auto& [id, content] : wanted) {
    const auto there = found.find(id);
    if (there == found.end()) return "run " + id + " is missing";
    if (there->second != content)
      return "run " + id + " has content " + std::to_string(there->second) + " instead of " +
             std::to_string(content);
  }
  for (const auto& [id, content] : found)
    if (!wanted.contains(id)) return "run " + id + " is there and should not be";
  return "";
}

}  // namespace

ExpectedRuns::ExpectedRuns(std::uint64_t seed, unsigned threads, std::size_t batches) {
  for (unsigned i = 0; i < threads; ++i)
    threads_.push_back({plan_batches(seed, i, batches), 0, {VisibleRuns{}}});
}

void ExpectedRuns::take(const std::string& lines) {
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) {
    char kind = 0;
    unsigned number = 0;
    std::size_t batch = 0;
    if (std::sscanf(line.c_str(), "%c %u %zu", &kind, &number, &batch) != 3) continue;
    if (kind != 'A' && kind != 'U') continue;
    Thread& thread = threads_.at(number);
    if (batch != thread.next) throw std::runtime_error("out of order: " + line);
    ++thread.next;
    std::set<VisibleRuns> possible;
    for (VisibleRuns state : thread.possible) {
      if (kind == 'U') possible.insert(state);
      apply_batch(state, thread.batches.at(batch));
      possible.insert(std::move(state));
    }
    thread.possible = std::move(possible);
    if (kind == 'A') ++acknowledged_;
  }
}

std::string ExpectedRuns::judge(const VisibleRuns& found) const {
  VisibleRuns left = found;
  for (const auto& [id, content] : before_) left.erase(id);
  if (std::string wrong = difference(before_, found);
      !wrong.empty() && !wrong.ends_with("should not be"))
    return "of those that were there before, " + wrong;
  for (std::size_t i = 0; i < threads_.size(); ++i) {
    const Thread& thread = threads_[i];
    std::set<std::string> ids;
    for (const PlannedBatch& batch : thread.batches)
      for (const PlannedAppend& append : batch) ids.insert(append.run_id);
    VisibleRuns own;
    for (const std::string& id : ids)
      if (auto node = left.extract(id)) own.insert(std::move(node));
    std::string wrong;
    for (VisibleRuns state : thread.possible) {
      wrong = difference(state, own);
      if (wrong.empty()) break;
      if (thread.next == thread.batches.size()) continue;
      apply_batch(state, thread.batches[thread.next]);
      if (difference(state, own).empty()) {
        wrong.clear();
        break;
      }
    }
    if (!wrong.empty())
      return "thread " + std::to_string(i) + ", " + std::to_string(thread.next) +
             " batches acknowledged: " + wrong;
  }
  if (!left.empty()) return "run " + left.begin()->first + " was never appended";
  return "";
}

}  // namespace runlog::faults
