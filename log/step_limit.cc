#include "log/step_limit.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "log/step_columns.h"

namespace runlog {
namespace {

std::size_t size_of(const OptionalText& text) { return text ? text->size() : 0; }

// About what a step takes in the body; the names that become symbols count as nothing.
std::size_t step_bytes(const Step& step) {
  std::size_t bytes = 16 + step.extra_json.size();
  if (step.error) {
    bytes += size_of(step.error->code) + size_of(step.error->message) +
             size_of(step.error->stack) + step.error->extra_json.size();
  }
  if (step.warnings) {
    for (const Text warning : *step.warnings) bytes += 8 + warning.size();
  }
  if (step.metrics) bytes += step.metrics->extra_json.size();
  const std::size_t names[] = {size_of(step.node_id), size_of(step.node_type),
                               size_of(step.node_label), size_of(step.parent_node_id),
                               size_of(step.region_kind)};
  for (const std::size_t name : names) bytes += name > kMaxNameBytes ? name : 0;
  return bytes;
}

class Chooser {
 public:
  Chooser(const std::vector<Step>& steps, std::size_t max_steps, std::size_t max_bytes)
      : steps_(steps), steps_left_(max_steps), bytes_left_(max_bytes), chosen_(steps.size()) {}

  void choose() {
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (steps_[i].node_id) places_[*steps_[i].node_id].push_back(i);
    }
    newest_first([&](std::size_t i) {
      if (steps_[i].status == StepStatus::kFailure) take_with_containers(i);
    });
    newest_first([&](std::size_t i) {
      if (!steps_[i].parent_node_id) take(i);
    });
    newest_first([&](std::size_t i) { take(i); });
  }
  bool is_chosen(std::size_t index) const { return chosen_[index]; }

 private:
  template <typename Visit>
  void newest_first(Visit&& visit) {
    for (std::size_t i = steps_.size(); i-- > 0;) visit(i);
  }

  // False if the step is in already or has no room.
  bool take(std::size_t index) {
    if (chosen_[index] || steps_left_ == 0) return false;
    const std::size_t bytes = step_bytes(steps_[index]);
    if (bytes > bytes_left_) return false;
    --steps_left_;
    bytes_left_ -= bytes;
    chosen_[index] = true;
    return true;
  }

  void take_with_containers(std::size_t index) {
    // Taking a step ends the walk where containers name each other in a circle.
    while (take(index) && steps_[index].parent_node_id) {
      const auto place = places_.find(*steps_[index].parent_node_id);
      if (place == places_.end()) return;
      // The container's step that is the last one before this, else the first one after it.
      const std::vector<std::size_t>& at = place->second;
      const auto after = std::upper_bound(at.begin(), at.end(), index);
      index = after == at.begin() ? at.front() : *(after - 1);
    }
  }

  const std::vector<Step>& steps_;
  std::size_t steps_left_;
  std::size_t bytes_left_;
  std::vector<bool> chosen_;
  std::unordered_map<std::string_view, std::vector<std::size_t>> places_;
};

}  // namespace

std::size_t choose_steps(const std::vector<Step>& steps, const RunLimits& limits,
                         std::vector<const Step*>& kept) {
  kept.clear();
  const std::size_t max_steps = std::min(limits.max_steps, kMaxStoredSteps);
  std::size_t bytes = 0;
  for (const Step& step : steps) {
    bytes += step_bytes(step);
    kept.push_back(&step);
  }
  if (steps.size() <= max_steps && bytes <= limits.max_steps_bytes) return 0;
  Chooser chooser(steps, max_steps, limits.max_steps_bytes);
  chooser.choose();
  kept.clear();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (chooser.is_chosen(i)) kept.push_back(&steps[i]);
  }
  return steps.size() - kept.size();
}

}  // namespace runlog
