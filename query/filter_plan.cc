#include "query/filter_plan.h"

#include <algorithm>

namespace runlog {
namespace {

// Adds a value in the forms in which records may carry it.
void add_value(Clause& clause, std::string_view value, const NameTable& names) {
  const std::optional<Symbol> symbol = names.find(*name_kind(clause.kind), value);
  if (symbol) clause.exact.push_back(TermKey::exact(clause.kind, *symbol));
  // A flow's name is always a symbol. Of other kinds only so many names become symbols, and only
  // short ones, so that any value may stand inline in some records.
  if (clause.kind == TermKind::kFlow) return;
  clause.hashed.push_back({inline_term(clause.kind, value), std::string(value), {}});
}

void add_clause(FilterPlan& plan, Clause clause) {
  if (clause.exact.empty() && clause.hashed.empty()) plan.impossible = true;
  plan.clauses.push_back(std::move(clause));
}

void add_condition(FilterPlan& plan, TermKind kind, const std::optional<std::string>& value,
                   const NameTable& names) {
  if (!value) return;
  Clause clause{kind, {}, {}};
  add_value(clause, *value, names);
  add_clause(plan, std::move(clause));
}

template <typename T>
std::vector<T> distinct(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

// Flows and statuses: together they are one clause of flow + status terms.
void add_flows_and_statuses(FilterPlan& plan, const Filter& filter, const NameTable& names) {
  Clause flows{TermKind::kFlow, {}, {}};
  for (const std::string& flow : distinct(filter.flows)) add_value(flows, flow, names);
  std::vector<RunStatus> statuses = distinct(filter.statuses);
  // No record is paused or running, see live_runs.h.
  std::erase_if(statuses, [](RunStatus status) { return unsigned(status) >= kRunStatusCount; });
  if (statuses.empty() && !filter.statuses.empty()) plan.impossible = true;
  if (statuses.size() == kRunStatusCount) statuses.clear();  // asks nothing

  if (statuses.empty()) {
    if (!filter.flows.empty()) add_clause(plan, std::move(flows));
    return;
  }
  Clause clause{filter.flows.empty() ? TermKind::kStatus : TermKind::kFlowStatus, {}, {}};
  for (const RunStatus status : statuses) {
    if (filter.flows.empty()) {
      clause.exact.push_back(TermKey::exact(TermKind::kStatus, std::uint64_t(status)));
    }
    for (const TermKey flow : flows.exact) {
      clause.exact.push_back(TermKey::flow_status(Symbol(flow.value()), unsigned(status)));
    }
  }
  add_clause(plan, std::move(clause));
}

void add_trigger(FilterPlan& plan, const Filter& filter, const NameTable& names) {
  add_condition(plan, TermKind::kTriggerType, filter.trigger_type, names);
  if (!filter.trigger_record) {
    add_condition(plan, TermKind::kTriggerObject, filter.trigger_object, names);
    return;
  }
  Clause record{TermKind::kRecord, {}, {}};
  record.hashed.push_back({record_term(*filter.trigger_object, *filter.trigger_record),
                           *filter.trigger_record, *filter.trigger_object});
  add_clause(plan, std::move(record));
}

std::optional<TimeWindow> time_range(FilterPlan& plan, std::optional<UnixMs> from,
                                    std::optional<UnixMs> to) {
  if (!from && !to) return std::nullopt;
  TimeWindow range;
  if (from) range.from = *from;
  if (to) range.to = *to;
  if (range.from > range.to) plan.impossible = true;
  return range;
}

}  // namespace

bool Clause::verify(const HeadView& head, const NameTable& names) const {
  for (const HashedValue& candidate : hashed) {
    const bool same = kind == TermKind::kRecord
                          ? head.matches_record(candidate.object, candidate.value, names)
                          : head.matches(kind, candidate.value, names);
    if (same) return true;
  }
  return false;
}

Expected<FilterPlan> plan_filter(const Filter& filter, const NameTable& names) {
  if (filter.trigger_record && !filter.trigger_object) {
    return fail(ErrorCode::InvalidArgument,
                "a filter names the trigger record '" + *filter.trigger_record +
                    "' without the object that it is a record of");
  }
  FilterPlan plan;
  add_flows_and_statuses(plan, filter, names);
  add_trigger(plan, filter, names);
  add_condition(plan, TermKind::kUser, filter.user, names);
  add_condition(plan, TermKind::kOrganization, filter.organization, names);
  add_condition(plan, TermKind::kFailingNode, filter.failing_node, names);
  add_condition(plan, TermKind::kErrorCode, filter.error_code, names);
  add_condition(plan, TermKind::kFingerprint, filter.fingerprint, names);
  for (const auto& [key, value] : filter.labels) {
    add_condition(plan, TermKind::kLabel, label_name(key, value), names);
  }
  plan.finished = time_range(plan, filter.finished_from, filter.finished_to);
  plan.started = time_range(plan, filter.started_from, filter.started_to);
  if (filter.error_text) {
    // The index knows which runs have a message at all.
    add_clause(plan, {TermKind::kHasError, {TermKey::exact(TermKind::kHasError, 1)}, {}});
    if (!filter.error_text->empty()) plan.error_text = filter.error_text;
  }
  return plan;
}

std::optional<NameKind> name_kind(TermKind kind) {
  switch (kind) {
    case TermKind::kFlow: return NameKind::kFlow;
    case TermKind::kTriggerType: return NameKind::kTriggerType;
    case TermKind::kTriggerObject: return NameKind::kTriggerObject;
    case TermKind::kUser: return NameKind::kUser;
    case TermKind::kOrganization: return NameKind::kOrganization;
    case TermKind::kFailingNode: return NameKind::kNode;
    case TermKind::kErrorCode: return NameKind::kErrorCode;
    case TermKind::kFingerprint: return NameKind::kFingerprint;
    case TermKind::kLabel: return NameKind::kLabel;
    case TermKind::kStatus:
    case TermKind::kFlowStatus:
    case TermKind::kRecord:
    case TermKind::kHasError: return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace runlog
