#include "server/protocol/wire_query.h"

#include <algorithm>

#include <fmt/format.h>

#include "log/stored_text.h"
#include "server/protocol/wire_value.h"

namespace runlog {
namespace {

void write_texts(const std::vector<std::string>& texts, capnp::List<capnp::Text>::Builder out) {
  for (unsigned i = 0; i < texts.size(); ++i)
    fill(out.init(i, unsigned(texts[i].size())), texts[i]);
}

void write_counts(const std::array<std::uint64_t, kRunStatusCount>& counts,
                  capnp::List<std::uint64_t>::Builder out) {
  for (unsigned i = 0; i < counts.size(); ++i) out.set(i, counts[i]);
}

std::array<std::uint64_t, kRunStatusCount> read_counts(capnp::List<std::uint64_t>::Reader in) {
  std::array<std::uint64_t, kRunStatusCount> counts{};
  for (unsigned i = 0; i < counts.size() && i < in.size(); ++i) counts[i] = in[i];
  return counts;
}

Expected<RunStatus> read_status(std::uint8_t number) {
  if (number > std::uint8_t(RunStatus::kRunning))
    return fail(ErrorCode::InvalidArgument, fmt::format("there is no status {}", number));
  return RunStatus(number);
}

}  // namespace

// ---- filters and pages ------------------------------------------------------------------------

void write(const Filter& filter, wire::Filter::Builder out) {
  if (!filter.flows.empty())
    write_texts(filter.flows, out.initFlows(unsigned(filter.flows.size())));
  if (!filter.statuses.empty()) {
    auto statuses = out.initStatuses(unsigned(filter.statuses.size()));
    for (unsigned i = 0; i < filter.statuses.size(); ++i)
      statuses.set(i, std::uint8_t(filter.statuses[i]));
  }
  RUNLOG_SET_IF(out, TriggerType, filter.trigger_type);
  RUNLOG_SET_IF(out, TriggerObject, filter.trigger_object);
  RUNLOG_SET_IF(out, TriggerRecord, filter.trigger_record);
  RUNLOG_SET_IF(out, User, filter.user);
  RUNLOG_SET_IF(out, Organization, filter.organization);
  RUNLOG_SET_IF(out, FailingNode, filter.failing_node);
  RUNLOG_SET_IF(out, ErrorCode, filter.error_code);
  RUNLOG_SET_IF(out, Fingerprint, filter.fingerprint);
  RUNLOG_SET_IF(out, ErrorText, filter.error_text);
  RUNLOG_SET_INT(out, FinishedFrom, filter.finished_from);
  RUNLOG_SET_INT(out, FinishedTo, filter.finished_to);
  RUNLOG_SET_INT(out, StartedFrom, filter.started_from);
  RUNLOG_SET_INT(out, StartedTo, filter.started_to);
  if (filter.labels.empty()) return;
  auto labels = out.initLabels(unsigned(filter.labels.size()));
  for (unsigned i = 0; i < filter.labels.size(); ++i) {
    RUNLOG_SET_TEXT(labels[i], Key, filter.labels[i].first);
    RUNLOG_SET_TEXT(labels[i], Value, filter.labels[i].second);
  }
}

Expected<Filter> read_filter(wire::Filter::Reader in) {
  const unsigned most =
      std::max({in.getFlows().size(), in.getStatuses().size(), in.getLabels().size()});
  if (most > kMostFilterValues) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a filter with {} flows, statuses or labels is over the limit of {}",
                            most, kMostFilterValues));
  }
  Filter filter;
  for (const auto flow : in.getFlows()) filter.flows.emplace_back(text_of(flow));
  for (const std::uint8_t number : in.getStatuses()) {
    auto status = read_status(number);
    if (!status) return tl::unexpected(status.error());
    filter.statuses.push_back(*status);
  }
  filter.trigger_type = RUNLOG_GET_STRING(in, TriggerType);
  filter.trigger_object = RUNLOG_GET_STRING(in, TriggerObject);
  filter.trigger_record = RUNLOG_GET_STRING(in, TriggerRecord);
  filter.user = RUNLOG_GET_STRING(in, User);
  filter.organization = RUNLOG_GET_STRING(in, Organization);
  filter.failing_node = RUNLOG_GET_STRING(in, FailingNode);
  filter.error_code = RUNLOG_GET_STRING(in, ErrorCode);
  filter.fingerprint = RUNLOG_GET_STRING(in, Fingerprint);
  filter.error_text = RUNLOG_GET_STRING(in, ErrorText);
  filter.finished_from = RUNLOG_GET_INT(in, FinishedFrom);
  filter.finished_to = RUNLOG_GET_INT(in, FinishedTo);
  filter.started_from = RUNLOG_GET_INT(in, StartedFrom);
  filter.started_to = RUNLOG_GET_INT(in, StartedTo);
  for (const auto label : in.getLabels())
    filter.labels.emplace_back(RUNLOG_GET_TEXT(label, Key), RUNLOG_GET_TEXT(label, Value));
  return filter;
}

