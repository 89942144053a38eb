#include "log/step_details.h"

#include "log/stored_text.h"

namespace runlog {
namespace {

// Persistent: never renumber. Bits of StepDetail.flags.
enum DetailFlag : std::uint32_t {
  kHasError = 1 << 0,
  kMessageIsSuffix = 1 << 1,
  kHasWarnings = 1 << 2,
  kHasMetrics = 1 << 3,         // though the columns show no value of them
  kUnmeasuredIsFalse = 1 << 4,
  kHasGate = 1 << 5,
};

bool metrics_need_detail(const StepMetrics& metrics) {
  const bool has_value =
      metrics.selected || metrics.acted || metrics.unmeasured_effect.value_or(false);
  return !has_value || metrics.unmeasured_effect == false || !metrics.extra_json.empty();
}

void write_error(const StepError& error, std::string_view run_message, SymbolWriter& symbols,
                 std::uint32_t& flags, stored::StepDetail::Builder out) {
  flags |= kHasError;
  if (error.code) {
    if (const Symbol code = symbols.symbol(NameKind::kErrorCode, "steps.error.code", *error.code)) {
      out.setErrorCode(code);
    } else {
      RUNLOG_SET_TEXT(out, ErrorCodeText, *error.code);
    }
  }
  if (error.message) {
    if (run_message.ends_with(*error.message)) {
      flags |= kMessageIsSuffix;
      out.setMessageSuffix(std::uint32_t(error.message->size()));
    } else {
      symbols.check_free_text("steps.error.message", *error.message);
      RUNLOG_SET_TEXT(out, ErrorMessage, *error.message);
    }
  }
  if (error.stack) {
    symbols.check_free_text("steps.error.stack", *error.stack);
    RUNLOG_SET_TEXT(out, ErrorStack, *error.stack);
  }
  if (!error.extra_json.empty()) {
    symbols.check_free_text("steps.error", error.extra_json);
    RUNLOG_SET_TEXT(out, ErrorExtra, error.extra_json);
  }
}

void write_gate(const SkippedBy& gate, SymbolWriter& symbols, std::uint32_t& flags,
                stored::StepDetail::Builder out) {
  flags |= kHasGate;
  const Symbol symbol =
      symbols.shape(NameKind::kGate, {gate.node_id, gate.edge_id, gate.label});
  out.setGate(symbol);
  if (symbol != 0) return;
  RUNLOG_SET_TEXT(out, GateNodeId, gate.node_id);
  if (gate.edge_id) RUNLOG_SET_TEXT(out, GateEdgeId, *gate.edge_id);
  if (gate.label) RUNLOG_SET_TEXT(out, GateLabel, *gate.label);
}

void write_warnings(const std::vector<Text>& warnings, SymbolWriter& symbols,
                    std::uint32_t& flags, stored::StepDetail::Builder out) {
  flags |= kHasWarnings;
  if (warnings.empty()) return;
  auto list = out.initWarnings(unsigned(warnings.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    symbols.check_free_text("steps.warnings", warnings[i]);
    fill(list.init(i, unsigned(warnings[i].size())), warnings[i]);
  }
}

void write_metrics(const StepMetrics& metrics, SymbolWriter& symbols, std::uint32_t& flags,
                   stored::StepDetail::Builder out) {
  flags |= kHasMetrics;
  if (metrics.unmeasured_effect == false) flags |= kUnmeasuredIsFalse;
  if (metrics.extra_json.empty()) return;
  symbols.check_free_text("steps.metrics", metrics.extra_json);
  RUNLOG_SET_TEXT(out, MetricsExtra, metrics.extra_json);
}

void write_long_names(const Step& step, const ColumnGaps& gaps, stored::StepDetail::Builder out) {
  if (gaps.shape) {
    if (step.node_id) RUNLOG_SET_TEXT(out, NodeId, *step.node_id);
    if (step.node_type) RUNLOG_SET_TEXT(out, NodeType, *step.node_type);
    if (step.node_label) RUNLOG_SET_TEXT(out, NodeLabel, *step.node_label);
  }
  if (gaps.parent) RUNLOG_SET_TEXT(out, ParentNodeId, *step.parent_node_id);
  if (gaps.region) RUNLOG_SET_TEXT(out, RegionKind, *step.region_kind);
}

}  // namespace

bool needs_detail(const Step& step, const ColumnGaps& gaps) {
  return step.error || step.warnings || step.skipped_by || !step.extra_json.empty() ||
         gaps.shape || gaps.parent || gaps.region ||
         (step.metrics && metrics_need_detail(*step.metrics));
}

void write_detail(const Step& step, std::size_t index, const ColumnGaps& gaps,
                  std::string_view run_message, SymbolWriter& symbols,
                  stored::StepDetail::Builder out) {
  std::uint32_t flags = 0;
  out.setStep(std::uint32_t(index));
  if (step.error) write_error(*step.error, run_message, symbols, flags, out);
  if (step.warnings) write_warnings(*step.warnings, symbols, flags, out);
  if (step.metrics && metrics_need_detail(*step.metrics)) {
    write_metrics(*step.metrics, symbols, flags, out);
  }
  if (step.skipped_by) write_gate(*step.skipped_by, symbols, flags, out);
  if (!step.extra_json.empty()) {
    symbols.check_free_text("steps", step.extra_json);
    RUNLOG_SET_TEXT(out, Extra, step.extra_json);
  }
  write_long_names(step, gaps, out);
  out.setFlags(flags);
}

// ---- reading --------------------------------------------------------------------------------

namespace {

bool read_error(stored::StepDetail::Reader stored, std::string_view run_message,
                NameReader& names, StepError& error) {
  if (stored.getErrorCode() != 0) {
    error.code = names.name(NameKind::kErrorCode, stored.getErrorCode());
  } else {
    error.code = RUNLOG_GET_OPTIONAL(stored, ErrorCodeText);
  }
  if (stored.getFlags() & kMessageIsSuffix) {
    const std::size_t bytes = stored.getMessageSuffix();
    if (bytes > run_message.size()) return false;
    error.message = run_message.substr(run_message.size() - bytes);
  } else {
    error.message = RUNLOG_GET_OPTIONAL(stored, ErrorMessage);
  }
  error.stack = RUNLOG_GET_OPTIONAL(stored, ErrorStack);
  if (stored.hasErrorExtra()) error.extra_json = RUNLOG_GET_TEXT(stored, ErrorExtra);
  return true;
}

SkippedBy read_gate(stored::StepDetail::Reader stored, NameReader& names) {
  if (stored.getGate() == 0) {
    return {RUNLOG_GET_TEXT(stored, GateNodeId), RUNLOG_GET_OPTIONAL(stored, GateEdgeId),
            RUNLOG_GET_OPTIONAL(stored, GateLabel)};
  }
  const auto shape = shape_of(names.name(NameKind::kGate, stored.getGate()));
  if (!shape) return {};
  return {shape->node_id.value_or(std::string_view()), shape->node_type, shape->node_label};
}

void read_metrics(stored::StepDetail::Reader stored, Step& step) {
  if (!step.metrics) step.metrics.emplace();
  if (stored.getFlags() & kUnmeasuredIsFalse) step.metrics->unmeasured_effect = false;
  if (stored.hasMetricsExtra()) step.metrics->extra_json = RUNLOG_GET_TEXT(stored, MetricsExtra);
}

void read_long_names(stored::StepDetail::Reader stored, Step& step) {
  if (stored.hasNodeId()) step.node_id = RUNLOG_GET_TEXT(stored, NodeId);
  if (stored.hasNodeType()) step.node_type = RUNLOG_GET_TEXT(stored, NodeType);
  if (stored.hasNodeLabel()) step.node_label = RUNLOG_GET_TEXT(stored, NodeLabel);
  if (stored.hasParentNodeId()) step.parent_node_id = RUNLOG_GET_TEXT(stored, ParentNodeId);
  if (stored.hasRegionKind()) step.region_kind = RUNLOG_GET_TEXT(stored, RegionKind);
}

}  // namespace

Expected<void> read_detail(stored::StepDetail::Reader stored, std::string_view run_message,
                           NameReader& names, std::vector<Step>& steps) {
  if (stored.getStep() >= steps.size()) {
    return fail(ErrorCode::Corruption, "a step's details are of step " +
                                           std::to_string(stored.getStep()) + " of " +
                                           std::to_string(steps.size()));
  }
  Step& step = steps[stored.getStep()];
  const std::uint32_t flags = stored.getFlags();
  if (flags & kHasError) {
    if (!read_error(stored, run_message, names, step.error.emplace())) {
      return fail(ErrorCode::Corruption, "a step's message is longer than the run's it is part of");
    }
  }
  if (flags & kHasWarnings) {
    std::vector<Text>& warnings = step.warnings.emplace();
    for (const capnp::Text::Reader warning : stored.getWarnings()) {
      warnings.push_back(text_of(warning));
    }
  }
  if (flags & kHasMetrics) read_metrics(stored, step);
  if (flags & kHasGate) step.skipped_by = read_gate(stored, names);
  if (stored.hasExtra()) step.extra_json = RUNLOG_GET_TEXT(stored, Extra);
  read_long_names(stored, step);
  return names.finish();
}

}  // namespace runlog
