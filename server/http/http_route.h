// Which question a request asks, by its method and path.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "server/http/http_request.h"
#include "server/http/http_response.h"

namespace runlog {

struct HttpRoute {
  enum class Kind : std::uint8_t {
    kFlowRuns,    // GET /api/v1/automation/:flow/runs
    kFlowRun,     // GET /api/v1/automation/:flow/runs/:run
    kListRuns,    // GET /api/v1/runs
    kAppendRuns,  // POST /api/v1/runs
    kGroups,      // GET /api/v1/runs/groups
    kStream,      // GET /api/v1/runs/stream
    kFlows,       // GET /api/v1/flows
    kDiscovery,   // GET /api/v1/discovery
    kHealth,      // GET /healthz
    kReady,       // GET /readyz
    kMetrics,     // GET /metrics
    kPage,        // GET /
    kOther,       // none of these: 404, 405, or no HTTP
  };
  Kind kind = Kind::kOther;
  std::string flow, run_id;  // decoded
};

// HEAD is answered wherever GET is. The other half of the answer says why there is no such route:
// 404 ENDPOINT_NOT_FOUND, 405 METHOD_NOT_ALLOWED, or 400 for names that are not percent-encoded UTF-8.
std::variant<HttpRoute, HttpResponse> find_route(const HttpRequest& request);

}  // namespace runlog