void write(const ListRequest& request, wire::ListRuns::Builder out) {
  write(request.filter, out.initFilter());
  out.setOldestFirst(request.direction == Direction::kOldestFirst);
  RUNLOG_SET_TEXT(out, Cursor, request.cursor);
  out.setLimit(request.limit);
  out.setWithTotal(request.with_total);
}

Expected<ListRequest> read_list_request(wire::ListRuns::Reader in) {
  auto filter = read_filter(in.getFilter());
  if (!filter) return tl::unexpected(filter.error());
  ListRequest request;
  request.filter = std::move(*filter);
  request.direction = in.getOldestFirst() ? Direction::kOldestFirst : Direction::kNewestFirst;
  request.cursor = RUNLOG_GET_TEXT(in, Cursor);
  request.limit = in.getLimit();
  request.with_total = in.getWithTotal();
  return request;
}

namespace {

void write_head(const RunHead& run, wire::Head::Builder out) {
  out.setSequence(run.sequence);
  RUNLOG_SET_TEXT(out, RunId, run.run_id);
  RUNLOG_SET_TEXT(out, FlowName, run.flow_name);
  RUNLOG_SET_INT(out, FlowVersion, run.flow_version);
  out.setStatus(std::uint8_t(run.status));
  out.setErrorIsCut(run.error_is_cut);
  out.setRecordedAt(run.recorded_at);
  out.setStartedAt(run.started_at);
  RUNLOG_SET_INT(out, FinishedAt, run.finished_at);
  RUNLOG_SET_INT(out, DurationMs, run.duration_ms);
  RUNLOG_SET_IF(out, ErrorCode, run.error_code);
  RUNLOG_SET_IF(out, ErrorMessage, run.error_message);
  RUNLOG_SET_IF(out, ErrorNodeId, run.error_node_id);
  RUNLOG_SET_IF(out, NodeId, run.node_id);
  RUNLOG_SET_IF(out, OrganizationId, run.organization_id);
  RUNLOG_SET_IF(out, UserId, run.user_id);
  RUNLOG_SET_IF(out, TriggerType, run.trigger_type);
  RUNLOG_SET_IF(out, TriggerObject, run.trigger_object);
  RUNLOG_SET_IF(out, TriggerRecordId, run.trigger_record_id);
  out.setSelected(run.selected);
  out.setActed(run.acted);
  out.setUnmeasured(run.unmeasured);
}

Expected<void> read_head(wire::Head::Reader in, TextArena& arena, RunHead& run) {
  const auto keep = [&arena](OptionalText text) {
    return text ? OptionalText(arena.keep(*text)) : std::nullopt;
  };
  auto status = read_status(in.getStatus());
  if (!status) return tl::unexpected(status.error());
  run.sequence = in.getSequence();
  run.run_id = arena.keep(RUNLOG_GET_TEXT(in, RunId));
  run.flow_name = arena.keep(RUNLOG_GET_TEXT(in, FlowName));
  run.flow_version = RUNLOG_GET_INT(in, FlowVersion);
  run.status = *status;
  run.error_is_cut = in.getErrorIsCut();
  run.recorded_at = in.getRecordedAt();
  run.started_at = in.getStartedAt();
  run.finished_at = RUNLOG_GET_INT(in, FinishedAt);
  run.duration_ms = RUNLOG_GET_INT(in, DurationMs);
  run.error_code = keep(RUNLOG_GET_OPTIONAL(in, ErrorCode));
  run.error_message = keep(RUNLOG_GET_OPTIONAL(in, ErrorMessage));
  run.error_node_id = keep(RUNLOG_GET_OPTIONAL(in, ErrorNodeId));
  run.node_id = keep(RUNLOG_GET_OPTIONAL(in, NodeId));
  run.organization_id = keep(RUNLOG_GET_OPTIONAL(in, OrganizationId));
  run.user_id = keep(RUNLOG_GET_OPTIONAL(in, UserId));
  run.trigger_type = keep(RUNLOG_GET_OPTIONAL(in, TriggerType));
  run.trigger_object = keep(RUNLOG_GET_OPTIONAL(in, TriggerObject));
  run.trigger_record_id = keep(RUNLOG_GET_OPTIONAL(in, TriggerRecordId));
  run.selected = in.getSelected();
  run.acted = in.getActed();
  run.unmeasured = in.getUnmeasured();
  return {};
}

}  // namespace

