#include "server/http/http_connection.h"

#include <fmt/format.h>

#include "server/http/fixed_answers.h"
#include "server/http/http_encoding.h"
#include "server/http/run_handlers.h"
#include "server/quantities.h"

namespace runlog {
namespace {

using namespace std::chrono_literals;
using RouteKind = HttpRoute::Kind;

// Whoever begins a request has to get on with it.
constexpr auto kHeadWithin = 10s;
constexpr auto kBodyWithin = 60s;
// What the bodies of all connections may take together.
constexpr std::size_t kBodiesBytes = 256u << 20;

Role needed_role(RouteKind kind) {
  return kind == RouteKind::kAppendRuns ? Role::kAppend : Role::kRead;
}

// The token of "Bearer TOKEN"; empty for anything else.
std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kBearer = "bearer ";
  if (authorization.size() <= kBearer.size()) return {};
  for (std::size_t i = 0; i < kBearer.size(); ++i) {
    if ((authorization[i] | 0x20) != (kBearer[i] | 0x20)) return {};
  }
  return authorization.substr(kBearer.size());
}

// On a worker: everything that may block.
HttpResponse answer_tenant(Tenants& tenants, const std::string& tenant, const HttpRoute& route,
                           const HttpRequest& request) {
  const auto log = tenants.open(tenant);
  if (!log) return response_of(log.error());
  if (route.kind == RouteKind::kAppendRuns) {
    if (auto admitted = tenants.admit(tenant, request.body.size()); !admitted) {
      return response_of(admitted.error());
    }
  }
  HttpResponse response = answer(route, request, **log);
  if (const auto accepted = request.header("accept-encoding")) compress(response, *accepted);
  return response;
}

}  // namespace

HttpConnection::HttpConnection(Connection& connection, HttpDoor& door)
    : Protocol(connection), door_(door) {}
HttpConnection::~HttpConnection() = default;

// ---- bytes ------------------------------------------------------------------------------------

bool HttpConnection::can_go_on() const {
  return !is_busy_ && !stream_ && !connection_.is_closing() && !connection_.is_congested();
}

void HttpConnection::on_bytes(std::string_view bytes) {
  if (stream_) return;  // whoever listens has nothing to say
  if (unread_.empty() && can_go_on()) return take(bytes);
  unread_ += bytes;
  if (is_busy_) {
    connection_.pause_reading();
  } else {
    go_on();
  }
}

void HttpConnection::on_drained() {
  if (stream_) {
    stream_->on_drained();
  } else {
    go_on();
  }
}

// What is there is answered; a request that is not whole never will be.
void HttpConnection::on_end() {
  has_ended_ = true;
  if (is_busy_) return;
  if (unread_.empty() || stream_) return connection_.close_after_writing();
  go_on();
}

void HttpConnection::on_stopping() {
  is_stopping_ = true;
  if (stream_) return stream_->finish();
  if (!is_busy_) connection_.close_after_writing();
}

void HttpConnection::on_closed() {
  stream_.reset();
  let_go();
}

void HttpConnection::go_on() {
  if (!can_go_on()) return;
  std::string bytes;
  bytes.swap(unread_);
  take(bytes);
  if (!unread_.empty() || !can_go_on()) return;
  if (has_ended_) return connection_.close_after_writing();
  connection_.resume_reading();
}

void HttpConnection::take(std::string_view bytes) {
  while (!bytes.empty() && can_go_on()) {
    bytes.remove_prefix(parser_.take(std::span(bytes.data(), bytes.size())));
    step();
  }
  if (!connection_.is_closing() && !stream_) unread_.insert(0, bytes);
}

void HttpConnection::step() {
  switch (parser_.state()) {
    case HttpParser::State::kHead:
      if (!head_is_timed_) connection_.finish_within(kHeadWithin);
      head_is_timed_ = true;
      return;
    case HttpParser::State::kBody:
      if (!body_is_admitted_) admit_body();
      return;
    case HttpParser::State::kRefused: {
      const HttpRefusal& why = parser_.refusal();
      if (!body_is_admitted_) begin({});
      return refuse_and_close(error_response(
          why.status, why.status == 413 ? "PAYLOAD_TOO_LARGE" : "VALIDATION_ERROR", why.message));
    }
    case HttpParser::State::kDone: {
      head_is_timed_ = body_is_admitted_ = false;
      connection_.finish_within(std::nullopt);
      return handle(parser_.release());
    }
  }
}

