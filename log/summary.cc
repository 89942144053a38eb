#include <algorithm>
#include <cstring>

#include "log/record.h"
#include "log/summary_fold.h"
#include "log/varint.h"

namespace runlog {
namespace {

// Up to so many nodes a scan is quicker than a hash table.
constexpr std::size_t kScanNodes = 24;

OptionalText unless_empty(const OptionalText& text) {
  return text && !text->empty() ? text : std::nullopt;
}

bool is_same(std::string_view a, std::string_view b) {
  // Names come from one table, so that equal ones mostly are the same bytes.
  return a.size() == b.size() && (a.data() == b.data() || a == b);
}

// One of 64 bits, by what ids mostly differ in: their end and their length.
std::uint64_t bit_of(std::string_view id) {
  std::uint64_t end = 0;
  const std::size_t bytes = std::min(id.size(), sizeof end);
  if (bytes > 0) std::memcpy(&end, id.data() + id.size() - bytes, bytes);
  return 1ull << ((end + id.size()) * 0x9e3779b97f4a7c15ull >> 58);
}

}  // namespace

SummaryFold::SummaryFold(RunSummary& out) : out_(out) {
  out_.selected = out_.acted = out_.skipped = out_.unmeasured = 0;
  out_.failed = 0;
  out_.nodes.clear();
  out_.gates.clear();
  out_.detail_omitted.reset();
  out_.extra_json = {};
}

NodeSummary& SummaryFold::node_of(const Step& step) {
  const std::string_view id = step.node_id.value_or(std::string_view());
  std::vector<NodeSummary>& nodes = out_.nodes;
  if (++node_ >= nodes.size()) node_ = 0;
  if (node_ < nodes.size() && is_same(nodes[node_].node_id, id)) return nodes[node_];
  const std::uint64_t bit = bit_of(id);
  const bool may_be_known = (seen_ & bit) != 0;
  seen_ |= bit;
  if (nodes.size() <= kScanNodes) {
    for (node_ = may_be_known ? 0 : nodes.size(); node_ < nodes.size(); ++node_) {
      if (is_same(nodes[node_].node_id, id)) return nodes[node_];
    }
  } else {
    if (places_.empty()) {
      for (std::size_t i = 0; i < nodes.size(); ++i) places_.emplace(nodes[i].node_id, i);
    }
    const auto [place, is_new] = places_.try_emplace(id, nodes.size());
    node_ = place->second;
    if (!is_new) return nodes[node_];
  }
  if (nodes.empty()) nodes.reserve(8);
  NodeSummary& node = nodes.emplace_back();
  node.node_id = id;
  node.node_type = step.node_type.value_or(std::string_view());
  node.node_label = unless_empty(step.node_label);
  return node;
}

void SummaryFold::count_gate(const Step& step) {
  if (!step.skipped_by) return;
  const SkippedBy& by = *step.skipped_by;
  const OptionalText edge = unless_empty(by.edge_id);
  const std::string_view target = step.node_id.value_or(std::string_view());
  for (GateSummary& gate : out_.gates) {
    if (gate.node_id == by.node_id && gate.edge_id == edge && gate.target_node_id == target) {
      ++gate.skipped;
      return;
    }
  }
  out_.gates.push_back({by.node_id, target, edge, unless_empty(by.label), 1});
}

void SummaryFold::add(const Step& step) {
  NodeSummary& node = node_of(step);
  if (step.status == StepStatus::kSkipped) {
    // A gate closed in front of the node: it neither ran nor failed.
    ++node.skipped;
    ++out_.skipped;
    count_gate(step);
    return;
  }
  ++node.runs;
  if (step.status == StepStatus::kFailure) {
    ++node.failures;
    ++*out_.failed;
  }
  if (!step.metrics) return;
  const StepMetrics& metrics = *step.metrics;
  if (metrics.selected) {
    node.selected = plus(node.selected.value_or(0), *metrics.selected);
    out_.selected = plus(out_.selected, *metrics.selected);
  }
  if (metrics.acted) {
    node.acted = plus(node.acted.value_or(0), *metrics.acted);
    out_.acted = plus(out_.acted, *metrics.acted);
  }
  if (metrics.unmeasured_effect.value_or(false)) {
    node.unmeasured = node.unmeasured.value_or(0) + 1;
    ++out_.unmeasured;
  }
}

void SummaryFold::finish() {
  for (NodeSummary& node : out_.nodes) {
    // The worst outcome of a node's executions is the node's.
    node.status = node.failures > 0 ? StepStatus::kFailure
                  : node.runs > 0   ? StepStatus::kSuccess
                                    : StepStatus::kSkipped;
  }
  std::stable_sort(
      out_.gates.begin(), out_.gates.end(),
      [](const GateSummary& a, const GateSummary& b) { return a.skipped > b.skipped; });
}

RunSummary summarize(const std::vector<Step>& steps) {
  RunSummary summary;
  SummaryFold fold(summary);
  for (const Step& step : steps) fold.add(step);
  fold.finish();
  return summary;
}

}  // namespace runlog