void write(const ListResult& page, wire::Page::Builder out) {
  auto runs = out.initRuns(unsigned(page.runs.size()));
  for (unsigned i = 0; i < page.runs.size(); ++i) write_head(page.runs[i], runs[i]);
  out.setHasMore(page.has_more);
  out.setIncomplete(page.incomplete);
  RUNLOG_SET_TEXT(out, NextCursor, page.next_cursor);
  out.setTotal(page.total);
}

Expected<ListResult> read_page(wire::Page::Reader in) {
  ListResult page;
  page.arena = std::make_unique<TextArena>();
  const auto runs = in.getRuns();
  page.runs.resize(runs.size());
  for (unsigned i = 0; i < page.runs.size(); ++i) {
    if (auto head = read_head(runs[i], *page.arena, page.runs[i]); !head)
      return tl::unexpected(head.error());
  }
  page.has_more = in.getHasMore();
  page.incomplete = in.getIncomplete();
  page.next_cursor = RUNLOG_GET_TEXT(in, NextCursor);
  page.total = in.getTotal();
  return page;
}

// ---- groups and statistics --------------------------------------------------------------------

void write(const GroupedRuns& grouped, wire::Grouped::Builder out) {
  auto groups = out.initGroups(unsigned(grouped.groups.size()));
  for (unsigned i = 0; i < grouped.groups.size(); ++i) {
    RUNLOG_SET_TEXT(groups[i], Name, grouped.groups[i].name);
    groups[i].setCount(grouped.groups[i].count);
    RUNLOG_SET_IF(groups[i], Object, grouped.groups[i].object);
  }
  out.setTotalGroups(grouped.total_groups);
  out.setTotalRuns(grouped.total_runs);
  out.setGroupedRuns(grouped.grouped_runs);
  out.setIncomplete(grouped.incomplete);
}

GroupedRuns read_groups(wire::Grouped::Reader in) {
  GroupedRuns grouped;
  for (const auto group : in.getGroups()) {
    grouped.groups.push_back({std::string(RUNLOG_GET_TEXT(group, Name)), group.getCount(),
                              RUNLOG_GET_STRING(group, Object)});
  }
  grouped.total_groups = in.getTotalGroups();
  grouped.total_runs = in.getTotalRuns();
  grouped.grouped_runs = in.getGroupedRuns();
  grouped.incomplete = in.getIncomplete();
  return grouped;
}

void write(const std::vector<FlowStatistics>& flows, wire::StatsOfFlows::Builder out) {
  auto list = out.initFlows(unsigned(flows.size()));
  for (unsigned i = 0; i < flows.size(); ++i) {
    const FlowStatistics& flow = flows[i];
    auto to = list[i];
    RUNLOG_SET_TEXT(to, Flow, flow.flow);
    write_counts(flow.runs, to.initRuns(kRunStatusCount));
    to.setP50Ms(flow.p50_ms);
    to.setP95Ms(flow.p95_ms);
    to.setP99Ms(flow.p99_ms);
    to.setSelected(flow.selected);
    to.setActed(flow.acted);
    to.setUnmeasured(flow.unmeasured);
    to.setBytes(flow.bytes);
    RUNLOG_SET_INT(to, LastRun, flow.last_run);
    RUNLOG_SET_INT(to, LastFailure, flow.last_failure);
    auto hours = to.initByHour(unsigned(flow.by_hour.size()));
    for (unsigned j = 0; j < flow.by_hour.size(); ++j) {
      hours[j].setStart(flow.by_hour[j].start);
      write_counts(flow.by_hour[j].runs, hours[j].initRuns(kRunStatusCount));
    }
  }
}

std::vector<FlowStatistics> read_statistics(wire::StatsOfFlows::Reader in) {
  std::vector<FlowStatistics> flows;
  for (const auto from : in.getFlows()) {
    FlowStatistics& flow = flows.emplace_back();
    flow.flow = RUNLOG_GET_TEXT(from, Flow);
    flow.runs = read_counts(from.getRuns());
    flow.p50_ms = from.getP50Ms();
    flow.p95_ms = from.getP95Ms();
    flow.p99_ms = from.getP99Ms();
    flow.selected = from.getSelected();
    flow.acted = from.getActed();
    flow.unmeasured = from.getUnmeasured();
    flow.bytes = from.getBytes();
    flow.last_run = RUNLOG_GET_INT(from, LastRun);
    flow.last_failure = RUNLOG_GET_INT(from, LastFailure);
    for (const auto hour : from.getByHour())
      flow.by_hour.push_back({hour.getStart(), read_counts(hour.getRuns())});
  }
  return flows;
}

}  // namespace runlog
