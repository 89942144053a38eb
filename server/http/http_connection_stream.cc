// How a connection becomes a stream of events.
#include <algorithm>
#include <charconv>

#include "server/http/http_connection.h"
#include "server/quantities.h"

namespace runlog {
namespace {

// On a worker: where the tenant's log ends now.
Expected<SequenceNumber> end_of(Tenants& tenants, const std::string& tenant) {
  const auto log = tenants.open(tenant);
  if (!log) return tl::unexpected(log.error());
  const auto snapshot = (*log)->snapshot();
  if (!snapshot) return tl::unexpected(snapshot.error());
  return (*snapshot)->end;
}

}  // namespace

void HttpConnection::start_stream(const HttpRequest& request, const Grant& grant) {
  QueryString query(request.query);
  auto after = query.number("after", 0, INT64_MAX);
  query.refuse_others();
  if (const auto last = request.header("last-event-id")) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(last->data(), last->data() + last->size(), number);
    if (error != std::errc() || end != last->data() + last->size()) {
      query.add_problem("last-event-id", "invalid_number",
                        "'Last-Event-ID' must be the id of an event, a whole number");
    }
    after = number;
  }
  if (!query.problems().empty()) return send(problems_response(query.problems()));
  RunStream::Options options;
  options.tenant = grant.tenant;
  options.load = load_;
  options.in_chunks = request.takes_chunks;
  options.may_go_on = [this, grant] { return door_.tokens.holds(grant, now_ms()); };
  options.on_failed = [this](const Error& error) { door_.on_failed(connection_, error); };
  is_busy_ = true;
  connection_.loop().work(
      grant.tenant,
      [&tenants = door_.tenants, tenant = grant.tenant] { return end_of(tenants, tenant); },
      [this, connection = connection_.weak_from_this(), options = std::move(options), after,
       reservation = current_.reservation](Expected<SequenceNumber> end) mutable {
        reservation.reset();
        const auto alive = connection.lock();
        if (!alive || alive->is_closing()) return;
        is_busy_ = false;
        if (!end) return send(response_of(end.error())), go_on();
        // Who does not say where to begin wants what comes from now on.
        options.after = std::min<SequenceNumber>(after.value_or(INT64_MAX), *end - 1);
        send_stream_head(std::move(options));
      });
}

void HttpConnection::send_stream_head(RunStream::Options options) {
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
  stream_ = std::make_unique<RunStream>(connection_, door_.tenants, std::move(options));
}

}  // namespace runlog
