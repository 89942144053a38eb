#include "log/stored_suspension.h"

namespace runlog {
namespace {

// Persistent: never renumber. Bits of Suspension.flags.
enum SuspensionFlag : std::uint32_t {
  kSameRunId = 1 << 0,
  kSameFlow = 1 << 1,
  kSameVersion = 1 << 2,  // which may be none
  kHasVersion = 1 << 3,
  kHasSteps = 1 << 4,
  kHasStart = 1 << 5,
  kHasStartTime = 1 << 6,
};

void write_names(const SuspendedRun& suspended, const Run& run, SymbolWriter& symbols,
                 std::uint32_t& flags, stored::Suspension::Builder out) {
  const auto check = [&](std::string_view field, std::string_view text) {
    symbols.check_name(field, text);
    return text;
  };
  if (suspended.run_id == run.run_id) {
    flags |= kSameRunId;
  } else {
    RUNLOG_SET_TEXT(out, RunId, check("consumedSuspension.runId", suspended.run_id));
  }
  if (suspended.flow_name == run.flow_name) {
    flags |= kSameFlow;
  } else {
    RUNLOG_SET_TEXT(out, FlowName, check("consumedSuspension.flowName", suspended.flow_name));
  }
  if (suspended.node_id) {
    RUNLOG_SET_TEXT(out, NodeId, check("consumedSuspension.nodeId", *suspended.node_id));
  }
  if (suspended.node_type) {
    RUNLOG_SET_TEXT(out, NodeType, check("consumedSuspension.nodeType", *suspended.node_type));
  }
  if (suspended.correlation) {
    RUNLOG_SET_TEXT(out, Correlation,
                    check("consumedSuspension.correlation", *suspended.correlation));
  }
}

void write_json_texts(const SuspendedRun& suspended, SymbolWriter& symbols,
                      stored::Suspension::Builder out) {
  const auto check = [&](std::string_view text) {
    symbols.check_free_text("consumedSuspension", text);
    return text;
  };
  if (!suspended.variables_json.empty()) {
    RUNLOG_SET_TEXT(out, Variables, check(suspended.variables_json));
  }
  if (!suspended.context_json.empty()) {
    RUNLOG_SET_TEXT(out, Context, check(suspended.context_json));
  }
  if (!suspended.screen_json.empty()) RUNLOG_SET_TEXT(out, Screen, check(suspended.screen_json));
  if (!suspended.extra_json.empty()) RUNLOG_SET_TEXT(out, Extra, check(suspended.extra_json));
}

}  // namespace

void write_suspension(const SuspendedRun& suspended, const Run& run, SymbolWriter& symbols,
                      stored::Suspension::Builder out) {
  std::uint32_t flags = 0;
  write_names(suspended, run, symbols, flags, out);
  write_json_texts(suspended, symbols, out);
  if (suspended.flow_version == run.flow_version) {
    flags |= kSameVersion;
  } else if (suspended.flow_version) {
    flags |= kHasVersion;
    out.setFlowVersion(*suspended.flow_version);
  }
  if (suspended.started_at) {
    flags |= kHasStart;
    out.setStartedAt(minus(*suspended.started_at, run.started_at));
  }
  if (suspended.start_time) {
    flags |= kHasStartTime;
    out.setStartTime(minus(*suspended.start_time, run.started_at));
  }
  if (suspended.steps) {
    flags |= kHasSteps;
    if (suspended.steps->size() > kMaxStoredSteps) {
      symbols.refuse(ErrorCode::TooLarge, "field 'consumedSuspension.steps' has " +
                                              std::to_string(suspended.steps->size()) +
                                              " members; the limit is " +
                                              std::to_string(kMaxStoredSteps));
      return;
    }
    std::vector<const Step*> steps;
    steps.reserve(suspended.steps->size());
    for (const Step& step : *suspended.steps) steps.push_back(&step);
    write_steps(steps, run.started_at, {}, symbols, out);
  }
  out.setFlags(flags);
}

Expected<void> read_suspension(stored::Suspension::Reader stored, const Run& run,
                               NameReader& names, SuspendedRun& out) {
  const std::uint32_t flags = stored.getFlags();
  out.run_id = flags & kSameRunId ? run.run_id : RUNLOG_GET_TEXT(stored, RunId);
  out.flow_name = flags & kSameFlow ? run.flow_name : RUNLOG_GET_TEXT(stored, FlowName);
  out.node_id = RUNLOG_GET_OPTIONAL(stored, NodeId);
  out.node_type = RUNLOG_GET_OPTIONAL(stored, NodeType);
  out.correlation = RUNLOG_GET_OPTIONAL(stored, Correlation);
  out.variables_json = RUNLOG_GET_TEXT(stored, Variables);
  out.context_json = RUNLOG_GET_TEXT(stored, Context);
  out.screen_json = RUNLOG_GET_TEXT(stored, Screen);
  out.extra_json = RUNLOG_GET_TEXT(stored, Extra);
  if (flags & kSameVersion) {
    out.flow_version = run.flow_version;
  } else if (flags & kHasVersion) {
    out.flow_version = stored.getFlowVersion();
  }
  if (flags & kHasStart) out.started_at = plus(stored.getStartedAt(), run.started_at);
  if (flags & kHasStartTime) out.start_time = plus(stored.getStartTime(), run.started_at);
  if (!(flags & kHasSteps)) return {};
  return read_steps(stored, run.started_at, {}, names, out.steps.emplace());
}

}  // namespace runlog
