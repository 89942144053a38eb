// A log as a list in memory, which answers every question the slow and obvious way.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "query/query.h"
#include "tests/test_run.h"

namespace runlog {

// What the head keeps of a message.
inline std::string cut_message(const std::string& message) {
  std::size_t end = std::min(message.size(), kHeadMessageBytes);
  while (end < message.size() && end > 0 && (message[end] & 0xC0) == 0x80) --end;
  return message.substr(0, end);
}

// A question to the model: a filter, and the error text as the model's own folding has it.
struct ModelFilter {
  Filter filter;
  std::string folded_text;
};

class Model {
 public:
  struct Entry {
    TestRun run;
    std::string folded_message;
    SequenceNumber sequence = 0;
    bool visible = true;
    UnixMs finished = 0;        // as the log derives it
    std::uint64_t bytes = 0;    // of the stored record
  };
  // Positions of entries, oldest first.
  using Runs = std::vector<std::size_t>;

  // What appending `run` must answer.
  AppendResult::Outcome outcome(const TestRun& run) const {
    const auto found = by_id_.find(run.run_id);
    if (found == by_id_.end()) return AppendResult::Outcome::kAppended;
    return entries_[found->second].run == run ? AppendResult::Outcome::kDuplicate
                                              : AppendResult::Outcome::kSuperseded;
  }
  const Entry* find(const std::string& run_id) const {
    const auto found = by_id_.find(run_id);
    return found == by_id_.end() ? nullptr : &entries_[found->second];
  }
  // Takes what the log took. `sequence` must be above all others.
  void add(TestRun run, std::string folded_message, SequenceNumber sequence, UnixMs finished,
           std::uint64_t bytes) {
    const auto found = by_id_.find(run.run_id);
    if (found != by_id_.end()) entries_[found->second].visible = false;
    by_id_[run.run_id] = entries_.size();
    entries_.push_back({std::move(run), std::move(folded_message), sequence, true, finished, bytes});
  }

