// Adds steps up to a run's summary; summarize() in log/record.h for steps that come one by one.
#pragma once

#include <string_view>
#include <unordered_map>

#include "log/run.h"

namespace runlog {

class SummaryFold {
 public:
  // Empties `out`, which keeps its room, and adds to it.
  explicit SummaryFold(RunSummary& out);
  void add(const Step& step);
  // Decides what depends on all steps. Call once, after the last step.
  void finish();

 private:
  NodeSummary& node_of(const Step& step);
  void count_gate(const Step& step);

  RunSummary& out_;
  std::size_t node_ = 0;  // of the step before; a loop's steps come in turn
  std::uint64_t seen_ = 0;  // a bit for each node's id, so that most new ones are known to be new
  std::unordered_map<std::string_view, std::size_t> places_;  // used once there are many nodes
};

}  // namespace runlog
