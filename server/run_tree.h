// A run's steps as an indented tree: what a loop or a branch contains stands below it, by
// iteration; iterations in which nothing failed are folded, so that the failure is in sight.
#pragma once

#include <string>
#include <vector>

#include "log/run.h"
#include "server/console.h"

namespace runlog {

struct RunTreeOptions {
  bool every_iteration = false;  // fold nothing
  OptionalText failing_node;     // the run's error.nodeId: its step gets an arrow
};

std::string render_run_tree(const std::vector<Step>& steps, const RunTreeOptions& options,
                            const Screen& screen);

}  // namespace runlog
