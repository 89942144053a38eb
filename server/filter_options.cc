#include "server/filter_options.h"

#include <algorithm>
#include <map>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "server/quantities.h"
#include "server/time_argument.h"

namespace runlog {
namespace {

constexpr const char* kGroup = "Which runs (all conditions must hold)";

const std::map<std::string, TermKind>& group_kinds() {
  static const std::map<std::string, TermKind> kKinds = {
      {"error", TermKind::kFingerprint},       {"error-code", TermKind::kErrorCode},
      {"flow", TermKind::kFlow},               {"status", TermKind::kStatus},
      {"trigger-type", TermKind::kTriggerType}, {"object", TermKind::kTriggerObject},
      {"record", TermKind::kRecord},           {"user", TermKind::kUser},
      {"organization", TermKind::kOrganization}, {"node", TermKind::kFailingNode},
      {"label", TermKind::kLabel}};
  return kKinds;
}

std::pair<std::string, std::string> parse_label(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw CLI::ValidationError("--label", fmt::format("'{}' is not KEY=VALUE", text));
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

CLI::Option* add_text(CLI::App& command, const std::string& name, std::optional<std::string>& value,
                      const std::string& type, const std::string& help) {
  return command.add_option(name, value, help)
      ->check(refuse_empty)
      ->type_name(type)
      ->group(kGroup);
}

void add_time(CLI::App& command, const std::string& name, TimeEnd end,
              std::optional<UnixMs>& value, const std::string& help) {
  const auto take = [&value, name, end](const std::string& text) {
    auto time = parse_time_argument(text, end, now_ms());
    if (!time) throw CLI::ValidationError(name, time.error().message);
    value = *time;
  };
  command.add_option_function<std::string>(name, take, help)->type_name("TIME")->group(kGroup);
}

// An option that may be repeated; each time it takes one argument.
CLI::Option* add_repeated(CLI::App& command, const std::string& name,
                          const std::function<void(const std::vector<std::string>&)>& take,
                          const std::string& type, const std::string& help) {
  return command.add_option_function<std::vector<std::string>>(name, take, help)
      ->check(refuse_empty)
      ->allow_extra_args(false)
      ->type_name(type)
      ->group(kGroup);
}

}  // namespace

std::optional<RunStatus> status_named(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  for (unsigned i = 0; i <= unsigned(RunStatus::kRunning); ++i) {
    if (name == status_name(RunStatus(i))) return RunStatus(i);
  }
  return std::nullopt;
}

RunStatus parse_status(std::string name, bool with_live) {
  const auto status = status_named(name);
  if (status && (with_live || unsigned(*status) < kRunStatusCount)) return *status;
  throw CLI::ValidationError(
      "--status", fmt::format("'{}' is not one of completed, failed, cancelled, timed_out{}", name,
                              with_live ? ", paused, running" : ""));
}

std::optional<TermKind> group_kind_named(const std::string& name) {
  const auto kind = group_kinds().find(name);
  return kind == group_kinds().end() ? std::nullopt : std::optional(kind->second);
}

std::string group_kind_names() {
  std::string names;
  for (const auto& [name, kind] : group_kinds()) names += (names.empty() ? "" : ", ") + name;
  return names;
}

std::string refuse_empty(const std::string& value) {
  return value.empty() ? "the value is empty" : "";
}

std::optional<std::string> contradiction_in(const Filter& filter) {
  if (filter.finished_from && filter.finished_to && *filter.finished_from > *filter.finished_to) {
    return "--since is later than --until";
  }
  if (filter.started_from && filter.started_to && *filter.started_from > *filter.started_to) {
    return "--started-since is later than --started-until";
  }
  return std::nullopt;
}

void add_filter_options(CLI::App& command, Filter& filter, bool with_live) {
  add_repeated(command, "--flow",
               [&filter](const std::vector<std::string>& names) { filter.flows = names; }, "F",
               "Of this flow; may be repeated");
  add_repeated(command, "--status",
               [&filter, with_live](const std::vector<std::string>& names) {
                 for (const std::string& name : names) {
                   filter.statuses.push_back(parse_status(name, with_live));
                 }
               },
               "S", with_live ? "completed, failed, cancelled, timed_out, paused or running; several "
                                "with commas"
                              : "completed, failed, cancelled or timed_out; several with commas")
      ->delimiter(',');
  add_text(command, "--trigger-type", filter.trigger_type, "T", "Started by this kind of trigger");
  CLI::Option* object = add_text(command, "--object", filter.trigger_object, "O",
                                 "Started by a record of this object");
  add_text(command, "--record", filter.trigger_record, "R",
           "Started by this record")
      ->needs(object);
  add_text(command, "--user", filter.user, "U", "Started by this user");
  add_text(command, "--organization", filter.organization, "G", "Of this organization");
  add_text(command, "--node", filter.failing_node, "N", "Failed at this node");
  add_text(command, "--error-code", filter.error_code, "C", "Failed with this code");
  add_text(command, "--error", filter.fingerprint, "E",
           "Failed with this error, as `groups --by error` names it");
  add_text(command, "--error-text", filter.error_text, "W",
           "Failed with a message that contains this; case does not matter");
  add_time(command, "--since", TimeEnd::kFrom, filter.finished_from,
           "Finished then or later: 2026-10-20T00:00:00Z, 2026-10-20, 2h, 7d");
  add_time(command, "--until", TimeEnd::kTo, filter.finished_to, "Finished then or earlier");
  add_time(command, "--started-since", TimeEnd::kFrom, filter.started_from,
           "Started then or later");
  add_time(command, "--started-until", TimeEnd::kTo, filter.started_to, "Started then or earlier");
  add_repeated(command, "--label",
               [&filter](const std::vector<std::string>& labels) {
                 for (const std::string& label : labels) {
                   filter.labels.push_back(parse_label(label));
                 }
               },
               "K=V", "Carries this label; may be repeated");
}

}  // namespace runlog
