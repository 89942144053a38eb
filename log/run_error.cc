// Where a failed run failed.
#include <algorithm>

#include "log/record.h"

namespace runlog {
namespace {

const Step* last_failure(const std::vector<Step>& steps, const Step* inside) {
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    if (step->status != StepStatus::kFailure || &*step == inside) continue;
    if (inside == nullptr || step->parent_node_id == inside->node_id) return &*step;
  }
  return nullptr;
}

}  // namespace

void derive_error(Run& run) {
  if (!run.error || !run.steps || (run.error->code && run.error->node_id)) return;
  const Step* origin = last_failure(*run.steps, nullptr);
  if (origin == nullptr) return;
  // A container fails because a step inside it does; the bound ends circles.
  for (std::size_t depth = 0; depth < run.steps->size() && origin->node_id; ++depth) {
    const Step* inner = last_failure(*run.steps, origin);
    if (inner == nullptr) break;
    origin = inner;
  }
  if (!run.error->code && origin->error) run.error->code = origin->error->code;
  if (!run.error->node_id) run.error->node_id = origin->node_id;
}

}  // namespace runlog
