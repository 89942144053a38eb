// What the paused driver does, so that a test can say what a log must hold after a crash: a sequence
// of operations that its seed alone decides, and what they leave.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace runlog::faults {

struct PausedStep {
  enum class Kind { kSave, kClaim, kErase, kComplete, kAppend } kind{};
  std::string run_id;
  std::int64_t content = 0;  // the flow version of what is saved or ends
};

inline std::vector<PausedStep> plan_paused(std::uint64_t seed, std::size_t count) {
  std::mt19937_64 random(seed);
  std::vector<PausedStep> steps;
  for (std::size_t i = 0; i < count; ++i) {
    constexpr PausedStep::Kind kKinds[] = {PausedStep::Kind::kSave,     PausedStep::Kind::kSave,
                                           PausedStep::Kind::kSave,     PausedStep::Kind::kClaim,
                                           PausedStep::Kind::kClaim,    PausedStep::Kind::kErase,
                                           PausedStep::Kind::kComplete, PausedStep::Kind::kComplete,
                                           PausedStep::Kind::kAppend};
    steps.push_back({kKinds[random() % 9], "run_" + std::to_string(random() % 6),
                     std::int64_t(random() % 4)});
  }
  return steps;
}

struct PausedContent {
  // id → content, and whether it was claimed.
  std::map<std::string, std::pair<std::int64_t, bool>> paused;
  std::map<std::string, std::int64_t> records;
  friend bool operator==(const PausedContent&, const PausedContent&) = default;

  void apply(const PausedStep& step) {
    const auto one = paused.find(step.run_id);
    switch (step.kind) {
      case PausedStep::Kind::kSave: paused[step.run_id] = {step.content, false}; return;
      case PausedStep::Kind::kClaim:
        if (one != paused.end()) one->second.second = true;
        return;
      case PausedStep::Kind::kErase: paused.erase(step.run_id); return;
      case PausedStep::Kind::kComplete:
        paused.erase(step.run_id);
        records[step.run_id] = step.content;
        return;
      case PausedStep::Kind::kAppend: {
        // The same record again is none, so it ends no pause that came after it.
        const auto before = records.find(step.run_id);
        if (before != records.end() && before->second == step.content) return;
        paused.erase(step.run_id);
        records[step.run_id] = step.content;
        return;
      }
    }
  }
};

}  // namespace runlog::faults
