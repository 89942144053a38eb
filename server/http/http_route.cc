#include "server/http/http_route.h"

#include <array>
#include <optional>
#include <vector>

#include <fmt/format.h>

namespace runlog {
namespace {

using RouteKind = HttpRoute::Kind;

struct FixedRoute {
  std::string_view path;
  RouteKind kind;
};
constexpr std::array<FixedRoute, 9> kFixedRoutes = {{
    {"/healthz", RouteKind::kHealth},
    {"/api/v1/runs", RouteKind::kListRuns},
    {"/api/v1/runs/groups", RouteKind::kGroups},
    {"/api/v1/runs/stream", RouteKind::kStream},
    {"/api/v1/flows", RouteKind::kFlows},
    {"/api/v1/discovery", RouteKind::kDiscovery},
    {"/readyz", RouteKind::kReady},
    {"/metrics", RouteKind::kMetrics},
    {"/", RouteKind::kPage},
}};
constexpr std::string_view kAutomation = "/api/v1/automation/";

// "", or ":flow/runs", or ":flow/runs/:run", split at its slashes while they are still encoded.
std::optional<HttpRoute> flow_route(std::string_view path, bool& is_malformed) {
  if (!path.starts_with(kAutomation)) return std::nullopt;
  path.remove_prefix(kAutomation.size());
  const std::size_t slash = path.find('/');
  if (slash == 0 || slash == std::string_view::npos) return std::nullopt;
  const std::string_view flow = path.substr(0, slash), rest = path.substr(slash + 1);
  HttpRoute route;
  std::string_view run;
  if (rest == "runs") {
    route.kind = RouteKind::kFlowRuns;
  } else if (rest.starts_with("runs/") && rest.find('/', 5) == std::string_view::npos &&
             rest.size() > 5) {
    route.kind = RouteKind::kFlowRun;
    run = rest.substr(5);
  } else {
    return std::nullopt;
  }
  const auto flow_name = percent_decode(flow, false), run_id = percent_decode(run, false);
  is_malformed = !flow_name || !run_id;
  if (is_malformed) return std::nullopt;
  route.flow = *flow_name;
  route.run_id = *run_id;
  return route;
}

std::optional<HttpRoute> route_of(std::string_view path, bool& is_malformed) {
  for (const FixedRoute& fixed : kFixedRoutes) {
    if (path == fixed.path) return HttpRoute{fixed.kind, {}, {}};
  }
  return flow_route(path, is_malformed);
}

}  // namespace

std::variant<HttpRoute, HttpResponse> find_route(const HttpRequest& request) {
  bool is_malformed = false;
  auto route = route_of(request.path, is_malformed);
  if (is_malformed) {
    return problems_response({{"(path)", "invalid_format", "the path is not percent-encoded UTF-8"}});
  }
  if (!route) {
    return error_response(404, "ENDPOINT_NOT_FOUND", "there is nothing at this path");
  }
  if (route->kind == RouteKind::kListRuns && request.method == HttpMethod::kPost) {
    route->kind = RouteKind::kAppendRuns;
    return *route;
  }
  if (request.method == HttpMethod::kGet || request.method == HttpMethod::kHead) return *route;
  HttpResponse refused = error_response(405, "METHOD_NOT_ALLOWED",
                                        "this path does not know the request's method");
  refused.headers.emplace_back("Allow", route->kind == RouteKind::kListRuns ? "GET, HEAD, POST"
                                                                       : "GET, HEAD");
  return refused;
}

}  // namespace runlog