// Before a body comes, it is known whose it is: nobody fills memory without a token.
void HttpConnection::admit_body() {
  const HttpRequest& request = parser_.request();
  begin(request);
  const auto route = find_route(request);
  if (std::holds_alternative<HttpResponse>(route)) {
    return refuse_and_close(std::get<HttpResponse>(route));
  }
  current_.kind = std::get<HttpRoute>(route).kind;
  if (current_.kind != RouteKind::kAppendRuns) {
    return refuse_and_close(error_response(413, "PAYLOAD_TOO_LARGE", "this request takes no body"));
  }
  const auto grant = authorize(request, std::get<HttpRoute>(route));
  if (std::holds_alternative<HttpResponse>(grant)) {
    return refuse_and_close(std::get<HttpResponse>(grant));
  }
  const std::size_t bytes = request.body_bytes.value_or(kMaxHttpBodyBytes);
  if (door_.body_bytes + bytes > kBodiesBytes) {
    ++door_.metrics.overloaded;
    return refuse_and_close(overloaded("too many requests with a body are on their way", 0));
  }
  door_.body_bytes += current_.body_bytes = bytes;
  body_is_admitted_ = true;
  connection_.finish_within(kBodyWithin);
  if (request.expects_continue) connection_.write("HTTP/1.1 100 Continue\r\n\r\n");
}

// ---- requests ---------------------------------------------------------------------------------

void HttpConnection::begin(const HttpRequest& request) {
  const std::size_t body_bytes = current_.body_bytes;  // reserved when the head came
  current_ = Current();
  current_.body_bytes = body_bytes;
  current_.is_head = request.method == HttpMethod::kHead;
  current_.keep_alive = request.keep_alive;
  current_.path = request.path;
  current_.request_bytes = request.path.size() + request.query.size() + request.body.size();
  current_.began = std::chrono::steady_clock::now();
}

void HttpConnection::handle(HttpRequest request) {
  begin(request);
  auto found = find_route(request);
  if (std::holds_alternative<HttpResponse>(found)) return send(std::get<HttpResponse>(found));
  HttpRoute& route = std::get<HttpRoute>(found);
  current_.kind = route.kind;
  switch (route.kind) {
    case RouteKind::kHealth: return send(plain_answer(200, "ok\n"));
    case RouteKind::kReady:
      return send(door_.is_ready && !is_stopping_ ? plain_answer(200, "ready\n") : plain_answer(503, "not ready\n"));
    case RouteKind::kDiscovery: return send(discovery_answer());
    case RouteKind::kPage: return send(page_answer());
    case RouteKind::kMetrics: return send(metrics());
    default: break;
  }
  handle_for_tenant(std::move(request), std::move(route));
}

// They name every tenant, so a tenant's token opens nothing here.
HttpResponse HttpConnection::metrics() const {
  if (!connection_.is_local() && !door_.metrics_for_everybody) {
    return error_response(403, "PERMISSION_DENIED", "metrics are for this machine alone");
  }
  HttpResponse response = plain_answer(200, door_.metrics_text());
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return response;
}

void HttpConnection::handle_for_tenant(HttpRequest request, HttpRoute route) {
  auto authorized = authorize(request, route);
  if (std::holds_alternative<HttpResponse>(authorized)) {
    return send(std::get<HttpResponse>(authorized));
  }
  const Grant& grant = std::get<Grant>(authorized);
  if (auto refused = overload(grant)) return send(*refused);
  if (route.kind == RouteKind::kStream) return start_stream(request, grant);
  // One run of a log that is open takes a few microseconds.
  if (route.kind == RouteKind::kFlowRun) {
    if (const auto log = door_.tenants.opened(grant.tenant)) {
      return send(answer(route, request, *log));
    }
  }
  answer_on_worker(std::move(request), std::move(route), grant);
}

void HttpConnection::answer_on_worker(HttpRequest request, HttpRoute route, const Grant& grant) {
  is_busy_ = true;
  struct Job {
    HttpRequest request;
    HttpRoute route;
    std::string tenant;
  };
  auto job = std::make_shared<Job>(Job{std::move(request), std::move(route), grant.tenant});
  connection_.loop().work(
      [&tenants = door_.tenants, job] {
        return answer_tenant(tenants, job->tenant, job->route, job->request);
      },
      [this, connection = connection_.weak_from_this()](HttpResponse response) {
        const auto alive = connection.lock();
        if (!alive || alive->is_closing()) return;
        is_busy_ = false;
        send(response);
        go_on();
      });
}

// ---- who may what -----------------------------------------------------------------------------

std::variant<Grant, HttpResponse> HttpConnection::authorize(const HttpRequest& request,
                                                            const HttpRoute& route) {
  std::optional<Grant> grant;
  if (const auto authorization = request.header("authorization")) {
    const std::string_view token = bearer_token(*authorization);
    if (token.empty()) return unauthorized("INVALID_TOKEN", "the authorization is no bearer token");
    auto checked = door_.tokens.check(token, now_ms());
    if (!checked) return unauthorized("INVALID_TOKEN", checked.error().message);
    grant = std::move(*checked);
  } else if (connection_.is_local() && door_.anonymous) {
    grant = door_.anonymous;
  }
  if (!grant) {
    return unauthorized("UNAUTHENTICATED", "this needs a token: Authorization: Bearer TOKEN");
  }
  if (!allows(grant->role, needed_role(route.kind))) {
    return error_response(403, "PERMISSION_DENIED",
                          fmt::format("the token's role, {}, does not allow this; it needs {}",
                                      role_name(grant->role), role_name(needed_role(route.kind))));
  }
  return *grant;
}

