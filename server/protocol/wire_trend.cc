#include "server/protocol/wire_trend.h"

#include "log/stored_text.h"
#include "server/protocol/wire_value.h"

namespace runlog {
namespace {

void write_flow_counts(const FlowCounts& counts, wire::FlowPeriod::Builder out) {
  auto runs = out.initRuns(unsigned(counts.runs.size()));
  for (unsigned i = 0; i < counts.runs.size(); ++i) runs.set(i, counts.runs[i]);
  out.setSelected(counts.selected);
  out.setActed(counts.acted);
  out.setUnmeasured(counts.unmeasured);
  auto durations = out.initDurations(unsigned(counts.durations.buckets.size()));
  unsigned i = 0;
  for (const auto& [number, runs_in] : counts.durations.buckets) {
    durations[i].setNumber(number);
    durations[i++].setRuns(runs_in);
  }
}

FlowCounts read_flow_counts(wire::FlowPeriod::Reader in) {
  FlowCounts counts;
  const auto runs = in.getRuns();
  for (unsigned i = 0; i < counts.runs.size() && i < runs.size(); ++i) counts.runs[i] = runs[i];
  counts.selected = in.getSelected();
  counts.acted = in.getActed();
  counts.unmeasured = in.getUnmeasured();
  for (const auto bucket : in.getDurations())
    counts.durations.buckets[bucket.getNumber()] = bucket.getRuns();
  return counts;
}

void write_counted(const std::vector<CountedPeriod>& periods,
                   capnp::List<wire::FlowPeriod>::Builder out) {
  for (unsigned i = 0; i < periods.size(); ++i) {
    out[i].setFrom(periods[i].start);
    write_flow_counts(periods[i].counts, out[i]);
  }
}

std::vector<CountedPeriod> read_counted(capnp::List<wire::FlowPeriod>::Reader in) {
  std::vector<CountedPeriod> periods;
  for (const auto period : in) periods.push_back({period.getFrom(), read_flow_counts(period)});
  return periods;
}

}  // namespace

void write(const FlowTrend& trend, wire::Trend::Builder out) {
  auto periods = out.initPeriods(unsigned(trend.periods.size()));
  for (unsigned i = 0; i < trend.periods.size(); ++i) {
    RUNLOG_SET_TEXT(periods[i], Name, trend.periods[i].name);
    periods[i].setFrom(trend.periods[i].from);
    periods[i].setTo(trend.periods[i].to);
    write_flow_counts(trend.periods[i].counts, periods[i]);
  }
  const FlowHistory& history = trend.history;
  write_counted(history.hours, out.initHours(unsigned(history.hours.size())));
  write_counted(history.days, out.initDays(unsigned(history.days.size())));
  out.setMeasuredAt(history.measured_at);
  RUNLOG_SET_INT(out, HoursFrom, history.hours_from);
  RUNLOG_SET_INT(out, DaysFrom, history.days_from);
  RUNLOG_SET_INT(out, DroppedBefore, history.dropped_before);
  out.setUncounted(history.uncounted);
  out.setHasUnnamed(history.has_unnamed);
  RUNLOG_SET_INT(out, RunsFrom, trend.runs_from);
}

FlowTrend read_trend(wire::Trend::Reader in) {
  FlowTrend trend;
  for (const auto period : in.getPeriods()) {
    trend.periods.push_back({std::string(RUNLOG_GET_TEXT(period, Name)), period.getFrom(),
                             period.getTo(), read_flow_counts(period)});
  }
  FlowHistory& history = trend.history;
  history.hours = read_counted(in.getHours());
  history.days = read_counted(in.getDays());
  history.measured_at = in.getMeasuredAt();
  history.hours_from = RUNLOG_GET_INT(in, HoursFrom);
  history.days_from = RUNLOG_GET_INT(in, DaysFrom);
  history.dropped_before = RUNLOG_GET_INT(in, DroppedBefore);
  history.uncounted = in.getUncounted();
  history.has_unnamed = in.getHasUnnamed();
  trend.runs_from = RUNLOG_GET_INT(in, RunsFrom);
  return trend;
}

}  // namespace runlog
