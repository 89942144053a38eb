#include "server/metrics/kind_names.h"

#include <utility>

#include "server/http/http_route.h"
#include "server/protocol/frame.h"

namespace runlog {
namespace {

template <typename Names>
std::string_view name_in(const Names& names, unsigned kind) {
  for (const auto& [known, name] : names)
    if (unsigned(known) == kind) return name;
  return {};
}

}  // namespace

std::string_view socket_kind_name(unsigned kind) {
  static constexpr std::pair<Kind, std::string_view> kNames[] = {
      {Kind::kFailure, "connection"},  // its failures as a whole
      {Kind::kHello, "hello"},
      {Kind::kCancel, "cancel"},
      {Kind::kPing, "ping"},
      {Kind::kAppend, "append"},
      {Kind::kGet, "get"},
      {Kind::kList, "list"},
      {Kind::kCount, "count"},
      {Kind::kGroups, "groups"},
      {Kind::kStats, "stats"},
      {Kind::kFollow, "follow"},
      {Kind::kInfo, "info"},
      {Kind::kTrend, "trend"},
      {Kind::kPausedSave, "paused_save"},
      {Kind::kPausedLoad, "paused_load"},
      {Kind::kPausedDelete, "paused_delete"},
      {Kind::kPausedList, "paused_list"},
      {Kind::kPausedClaim, "paused_claim"},
      {Kind::kPausedComplete, "paused_complete"},
      {Kind::kPin, "pin"},
      {Kind::kUnpin, "unpin"},
      {Kind::kPins, "pins"},
      {Kind::kGetPolicy, "get_policy"},
      {Kind::kSetPolicy, "set_policy"},
      {Kind::kSweep, "sweep"},
      {Kind::kHideExpired, "hide_expired"},
      {Kind::kHidden, "hidden"},
      {Kind::kBackup, "backup"},
      {Kind::kForget, "forget"}};
  return name_in(kNames, kind);
}

std::string_view http_kind_name(unsigned kind) {
  using Route = HttpRoute::Kind;
  static constexpr std::pair<Route, std::string_view> kNames[] = {
      {Route::kFlowRuns, "flow_runs"},     {Route::kFlowRun, "flow_run"},
      {Route::kListRuns, "list_runs"},     {Route::kAppendRuns, "append_runs"},
      {Route::kGroups, "groups"},          {Route::kStream, "stream"},
      {Route::kFlows, "flows"},            {Route::kDiscovery, "discovery"},
      {Route::kHealth, "healthz"},         {Route::kReady, "readyz"},
      {Route::kMetrics, "metrics"},        {Route::kPage, "page"},
      {Route::kOther, "other"}};
  return name_in(kNames, kind);
}

}  // namespace runlog
