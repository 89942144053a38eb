// Which step contains which. A step names its container by node id only, and a node runs as often
// as loops around it turn, so the container is the latest step of that node logged before; or, when
// an engine logs containers at their end, the first one after.
#pragma once

#include <cstddef>
#include <vector>

#include "log/run.h"

namespace runlog {

struct StepTree {
  struct Node {
    std::vector<std::size_t> children;  // positions in the step log, in its order
    bool failed = false;                // the step, or one below it
    bool orphan = false;                // names a container that is not in the log
  };
  std::vector<Node> nodes;         // one for each step
  std::vector<std::size_t> roots;  // steps without a container, and orphans
};

// Deeper nesting is flattened, so that walking the tree needs little stack whatever the log says.
inline constexpr unsigned kMaxStepDepth = 64;

StepTree build_step_tree(const std::vector<Step>& steps);

}  // namespace runlog