  const std::vector<Entry>& entries() const { return entries_; }
  SequenceNumber last_sequence() const { return entries_.empty() ? 0 : entries_.back().sequence; }
  Runs visible() const {
    Runs runs;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].visible) runs.push_back(i);
    }
    return runs;
  }

  Runs matching(const Runs& among, const ModelFilter& filter) const {
    Runs runs;
    for (const std::size_t i : among) {
      if (matches(entries_[i], filter)) runs.push_back(i);
    }
    return runs;
  }

  std::vector<Group> groups(const Runs& among, TermKind by) const {
    std::map<std::pair<std::string, std::optional<std::string>>, std::uint64_t> counts;
    for (const std::size_t i : among) {
      std::vector<std::string> values = values_of(entries_[i].run, by);
      std::sort(values.begin(), values.end());
      values.erase(std::unique(values.begin(), values.end()), values.end());
      for (const std::string& value : values) {
        ++counts[{value, by == TermKind::kRecord ? entries_[i].run.object : std::nullopt}];
      }
    }
    std::vector<Group> groups;
    for (const auto& [value, count] : counts) groups.push_back({value.first, count, value.second});
    std::stable_sort(groups.begin(), groups.end(),
                     [](const Group& a, const Group& b) { return a.count > b.count; });
    return groups;
  }

  // What a flow, or all flows (empty), did; without percentiles, which are estimates.
  FlowStatistics statistics(const std::string& flow) const {
    FlowStatistics out;
    out.flow = flow;
    std::map<UnixMs, std::array<std::uint64_t, kRunStatusCount>> hours;
    for (const Entry& entry : entries_) {
      if (!entry.visible || (!flow.empty() && entry.run.flow != flow)) continue;
      const auto status = std::size_t(entry.run.status);
      ++out.runs[status];
      ++hours[entry.finished / 3'600'000 * 3'600'000][status];
      out.bytes += entry.bytes;
      if (entry.run.selected) {
        out.selected += *entry.run.selected;
        out.acted += *entry.run.selected / 2;
        out.unmeasured += 1;
      }
      out.last_run = entry.finished;
      if (entry.run.status == RunStatus::kFailed) out.last_failure = entry.finished;
    }
    for (const auto& [start, runs] : hours) out.by_hour.push_back({start, runs});
    return out;
  }
  std::vector<std::int64_t> durations(const std::string& flow) const {
    std::vector<std::int64_t> out;
    for (const Entry& entry : entries_) {
      const bool says_how_long = entry.run.duration_ms || entry.run.finished_at;
      if (entry.visible && says_how_long && (flow.empty() || entry.run.flow == flow)) {
        out.push_back(entry.run.duration_ms.value_or(entry.finished - entry.run.started_at));
      }
    }
    std::sort(out.begin(), out.end());
    return out;
  }

 private:
  static bool matches(const Entry& entry, const ModelFilter& asked) {
    const Filter& filter = asked.filter;
    const TestRun& run = entry.run;
    const auto any = [](const auto& values, const auto& value) {
      return values.empty() || std::find(values.begin(), values.end(), value) != values.end();
    };
    const auto same = [](const auto& wanted, const auto& value) {
      return !wanted || wanted == value;
    };
    if (!any(filter.flows, run.flow) || !any(filter.statuses, run.status)) return false;
    if (!same(filter.trigger_type, run.trigger_type) || !same(filter.trigger_object, run.object) ||
        !same(filter.trigger_record, run.record) || !same(filter.user, run.user) ||
        !same(filter.organization, run.organization) ||
        !same(filter.failing_node, run.error_node) || !same(filter.error_code, run.error_code)) {
      return false;
    }
    if (filter.fingerprint && (!run.error_message || *filter.fingerprint !=
                                   error_fingerprint(cut_message(*run.error_message)))) {
      return false;
    }
    if (filter.error_text && (!run.error_message || entry.folded_message.find(asked.folded_text) ==
                                                        std::string::npos)) {
      return false;
    }
    if (filter.finished_from && entry.finished < *filter.finished_from) return false;
    if (filter.finished_to && entry.finished > *filter.finished_to) return false;
    if (filter.started_from && run.started_at < *filter.started_from) return false;
    if (filter.started_to && run.started_at > *filter.started_to) return false;
    return std::all_of(filter.labels.begin(), filter.labels.end(), [&](const auto& label) {
      return std::find(run.labels.begin(), run.labels.end(), label) != run.labels.end();
    });
  }

  static std::vector<std::string> values_of(const TestRun& run, TermKind by) {
    const auto one = [](const std::optional<std::string>& value) {
      return value ? std::vector<std::string>{*value} : std::vector<std::string>{};
    };
    switch (by) {
      case TermKind::kFlow: return {run.flow};
      case TermKind::kStatus: {
        constexpr const char* kNames[] = {"completed", "failed", "cancelled", "timed_out"};
        return {kNames[std::size_t(run.status)]};
      }
      case TermKind::kTriggerType: return one(run.trigger_type);
      case TermKind::kTriggerObject: return one(run.object);
      case TermKind::kRecord:
        return one(run.record);
      case TermKind::kUser: return one(run.user);
      case TermKind::kOrganization: return one(run.organization);
      case TermKind::kFailingNode: return one(run.error_node);
      case TermKind::kErrorCode: return one(run.error_code);
      case TermKind::kFingerprint:
        if (!run.error_message) return {};
        return {error_fingerprint(cut_message(*run.error_message))};
      case TermKind::kLabel: {
        std::vector<std::string> labels;
        for (const auto& [key, value] : run.labels) labels.push_back(key + "=" + value);
        return labels;
      }
      case TermKind::kFlowStatus:
      case TermKind::kHasError: break;
    }
    return {};
  }

  std::vector<Entry> entries_;
  std::map<std::string, std::size_t> by_id_;  // the visible entry of each run
};

}  // namespace runlog
