#include "server/http/filter_parameters.h"

#include <fmt/format.h>

#include "server/filter_options.h"
#include "server/time_argument.h"

namespace runlog {
namespace {

// No run has an empty value; whoever sends one forgot to fill it in.
void refuse_empty_value(QueryString& query, std::string_view name, const std::string& value) {
  if (value.empty()) query.add_problem(name, "required", fmt::format("'{}' is empty", name));
}

std::optional<std::string> read_text(QueryString& query, std::string_view name) {
  auto value = query.once(name);
  if (value) refuse_empty_value(query, name, *value);
  return value;
}

std::optional<UnixMs> read_time(QueryString& query, std::string_view name, TimeEnd end,
                                UnixMs now) {
  const auto text = query.once(name);
  if (!text) return std::nullopt;
  const auto time = parse_time_argument(*text, end, now);
  if (time) return *time;
  query.add_problem(name, "invalid_date", time.error().message);
  return std::nullopt;
}

void read_statuses(QueryString& query, bool with_live, Filter& filter) {
  for (std::string names : query.all("status")) {
    names += ',';
    for (std::size_t at = 0, end; (end = names.find(',', at)) != std::string::npos; at = end + 1) {
      const auto status = status_named(names.substr(at, end - at));
      if (status && (with_live || unsigned(*status) < kRunStatusCount)) {
        filter.statuses.push_back(*status);
        continue;
      }
      query.add_problem("status", "invalid_option",
                        fmt::format("'status' must be completed, failed, cancelled or timed_out{}; "
                                    "several with commas", with_live ? ", paused or running" : ""));
      return;
    }
  }
}

void read_labels(QueryString& query, Filter& filter) {
  for (const std::string& label : query.all("label")) {
    const std::size_t equals = label.find('=');
    if (equals == std::string::npos || equals == 0) {
      query.add_problem("label", "invalid_format", "a label is given as KEY=VALUE");
    } else {
      filter.labels.emplace_back(label.substr(0, equals), label.substr(equals + 1));
    }
  }
}

void check_range(QueryString& query, std::string_view name, std::optional<UnixMs> from,
                 std::optional<UnixMs> to) {
  if (from && to && *from > *to) {
    query.add_problem(name, "invalid_value",
                      fmt::format("the range that begins with '{}' ends before it begins", name));
  }
}

}  // namespace

Filter read_filter(QueryString& query, UnixMs now, bool with_live) {
  Filter filter;
  filter.flows = query.all("flow");
  for (const std::string& flow : filter.flows) refuse_empty_value(query, "flow", flow);
  read_statuses(query, with_live, filter);
  filter.trigger_type = read_text(query, "trigger-type");
  filter.trigger_object = read_text(query, "object");
  filter.trigger_record = read_text(query, "record");
  if (filter.trigger_record && !filter.trigger_object) {
    query.add_problem("object", "required", "'record' needs the record's 'object'");
  }
  filter.user = read_text(query, "user");
  filter.organization = read_text(query, "organization");
  filter.failing_node = read_text(query, "node");
  filter.error_code = read_text(query, "error-code");
  filter.fingerprint = read_text(query, "error");
  filter.error_text = read_text(query, "error-text");
  filter.finished_from = read_time(query, "since", TimeEnd::kFrom, now);
  filter.finished_to = read_time(query, "until", TimeEnd::kTo, now);
  filter.started_from = read_time(query, "started-since", TimeEnd::kFrom, now);
  filter.started_to = read_time(query, "started-until", TimeEnd::kTo, now);
  check_range(query, "since", filter.finished_from, filter.finished_to);
  check_range(query, "started-since", filter.started_from, filter.started_to);
  read_labels(query, filter);
  return filter;
}

}  // namespace runlog
