#include "server/step_tree.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

namespace runlog {
namespace {

constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

using StepsByNode = std::unordered_map<std::string_view, std::vector<std::size_t>>;

StepsByNode steps_by_node(const std::vector<Step>& steps) {
  StepsByNode by_node;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].node_id) by_node[*steps[i].node_id].push_back(i);
  }
  return by_node;
}

std::size_t container_of(std::size_t step, Text parent, const StepsByNode& by_node) {
  const auto found = by_node.find(parent);
  if (found == by_node.end()) return kNone;
  const std::vector<std::size_t>& places = found->second;
  const auto after = std::lower_bound(places.begin(), places.end(), step);
  if (after != places.begin()) return *(after - 1);
  const auto later = after != places.end() && *after == step ? after + 1 : after;
  return later == places.end() ? kNone : *later;
}

struct Ancestry {
  std::vector<std::size_t> parents;
  std::vector<unsigned> heights;  // of what stands below a step; 0 for a leaf
};

// Puts `step` below `container`, unless that makes a circle or a tree that is too deep. All walks
// are as short as the depth limit.
bool attach(std::size_t step, std::size_t container, Ancestry& ancestry) {
  unsigned depth = 1;
  for (std::size_t at = container; at != kNone; at = ancestry.parents[at], ++depth) {
    if (at == step) return false;
  }
  if (depth + ancestry.heights[step] > kMaxStepDepth) return false;
  ancestry.parents[step] = container;
  unsigned height = ancestry.heights[step];
  for (std::size_t at = container; at != kNone; at = ancestry.parents[at]) {
    ancestry.heights[at] = std::max(ancestry.heights[at], ++height);
  }
  return true;
}

}  // namespace

StepTree build_step_tree(const std::vector<Step>& steps) {
  StepTree tree;
  tree.nodes.resize(steps.size());
  const StepsByNode by_node = steps_by_node(steps);
  Ancestry ancestry{std::vector<std::size_t>(steps.size(), kNone),
                    std::vector<unsigned>(steps.size(), 0)};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (!steps[i].parent_node_id) continue;
    const std::size_t container = container_of(i, *steps[i].parent_node_id, by_node);
    tree.nodes[i].orphan = container == kNone || !attach(i, container, ancestry);
  }
  const std::vector<std::size_t>& parents = ancestry.parents;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    (parents[i] == kNone ? tree.roots : tree.nodes[parents[i]].children).push_back(i);
    if (steps[i].status != StepStatus::kFailure) continue;
    for (std::size_t at = i; at != kNone && !tree.nodes[at].failed; at = parents[at]) {
      tree.nodes[at].failed = true;
    }
  }
  return tree;
}

}  // namespace runlog
