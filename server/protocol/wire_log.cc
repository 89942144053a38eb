#include "server/protocol/wire_log.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "log/run_json.h"
#include "server/protocol/wire_value.h"

namespace runlog {

void write(const AppendResult& result, wire::AppendResult::Builder out) {
  out.setOutcome(std::uint8_t(result.outcome));
  out.setSequence(result.sequence);
}

Expected<AppendResult> read_append_result(wire::AppendResult::Reader in) {
  if (in.getOutcome() >= kRefusedRun) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("there is no outcome {} of an append", in.getOutcome()));
  }
  return AppendResult{in.getSequence(), AppendResult::Outcome(in.getOutcome())};
}

// ---- info -------------------------------------------------------------------------------------

void write(const LogInfo& info, wire::LogInfo::Builder out) {
  out.setLogId(info.log_id);
  auto segments = out.initSegments(unsigned(info.segments.size()));
  for (unsigned i = 0; i < info.segments.size(); ++i) {
    const SegmentInfo& segment = info.segments[i];
    auto to = segments[i];
    to.setId(segment.id);
    RUNLOG_SET_TEXT(to, State, segment.state);
    to.setRuns(segment.runs);
    to.setHidden(segment.hidden);
    to.setFileBytes(segment.file_bytes);
    to.setFirst(segment.first);
    to.setLast(segment.last);
    to.setOldest(segment.oldest);
    to.setNewest(segment.newest);
  }
  out.setRuns(info.runs);
  out.setHidden(info.hidden);
  out.setBytes(info.bytes);
  out.setIndexMemoryBytes(info.index_memory_bytes);
  auto dictionaries = out.initDictionaries(unsigned(info.dictionaries.size()));
  for (unsigned i = 0; i < info.dictionaries.size(); ++i) {
    dictionaries[i].setNumber(info.dictionaries[i].number);
    dictionaries[i].setBytes(info.dictionaries[i].bytes);
  }
  out.setNames(info.names);
  out.setPaused(info.paused);
  out.setIncomplete(info.incomplete);
  RUNLOG_SET_TEXT(out, Problem, info.problem);
  RUNLOG_SET_TEXT(out, Archive, info.archive);
  RUNLOG_SET_TEXT(out, ArchiveProblem, info.archive_problem);
}

LogInfo read_log_info(wire::LogInfo::Reader in) {
  LogInfo info;
  info.log_id = in.getLogId();
  for (const auto from : in.getSegments()) {
    info.segments.push_back({from.getId(), std::string(RUNLOG_GET_TEXT(from, State)),
                             from.getRuns(), from.getHidden(), from.getFileBytes(),
                             from.getFirst(), from.getLast(), from.getOldest(),
                             from.getNewest()});
  }
  info.runs = in.getRuns();
  info.hidden = in.getHidden();
  info.bytes = in.getBytes();
  info.index_memory_bytes = in.getIndexMemoryBytes();
  for (const auto from : in.getDictionaries())
    info.dictionaries.push_back({from.getNumber(), from.getBytes()});
  info.names = in.getNames();
  info.paused = in.getPaused();
  info.incomplete = in.getIncomplete();
  info.problem = RUNLOG_GET_TEXT(in, Problem);
  info.archive = RUNLOG_GET_TEXT(in, Archive);
  info.archive_problem = RUNLOG_GET_TEXT(in, ArchiveProblem);
  return info;
}

// ---- paused runs ------------------------------------------------------------------------------

Expected<void> write(const PausedRun& run, bool with_json, wire::PausedRun::Builder out) {
  out.setNumber(run.number);
  out.setState(std::uint8_t(run.state));
  out.setSequence(run.sequence);
  out.setSavedAt(run.saved_at);
  RUNLOG_SET_TEXT(out, Owner, run.owner);
  out.setClaimedAt(run.claimed_at);
  RUNLOG_SET_TEXT(out, RunId, run.run_id);
  RUNLOG_SET_TEXT(out, FlowName, run.flow_name);
  RUNLOG_SET_INT(out, FlowVersion, run.flow_version);
  RUNLOG_SET_IF(out, NodeId, run.node_id);
  RUNLOG_SET_IF(out, Correlation, run.correlation);
  out.setStartedAt(run.started_at);
  if (!with_json) return {};
  auto suspended = run.suspended();
  if (!suspended) return tl::unexpected(suspended.error());
  std::string json;
  write_json(suspended->run, json);
  out.setJson(data_of(json));
  return {};
}

Expected<PausedRunPtr> read_paused(wire::PausedRun::Reader in) {
  auto run = std::make_shared<PausedRun>();
  run->state = PausedRun::State(in.getState());
  if (run->state != PausedRun::State::kPaused && run->state != PausedRun::State::kRunning) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("there is no state {} of a paused run", in.getState()));
  }
  run->number = in.getNumber();
  run->sequence = in.getSequence();
  run->saved_at = in.getSavedAt();
  run->owner = RUNLOG_GET_TEXT(in, Owner);
  run->claimed_at = in.getClaimedAt();
  run->run_id = RUNLOG_GET_TEXT(in, RunId);
  run->id_hash = run_id_hash(run->run_id);
  run->flow_name = RUNLOG_GET_TEXT(in, FlowName);
  run->flow_version = RUNLOG_GET_INT(in, FlowVersion);
  run->node_id = RUNLOG_GET_STRING(in, NodeId);
  run->correlation = RUNLOG_GET_STRING(in, Correlation);
  run->started_at = in.getStartedAt();
  const auto json = std::as_bytes(std::span(bytes_of(in.getJson())));
  run->json.assign(json.begin(), json.end());
  return PausedRunPtr(std::move(run));
}

// ---- retention --------------------------------------------------------------------------------

