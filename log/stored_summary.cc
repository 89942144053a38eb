#include "log/stored_summary.h"

#include "log/stored_text.h"

namespace runlog {
namespace {

// Persistent: never renumber. Bits of Summary.flags.
enum SummaryFlag : std::uint32_t {
  kHasFailed = 1 << 0,
  kHasDetailOmitted = 1 << 1,
  kDetailOmitted = 1 << 2,
};

// Persistent: never renumber. Bits of Summary.Node.flags.
enum NodeFlag : std::uint8_t {
  kHasSelected = 1 << 0,
  kHasActed = 1 << 1,
  kHasUnmeasured = 1 << 2,
};

void write_node(const NodeSummary& node, SymbolWriter& symbols,
                stored::Summary::Node::Builder out) {
  const Symbol shape =
      symbols.shape(NameKind::kStepShape, {node.node_id, node.node_type, node.node_label});
  out.setShape(shape);
  if (shape == 0) {
    RUNLOG_SET_TEXT(out, NodeId, node.node_id);
    RUNLOG_SET_TEXT(out, NodeType, node.node_type);
    if (node.node_label) RUNLOG_SET_TEXT(out, NodeLabel, *node.node_label);
  }
  out.setStatus(std::uint8_t(node.status));
  out.setRuns(node.runs);
  out.setFailures(node.failures);
  out.setSkipped(node.skipped);
  unsigned flags = 0;
  if (node.selected) flags |= kHasSelected;
  if (node.acted) flags |= kHasActed;
  if (node.unmeasured) flags |= kHasUnmeasured;
  out.setFlags(std::uint8_t(flags));
  out.setSelected(node.selected.value_or(0));
  out.setActed(node.acted.value_or(0));
  out.setUnmeasured(node.unmeasured.value_or(0));
}

void write_gate(const GateSummary& gate, SymbolWriter& symbols,
                stored::Summary::Gate::Builder out) {
  const auto check = [&](std::string_view text) {
    symbols.check_free_text("summary.gates", text);
    return text;
  };
  out.setSkipped(gate.skipped);
  RUNLOG_SET_TEXT(out, NodeId, check(gate.node_id));
  RUNLOG_SET_TEXT(out, TargetNodeId, check(gate.target_node_id));
  if (gate.edge_id) RUNLOG_SET_TEXT(out, EdgeId, check(*gate.edge_id));
  if (gate.label) RUNLOG_SET_TEXT(out, Label, check(*gate.label));
}

void read_node(stored::Summary::Node::Reader stored, NameReader& names, NodeSummary& out) {
  if (stored.getShape() == 0) {
    out.node_id = RUNLOG_GET_TEXT(stored, NodeId);
    out.node_type = RUNLOG_GET_TEXT(stored, NodeType);
    out.node_label = RUNLOG_GET_OPTIONAL(stored, NodeLabel);
  } else if (const auto shape = shape_of(names.name(NameKind::kStepShape, stored.getShape()))) {
    out.node_id = shape->node_id.value_or(std::string_view());
    out.node_type = shape->node_type.value_or(std::string_view());
    out.node_label = shape->node_label;
  }
  out.status = StepStatus(stored.getStatus());
  out.runs = stored.getRuns();
  out.failures = stored.getFailures();
  out.skipped = stored.getSkipped();
  const std::uint8_t flags = stored.getFlags();
  if (flags & kHasSelected) out.selected = stored.getSelected();
  if (flags & kHasActed) out.acted = stored.getActed();
  if (flags & kHasUnmeasured) out.unmeasured = stored.getUnmeasured();
}

}  // namespace

void write_summary(const RunSummary& summary, SymbolWriter& symbols,
                   stored::Summary::Builder out) {
  out.setSelected(summary.selected);
  out.setActed(summary.acted);
  out.setSkipped(summary.skipped);
  out.setUnmeasured(summary.unmeasured);
  std::uint32_t flags = 0;
  if (summary.failed) flags |= kHasFailed;
  if (summary.detail_omitted) flags |= kHasDetailOmitted;
  if (summary.detail_omitted.value_or(false)) flags |= kDetailOmitted;
  out.setFlags(flags);
  out.setFailed(summary.failed.value_or(0));
  auto nodes = out.initNodes(unsigned(summary.nodes.size()));
  for (unsigned i = 0; i < nodes.size(); ++i) write_node(summary.nodes[i], symbols, nodes[i]);
  auto gates = out.initGates(unsigned(summary.gates.size()));
  for (unsigned i = 0; i < gates.size(); ++i) write_gate(summary.gates[i], symbols, gates[i]);
  if (!summary.extra_json.empty()) {
    symbols.check_free_text("summary", summary.extra_json);
    RUNLOG_SET_TEXT(out, Extra, summary.extra_json);
  }
}

void read_summary(stored::Summary::Reader stored, NameReader& names, RunSummary& out) {
  out.selected = stored.getSelected();
  out.acted = stored.getActed();
  out.skipped = stored.getSkipped();
  out.unmeasured = stored.getUnmeasured();
  const std::uint32_t flags = stored.getFlags();
  if (flags & kHasFailed) out.failed = stored.getFailed();
  if (flags & kHasDetailOmitted) out.detail_omitted = (flags & kDetailOmitted) != 0;
  for (const auto node : stored.getNodes()) read_node(node, names, out.nodes.emplace_back());
  for (const auto gate : stored.getGates()) {
    out.gates.push_back({RUNLOG_GET_TEXT(gate, NodeId), RUNLOG_GET_TEXT(gate, TargetNodeId),
                         RUNLOG_GET_OPTIONAL(gate, EdgeId), RUNLOG_GET_OPTIONAL(gate, Label),
                         gate.getSkipped()});
  }
  if (stored.hasExtra()) out.extra_json = RUNLOG_GET_TEXT(stored, Extra);
}

}  // namespace runlog
