#include "server/http/http_connection.h"

#include <algorithm>

#include "server/http/fixed_answers.h"
#include "server/http/http_access.h"
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
// What the bodies of all connections may take together, and those of one tenant.
constexpr std::size_t kBodiesBytes = 256u << 20, kBodiesBytesOfTenant = kBodiesBytes / 4;
// A run that has more to decode is not decoded on the loop.
constexpr std::size_t kSmallRunBytes = 64u << 10;

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

// What a request takes of the limits, for as long as somebody works on it, though its connection may
// be gone by then. Lives on the loop.
struct HttpConnection::Reservation {
  HttpDoor& door;
  const std::shared_ptr<TenantLoad> load;
  const std::size_t body_bytes;
  const InFlight of_tenant;

  Reservation(HttpDoor& of_door, std::shared_ptr<TenantLoad> tenant_load, std::size_t bytes)
      : door(of_door), load(std::move(tenant_load)), body_bytes(bytes), of_tenant(load, bytes) {
    door.body_bytes += body_bytes;
    ++door.metrics.in_flight;
  }
  Reservation(const Reservation&) = delete;
  ~Reservation() {
    door.body_bytes -= body_bytes;
    --door.metrics.in_flight;
  }
};

HttpConnection::HttpConnection(Connection& connection, HttpDoor& door)
    : Protocol(connection), door_(door), began_at_(connection.loop().now_ms()) {}
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
  current_.reservation.reset();
  report_.peer = connection_.peer();
  report_.received_bytes = connection_.received_bytes();
  report_.sent_bytes = connection_.sent_bytes();
  report_.milliseconds = connection_.loop().now_ms() - began_at_;
  door_.on_ended(report_);
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
  const auto grant =
      authorize(request, std::get<HttpRoute>(route), door_, connection_.is_local());
  if (std::holds_alternative<HttpResponse>(grant)) {
    return refuse_and_close(std::get<HttpResponse>(grant));
  }
  const std::size_t bytes = request.body_bytes.value_or(kMaxHttpBodyBytes);
  if (auto refused = reserve(std::get<Grant>(grant), bytes)) return refuse_and_close(*refused);
  body_is_admitted_ = true;
  connection_.finish_within(kBodyWithin);
  if (request.expects_continue) connection_.write("HTTP/1.1 100 Continue\r\n\r\n");
}

// ---- requests ---------------------------------------------------------------------------------

void HttpConnection::begin(const HttpRequest& request) {
  auto reservation = std::move(current_.reservation);  // of its body, when the head came
  current_ = Current();
  current_.reservation = std::move(reservation);
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
      return send(door_.is_ready && !is_stopping_ ? plain_answer(200, "ready\n")
                                                  : plain_answer(503, "not ready\n"));
    case RouteKind::kDiscovery: return send(discovery_answer());
    case RouteKind::kPage: return send(page_answer());
    case RouteKind::kMetrics: return send(metrics(request));
    default: break;
  }
  handle_for_tenant(std::move(request), std::move(route));
}

// They name every tenant, so a tenant's token opens nothing here.
HttpResponse HttpConnection::metrics(const HttpRequest& request) const {
  if (!connection_.is_local()) {
    return error_response(403, "PERMISSION_DENIED", "metrics are for this machine alone");
  }
  if (auto refused = refuse_web_page(request)) return std::move(*refused);
  HttpResponse response = plain_answer(200, door_.metrics_text());
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return response;
}

void HttpConnection::handle_for_tenant(HttpRequest request, HttpRoute route) {
  auto authorized = authorize(request, route, door_, connection_.is_local());
  if (std::holds_alternative<HttpResponse>(authorized)) {
    return send(std::get<HttpResponse>(authorized));
  }
  const Grant& grant = std::get<Grant>(authorized);
  if (!current_.reservation) {  // one with a body has been let in already
    if (auto refused = reserve(grant, 0)) return send(*refused);
  }
  if (route.kind == RouteKind::kStream) return start_stream(request, grant);
  if (route.kind == RouteKind::kFlowRun) {
    if (const auto log = door_.tenants.opened(grant.tenant)) {
      if (const auto run = answer_small_run(route, request, *log, kSmallRunBytes)) return send(*run);
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
      grant.tenant,
      [&tenants = door_.tenants, job, connection = connection_.weak_from_this()] {
        if (connection.expired()) return HttpResponse();
        return answer_tenant(tenants, job->tenant, job->route, job->request);
      },
      [this, connection = connection_.weak_from_this(),
       reservation = current_.reservation](HttpResponse response) mutable {
        reservation.reset();  // of a connection that is there, current_ has it
        const auto alive = connection.lock();
        if (!alive || alive->is_closing()) return;
        is_busy_ = false;
        send(response);
        go_on();
      });
}

// ---- limits -----------------------------------------------------------------------------------

void HttpConnection::act_for(const Grant& grant) {
  report_.token_id = grant.token_id;
  if (load_ && report_.tenant == grant.tenant) return;
  load_ = door_.loads.of(grant.tenant);
  report_.tenant = grant.tenant;
}

// Counts the request as one of its tenant's, which may have a body of so many bytes, unless that, or
// its connection, has too many.
std::optional<HttpResponse> HttpConnection::reserve(const Grant& grant, std::size_t body_bytes) {
  act_for(grant);
  const auto refuse = [this](std::string_view why, std::uint32_t wait_ms) {
    ++door_.metrics.overloaded;
    return overloaded(why, wait_ms);
  };
  if (load_->in_flight >= door_.limits.tenant_in_flight) {
    return refuse("the tenant has too many requests in flight", 0);
  }
  if (body_bytes > 0 && (door_.body_bytes + body_bytes > kBodiesBytes ||
                         load_->body_bytes + body_bytes > kBodiesBytesOfTenant)) {
    return refuse("too many requests with a body are on their way", 0);
  }
  const std::uint64_t now = connection_.loop().now_ms();
  const std::uint32_t wait_ms =
      std::max(load_->bytes.wait_ms(door_.limits.tenant_bytes_per_second, now),
               rate_.wait_ms(door_.limits.connection_bytes_per_second, now));
  if (wait_ms > 0) {
    return refuse("the tenant or the connection has used up its bytes a second", wait_ms);
  }
  current_.reservation = std::make_shared<Reservation>(door_, load_, body_bytes);
  return std::nullopt;
}

// ---- answers ----------------------------------------------------------------------------------

void HttpConnection::count(int status, std::size_t response_bytes) {
  const auto took = std::chrono::steady_clock::now() - current_.began;
  door_.metrics.add(
      unsigned(current_.kind), status >= 400,
      std::uint64_t(std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
  ++report_.requests;
  if (status >= 400) {
    ++report_.failures;
    door_.on_refused(connection_, status, current_.path);
  }
  if (current_.reservation) {
    current_.reservation->load->bytes.take(current_.request_bytes + response_bytes);
    rate_.take(current_.request_bytes + response_bytes);
  }
  current_.reservation.reset();
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

}  // namespace runlog