void write(const Pin& pin, wire::Pinned::Builder out) {
  RUNLOG_SET_TEXT(out, RunId, pin.run_id);
  RUNLOG_SET_TEXT(out, Reason, pin.reason);
  out.setPinnedAt(pin.pinned_at);
  RUNLOG_SET_INT(out, Until, pin.until);
  out.setSequence(pin.sequence);
}

Pin read_pin(wire::Pinned::Reader in) {
  return {std::string(RUNLOG_GET_TEXT(in, RunId)), std::string(RUNLOG_GET_TEXT(in, Reason)),
          in.getPinnedAt(), RUNLOG_GET_INT(in, Until), in.getSequence()};
}

void write(const Log::Hidden& hidden, wire::Hidden::Builder out) {
  out.setByCap(hidden.by_cap);
  out.setByAge(hidden.by_age);
  out.setByBytes(hidden.by_bytes);
}

Log::Hidden read_hidden(wire::Hidden::Reader in) {
  return {in.getByCap(), in.getByAge(), in.getByBytes()};
}

namespace {

void write_runs(const SweepReport::Runs& runs, wire::SweptRuns::Builder out) {
  out.setRuns(runs.runs);
  out.setBytes(runs.bytes);
  out.setSegments(runs.segments);
}

SweepReport::Runs read_runs(wire::SweptRuns::Reader in) {
  return {in.getRuns(), in.getBytes(), in.getSegments()};
}

}  // namespace

void write(const SweepReport& report, wire::Swept::Builder out) {
  write_runs(report.by_cap, out.initByCap());
  write_runs(report.by_age, out.initByAge());
  write_runs(report.by_bytes, out.initByBytes());
  write_runs(report.hidden_before, out.initHiddenBefore());
  write_runs(report.stays, out.initStays());
  out.setDroppedSegments(report.dropped_segments);
  out.setMergedSegments(report.merged_segments);
  out.setFreedBytes(report.freed_bytes);
  out.setWrittenBytes(report.written_bytes);
  out.setMeasuredAt(report.measured_at);
  out.setClockJumped(report.clock_jumped);
  out.setArchivedRuns(report.archived_runs);
  out.setArchivedBytes(report.archived_bytes);
}

SweepReport read_sweep(wire::Swept::Reader in) {
  SweepReport report;
  report.by_cap = read_runs(in.getByCap());
  report.by_age = read_runs(in.getByAge());
  report.by_bytes = read_runs(in.getByBytes());
  report.hidden_before = read_runs(in.getHiddenBefore());
  report.stays = read_runs(in.getStays());
  report.dropped_segments = in.getDroppedSegments();
  report.merged_segments = in.getMergedSegments();
  report.freed_bytes = in.getFreedBytes();
  report.written_bytes = in.getWrittenBytes();
  report.measured_at = in.getMeasuredAt();
  report.clock_jumped = in.getClockJumped();
  report.archived_runs = in.getArchivedRuns();
  report.archived_bytes = in.getArchivedBytes();
  return report;
}

// ---- forgetting -------------------------------------------------------------------------------

namespace {

// By their numbers on the wire. Persistent: never renumber.
constexpr ForgetRequest::By kForgetBy[] = {
    ForgetRequest::By::kOrganization, ForgetRequest::By::kUser, ForgetRequest::By::kRecord,
    ForgetRequest::By::kRun};

}  // namespace

void write(const ForgetRequest& request, bool dry_run, wire::Forget::Builder out) {
  const auto by = std::find(std::begin(kForgetBy), std::end(kForgetBy), request.by);
  out.setBy(std::uint8_t(by - std::begin(kForgetBy)));
  RUNLOG_SET_TEXT(out, Object, request.object);
  auto values = out.initValues(unsigned(request.values.size()));
  for (unsigned i = 0; i < request.values.size(); ++i)
    fill(values.init(i, unsigned(request.values[i].size())), request.values[i]);
  out.setDryRun(dry_run);
}

Expected<ForgetRequest> read_forget(wire::Forget::Reader in) {
  if (in.getBy() >= std::size(kForgetBy)) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("there is no way {} to say which runs are forgotten", in.getBy()));
  }
  ForgetRequest request;
  request.by = kForgetBy[in.getBy()];
  request.object = RUNLOG_GET_TEXT(in, Object);
  for (const auto value : in.getValues()) request.values.emplace_back(text_of(value));
  return request;
}

void write(const ForgetReport& report, wire::Forgotten::Builder out) {
  out.setRuns(report.runs);
  out.setRecords(report.records);
  out.setRecordBytes(report.record_bytes);
  out.setPaused(report.paused);
  out.setPins(report.pins);
  out.setRewrittenSegments(report.rewritten_segments);
  out.setDroppedSegments(report.dropped_segments);
  out.setFreedBytes(report.freed_bytes);
  out.setWrittenBytes(report.written_bytes);
  auto files = out.initMayHold(unsigned(report.may_hold.size()));
  for (unsigned i = 0; i < report.may_hold.size(); ++i) {
    const std::string name = report.may_hold[i].filename().string();
    fill(files.init(i, unsigned(name.size())), name);
  }
}

ForgetReport read_forgotten(wire::Forgotten::Reader in) {
  ForgetReport report;
  report.runs = in.getRuns();
  report.records = in.getRecords();
  report.record_bytes = in.getRecordBytes();
  report.paused = in.getPaused();
  report.pins = in.getPins();
  report.rewritten_segments = in.getRewrittenSegments();
  report.dropped_segments = in.getDroppedSegments();
  report.freed_bytes = in.getFreedBytes();
  report.written_bytes = in.getWrittenBytes();
  for (const auto file : in.getMayHold()) report.may_hold.emplace_back(text_of(file));
  return report;
}

}  // namespace runlog