// Counts the request as one of its tenant's unless that has too many.
std::optional<HttpResponse> HttpConnection::overload(const Grant& grant) {
  if (!load_ || load_tenant_ != grant.tenant) {
    load_ = door_.loads.of(grant.tenant);
    load_tenant_ = grant.tenant;
  }
  if (load_->in_flight >= door_.limits.tenant_in_flight) {
    ++door_.metrics.overloaded;
    return overloaded("the tenant has too many requests in flight", 0);
  }
  const std::uint32_t wait_ms =
      load_->bytes.wait_ms(door_.limits.tenant_bytes_per_second, connection_.loop().now_ms());
  if (wait_ms > 0) {
    ++door_.metrics.overloaded;
    return overloaded("the tenant has used up its bytes a second", wait_ms);
  }
  ++load_->in_flight;
  current_.load = load_;
  return std::nullopt;
}

// ---- answers ----------------------------------------------------------------------------------

void HttpConnection::count(int status, std::size_t response_bytes) {
  const auto took = std::chrono::steady_clock::now() - current_.began;
  door_.metrics.add(
      unsigned(current_.kind), status >= 400,
      std::uint64_t(std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
  if (status >= 400) door_.on_refused(connection_, status, current_.path);
  if (current_.load) current_.load->bytes.take(current_.request_bytes + response_bytes);
  let_go();
}

void HttpConnection::let_go() {
  if (current_.load) --current_.load->in_flight;
  current_.load.reset();
  door_.body_bytes -= current_.body_bytes;
  current_.body_bytes = 0;
}

void HttpConnection::send(const HttpResponse& response) {
  const bool keep_alive = current_.keep_alive && !is_stopping_;
  std::string bytes;
  write_response(response, keep_alive, current_.is_head, bytes);
  count(response.status, bytes.size());
  connection_.write(std::move(bytes));
  if (!keep_alive) connection_.close_after_writing();
}

void HttpConnection::refuse_and_close(const HttpResponse& response) {
  current_.keep_alive = false;
  send(response);
}

// ---- the stream -------------------------------------------------------------------------------

void HttpConnection::start_stream(const HttpRequest& request, const Grant& grant) {
  QueryString query(request.query);
  auto after = query.number("after", 0, INT64_MAX);
  query.refuse_others();
  if (const auto last = request.header("last-event-id")) {
    QueryString header(fmt::format("last-event-id={}", *last));
    after = header.number("last-event-id", 0, INT64_MAX);
    for (const FieldProblem& problem : header.problems()) {
      query.add_problem(problem.field, problem.code, problem.message);
    }
  }
  if (!query.problems().empty()) return send(problems_response(query.problems()));
  RunStream::Options options;
  options.in_chunks = request.takes_chunks;
  options.may_go_on = [this, grant] { return door_.tokens.holds(grant, now_ms()); };
  is_busy_ = true;
  connection_.loop().work(
      [&tenants = door_.tenants, tenant = grant.tenant] { return tenants.open(tenant); },
      [this, connection = connection_.weak_from_this(), options,
       after](Expected<std::shared_ptr<Log>> log) mutable {
        const auto alive = connection.lock();
        if (!alive || alive->is_closing()) return;
        is_busy_ = false;
        if (!log) return send(response_of(log.error())), go_on();
        const auto snapshot = (*log)->snapshot();
        if (!snapshot) return send(response_of(snapshot.error())), go_on();
        // Who does not say where to begin wants what comes from now on.
        options.after = std::min<SequenceNumber>(after.value_or(INT64_MAX), (*snapshot)->end - 1);
        send_stream_head(std::move(*log), std::move(options));
      });
}

void HttpConnection::send_stream_head(std::shared_ptr<Log> log, RunStream::Options options) {
  std::string head =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache, private\r\n"
      "X-Content-Type-Options: nosniff\r\nConnection: close\r\n";
  if (options.in_chunks) head += "Transfer-Encoding: chunked\r\n";
  head += "\r\n";
  count(200, head.size());
  connection_.write(std::move(head));
  if (current_.is_head || is_stopping_) return connection_.close_after_writing();
  unread_.clear();
  connection_.resume_reading();
  stream_ = std::make_unique<RunStream>(connection_, std::move(log), std::move(options));
}

}  // namespace runlog
