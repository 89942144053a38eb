#include "server/protocol/session.h"

#include <algorithm>

#include <fmt/format.h>

#include "server/protocol/follow.h"
#include "server/protocol/wire_value.h"
#include "server/quantities.h"

namespace runlog {
namespace {

// A connection that has more to be answered lets the others have their turn after this.
constexpr std::uint64_t kTurnNs = 500'000;
// A frame that has begun must be there by then, however slowly it comes.
constexpr std::chrono::milliseconds kFrameTime{30'000};
constexpr std::uint32_t kRetryMs = 100;
// How long a revoked token goes on to be good for who has said hello with it.
constexpr std::uint64_t kTrustMs = 1'000;

Role role_for(std::uint16_t kind, const RequestKind* request) {
  if (request != nullptr) return request->role;
  return kind == std::uint16_t(Kind::kAppend) ? Role::kAppend : Role::kRead;
}

// Its reply may be as long as they get, and it may be asked again.
bool is_question(std::uint16_t kind) {
  return role_for(kind, find_request(kind)) == Role::kRead;
}

bool is_special(std::uint16_t kind) {
  return kind == std::uint16_t(Kind::kHello) || kind == std::uint16_t(Kind::kCancel) ||
         kind == std::uint16_t(Kind::kPing) || kind == std::uint16_t(Kind::kAppend) ||
         kind == std::uint16_t(Kind::kFollow);
}

std::uint64_t micros_since(std::uint64_t began_ns) { return (uv_hrtime() - began_ns) / 1000; }

}  // namespace

ProtocolServer::ProtocolServer(Loop& on_loop, Tenants& all_tenants, const Tokens& all_tokens)
    : loop(on_loop),
      tenants(all_tenants),
      tokens(all_tokens),
      follow_clock(std::make_unique<FollowClock>(on_loop)) {}

ProtocolServer::~ProtocolServer() {
  loop.call([this] { follow_clock.reset(); });
}

std::string overloaded_frame() {
  return failure_frame({FailureCode::kOverloaded, "the server has as many connections as it takes",
                        1'000},
                       0);
}

Session::Session(Connection& connection, ProtocolServer& server)
    : Protocol(connection), server_(server), began_at_(server.loop.now_ms()) {
  report_.peer = connection.peer();
}

Session::~Session() = default;

Session* Session::of(const std::shared_ptr<Connection>& connection) {
  if (!connection || connection->is_closing()) return nullptr;
  return static_cast<Session*>(&connection->protocol());
}

// ---- frames -----------------------------------------------------------------------------------

void Session::on_bytes(std::string_view bytes) {
  reader_.add(bytes);
  take_frames();
}

void Session::take_frames() {
  const std::uint64_t turn_began = uv_hrtime();
  bool took = false;
  while (!will_continue_ && (state_ == State::kHello || state_ == State::kReady) &&
         !connection_.is_closing() && !connection_.is_congested()) {
    Frame frame;
    const auto there = reader_.next(frame);
    if (!there) {
      const bool is_long = there.error().code == ErrorCode::TooLarge;
      return end_with({is_long ? FailureCode::kTooLarge : FailureCode::kProtocol,
                       there.error().message});
    }
    if (!*there) break;
    took = true;
    take(frame);
    if (state_ == State::kReady && uv_hrtime() - turn_began > kTurnNs) continue_later();
  }
  if (state_ != State::kReady) return;
  // A peer that takes its answers slowly is not late with what we do not read meanwhile.
  if (!reader_.has_rest() || will_continue_ || connection_.is_congested()) {
    connection_.finish_within(std::nullopt);
    waits_for_rest_ = false;
  } else if (took || !waits_for_rest_) {
    connection_.finish_within(kFrameTime);
    waits_for_rest_ = true;
  }
  close_when_done();
}

void Session::continue_later() {
  will_continue_ = true;
  connection_.pause_reading();
  server_.loop.post([alive = connection_.weak_from_this()] {
    const auto connection = alive.lock();
    Session* session = Session::of(connection);
    if (session == nullptr) return;
    session->will_continue_ = false;
    connection->resume_reading();
    session->take_frames();
  });
}

void Session::take(const Frame& frame) {
  const std::uint64_t began_ns = uv_hrtime();
  const FrameHeader& header = frame.header;
  if (header.request_id == 0 || header.kind >= kReply || open_.contains(header.request_id)) {
    return end_with({FailureCode::kProtocol,
                     fmt::format("a request of kind {} cannot have the id {}", header.kind,
                                 header.request_id)});
  }
  ++report_.requests;
  const auto sound = check_segments(frame.body);
  if (state_ == State::kHello) {
    if (header.kind != std::uint16_t(Kind::kHello) || !sound) {
      return end_with({FailureCode::kProtocol, "a connection begins with a hello"},
                      header.request_id);
    }
    return say_hello(frame);
  }
  const std::uint64_t bytes = kFrameHeaderBytes + frame.body.size();
  auto objection = objection_to(frame);
  if (!objection && !sound) objection = Failure{FailureCode::kProtocol, sound.error().message};
  if (objection) return refuse(header, *objection);
  rate_.take(bytes);
  load_->bytes.take(bytes);
  try {
    dispatch(frame, began_ns);
  } catch (const kj::Exception& unsound) {
    refuse(header, {FailureCode::kProtocol, fmt::format("the message is unsound: {}",
                                                        unsound.getDescription().cStr())});
  }
}

// Why a request is not even looked at; nullopt: nothing stands against it.
std::optional<Failure> Session::objection_to(const Frame& frame) {
  const std::uint16_t kind = frame.header.kind;
  const RequestKind* request = find_request(kind);
  if (request == nullptr && !is_special(kind))
    return Failure{FailureCode::kUnknownKind, fmt::format("there is no request {}", kind)};
  if (kind == std::uint16_t(Kind::kHello))
    return Failure{FailureCode::kProtocol, "this connection has said hello before"};
  if (kind == std::uint16_t(Kind::kCancel) || kind == std::uint16_t(Kind::kPing))
    return std::nullopt;
  if (is_stopping_) return Failure{FailureCode::kClosed, "the server is stopping", kRetryMs};
  if (!is_trusted()) return Failure{FailureCode::kUnauthenticated, kNotTrusted};
  if (!allows(grant_.role, role_for(kind, request))) {
    return Failure{FailureCode::kForbidden,
                   fmt::format("the role '{}' does not allow this, '{}' does",
                               role_name(grant_.role), role_name(role_for(kind, request)))};
  }
  const LoadLimits& limits = server_.limits;
  if (open_.size() >= limits.connection_in_flight)
    return Failure{FailureCode::kOverloaded, "the connection has too many requests in flight",
                   kRetryMs};
  if (load_->in_flight >= limits.tenant_in_flight)
    return Failure{FailureCode::kOverloaded, "the tenant has too many requests in flight",
                   kRetryMs};
  if (load_->body_bytes >= limits.tenant_body_bytes)
    return Failure{FailureCode::kOverloaded, "the tenant has too many bytes in flight", kRetryMs};
  const std::uint64_t now = server_.loop.now_ms();
  const std::uint32_t wait_ms =
      std::max(rate_.wait_ms(limits.connection_bytes_per_second, now),
               load_->bytes.wait_ms(limits.tenant_bytes_per_second, now));
  if (wait_ms > 0)
    return Failure{FailureCode::kOverloaded, "more bytes a second than are allowed", wait_ms};
  return std::nullopt;
}

bool Session::is_trusted() {
  const std::uint64_t now = server_.loop.now_ms();
  if (now - granted_at_ <= kTrustMs) return true;
  if (!server_.tokens.holds(grant_, runlog::now_ms())) return false;
  granted_at_ = now;
  return true;
}

void Session::dispatch(const Frame& frame, std::uint64_t began_ns) {
  const FrameHeader& header = frame.header;
  switch (Kind(header.kind)) {
    case Kind::kPing: {
      OutgoingMessage<wire::Empty> reply;
      return reply_now(header, began_ns, reply_frame(reply, Kind::kPing, header.request_id));
    }
    case Kind::kCancel: return cancel(frame, began_ns);
    case Kind::kAppend: return append(frame, began_ns);
    case Kind::kFollow: return follow(frame, began_ns);
    default: break;
  }
  const RequestKind& kind = *find_request(header.kind);
  if (kind.is_short == nullptr) return answer_on_worker(kind, frame, began_ns);
  ReceivedMessage message(frame.body);
  const auto log = server_.tenants.opened(grant_.tenant);
  if (!log || !kind.is_short(message)) return answer_on_worker(kind, frame, began_ns);
  reply_now(header, began_ns, answer(kind, {*log, message, header.request_id}));
}

// ---- replies ----------------------------------------------------------------------------------

void Session::write(std::string frame) {
  rate_.take(frame.size());
  if (load_) load_->bytes.take(frame.size());
  connection_.write(std::move(frame));
}

void Session::send_more(std::string frame) { write(std::move(frame)); }

void Session::reply_now(const FrameHeader& header, std::uint64_t began_ns,
                        Expected<std::string> reply) {
  if (!reply) return refuse(header, failure_of(reply.error()));
  write(std::move(*reply));
  server_.metrics.add(header.kind, false, micros_since(began_ns));
}

void Session::refuse(const FrameHeader& header, const Failure& failure) {
  // Of a request that had begun before its message proved unsound.
  if (open_.contains(header.request_id)) return finish_with(header.request_id, failure);
  ++report_.failures;
  server_.metrics.add(header.kind, true, 0);
  if (failure.code == FailureCode::kOverloaded) ++server_.metrics.overloaded;
  if (server_.on_refused && failure.code != FailureCode::kNotFound)
    server_.on_refused(report_.peer, report_.tenant, header.kind, failure);
  write(failure_frame(failure, header.request_id));
}

void Session::finish(std::uint64_t request_id, Expected<std::string> reply) {
  if (!reply) return finish_with(request_id, failure_of(reply.error()));
  const auto found = open_.find(request_id);
  if (found == open_.end()) return;
  if (is_question(found->second.kind) &&
      connection_.waiting_bytes() + reply->size() > server_.limits.connection_waiting_bytes) {
    return finish_with(request_id, {FailureCode::kOverloaded,
                                    "the connection has too many replies that are not read",
                                    kRetryMs});
  }
  server_.metrics.add(found->second.kind, false, micros_since(found->second.began_ns));
  forget(found);
  write(std::move(*reply));
  close_when_done();
}

void Session::finish_with(std::uint64_t request_id, const Failure& failure) {
  const auto found = open_.find(request_id);
  if (found == open_.end()) return;
  const FrameHeader header{found->second.kind, request_id, 0, 0};
  forget(found);
  refuse(header, failure);
  close_when_done();
}

void Session::forget(OpenRequests::iterator open) {
  open->second.in_flight->given_up = true;
  open_.erase(open);
  --server_.metrics.in_flight;
}

// ---- the end ----------------------------------------------------------------------------------

void Session::end_with(const Failure& failure, std::uint64_t request_id) {
  report_.ended_because = failure.message;
  server_.metrics.add(0, true, 0);
  state_ = State::kClosing;
  connection_.write(failure_frame(failure, request_id));
  connection_.close_after_writing();
}

// Who sends nothing more gets the answers that are due, but follows nothing any more.
void Session::on_end() {
  has_ended_ = true;
  end_follows({FailureCode::kCancelled, "the client has ended its sending"});
  close_when_done();
}

void Session::on_stopping() {
  is_stopping_ = true;
  report_.ended_because = "the server stops";
  end_follows({FailureCode::kClosed, "the server is stopping", kRetryMs});
  close_when_done();
}

void Session::end_follows(const Failure& why) {
  std::vector<std::uint64_t> follows;
  for (const auto& [id, open] : open_)
    if (open.kind == std::uint16_t(Kind::kFollow)) follows.push_back(id);
  for (const std::uint64_t id : follows) finish_with(id, why);
}

void Session::close_when_done() {
  const bool has_more_to_do = !open_.empty() || state_ == State::kOpening || will_continue_ ||
                              connection_.is_congested();
  if ((is_stopping_ || has_ended_) && !has_more_to_do) connection_.close_after_writing();
}

void Session::on_closed() {
  while (!open_.empty()) forget(open_.begin());
  if (load_) --load_->connections;
  if (!server_.on_ended) return;
  report_.received_bytes = connection_.received_bytes();
  report_.sent_bytes = connection_.sent_bytes();
  report_.milliseconds = server_.loop.now_ms() - began_at_;
  server_.on_ended(report_);
}

}  // namespace runlog
