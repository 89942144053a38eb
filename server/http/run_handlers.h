// What the routes about runs answer. Each function blocks, needs no socket and may be called by any
// thread; it holds no lock of ours while it waits.
#pragma once

#include "log/log.h"
#include "server/http/http_request.h"
#include "server/http/http_response.h"
#include "server/http/http_route.h"

namespace runlog {

// Answers a route about the runs of one log: any but kStream, kDiscovery, kHealth, kReady, kMetrics
// and kPage.
HttpResponse answer(const HttpRoute& route, const HttpRequest& request, Log& log);

// Answers kFlowRun if at most `most_bytes` of the run have to be decoded, in a few microseconds where
// those are few; nullopt: there are more. Waits for nothing but the disk.
std::optional<HttpResponse> answer_small_run(const HttpRoute& route, const HttpRequest& request,
                                             Log& log, std::size_t most_bytes);

// POST /api/v1/runs: NDJSON, or a JSON array, of 200,000 runs at most; of more, none is stored (413).
// All that can be taken are appended in one commit; then each is answered by one line of JSON, in
// their order: {"line":1,"runId":…,"outcome":"appended" | "duplicate" | "superseded","sequence":…}, or
// {"line":1,"error":{"code":…,"message":…}}.
HttpResponse append_runs(const HttpRequest& request, Log& log);

}  // namespace runlog
