// The requests of a session that are not answered at once: hello, appends, follows, and what workers
// do.
#include <algorithm>

#include <fmt/format.h>

#include "server/protocol/append_request.h"
#include "server/protocol/follow.h"
#include "server/protocol/session.h"
#include "server/protocol/wire_query.h"
#include "server/protocol/wire_value.h"
#include "server/quantities.h"

namespace runlog {
namespace {

constexpr std::uint32_t kMaxDeadlineMs = 600'000;
// What is encoded on the loop; a worker takes longer to wake up than this takes.
constexpr std::size_t kShortAppendBytes = 32u << 10;

// The bytes of a frame's body for another thread.
class KeptBody {
 public:
  explicit KeptBody(std::span<const std::byte> body) : bytes_(body.size()) {
    words_ = std::make_shared<std::vector<std::uint64_t>>(body.size() / 8);
    std::copy(body.begin(), body.end(), reinterpret_cast<std::byte*>(words_->data()));
  }
  std::span<const std::byte> get() const {
    return {reinterpret_cast<const std::byte*>(words_->data()), bytes_};
  }

 private:
  std::shared_ptr<std::vector<std::uint64_t>> words_;
  std::size_t bytes_;
};

// Posts a reply to the session's loop. `log` may be its last holder, and goes there too.
std::function<void(Expected<std::string>)> replies_to(Loop& loop, std::weak_ptr<Connection> where,
                                                      std::uint64_t request_id,
                                                      InFlightPtr in_flight,
                                                      std::shared_ptr<Log> log) {
  return [&loop, where = std::move(where), request_id, in_flight = std::move(in_flight),
          log = std::move(log)](Expected<std::string> reply) mutable {
    loop.post([where = std::move(where), request_id, in_flight = std::move(in_flight),
               log = std::move(log), reply = std::move(reply)]() mutable {
      if (in_flight->given_up) return;
      const auto connection = where.lock();
      if (Session* session = Session::of(connection))
        session->finish(request_id, std::move(reply));
    });
  };
}

// The tenant's log, opened if it is not, if the tenant may store so much more. On a worker.
Expected<std::shared_ptr<Log>> open_to_store(Tenants& tenants, const std::string& tenant,
                                             std::size_t bytes) {
  auto log = tenants.open(tenant);
  if (!log) return log;
  if (auto admitted = tenants.admit(tenant, bytes); !admitted)
    return tl::unexpected(admitted.error());
  return log;
}

}  // namespace

// ---- hello ------------------------------------------------------------------------------------

void Session::say_hello(const Frame& frame) {
  std::string tenant, token;
  const std::uint64_t request_id = frame.header.request_id;
  try {
    ReceivedMessage message(frame.body);
    const auto hello = message.root<wire::Hello>();
    if (hello.getLowestVersion() > kProtocolVersion || hello.getHighestVersion() < kProtocolVersion)
      return end_with({FailureCode::kVersion,
                       fmt::format("this server speaks version {} alone", kProtocolVersion)},
                      request_id);
    tenant = text_of(hello.getTenant());
    token = text_of(hello.getToken());
  } catch (const kj::Exception&) {
    return end_with({FailureCode::kProtocol, "the hello is unsound"}, request_id);
  }
  state_ = State::kOpening;
  connection_.pause_reading();
  connection_.finish_within(std::nullopt);  // the peer has done its part; the log may take its time
  const bool is_anonymous =
      token.empty() && server_.anonymous_tenant && connection_.is_local();
  Grant anonymous;
  anonymous.role = Role::kAdmin;
  anonymous.tenant = server_.anonymous_tenant.value_or("");
  server_.loop.work(
      [&tokens = server_.tokens, tenant, token, is_anonymous, anonymous]() -> Expected<Grant> {
        auto grant = is_anonymous ? Expected<Grant>(anonymous)
                                  : tokens.check(token, runlog::now_ms());
        if (grant && !tenant.empty() && grant->tenant != tenant)
          return fail(ErrorCode::InvalidArgument, "another tenant's");
        return grant;
      },
      [alive = connection_.weak_from_this(), request_id](Expected<Grant> grant) {
        const auto connection = alive.lock();
        if (Session* session = Session::of(connection))
          session->open_log(request_id, std::move(grant));
      });
}

void Session::open_log(std::uint64_t request_id, Expected<Grant> grant) {
  if (!grant) return welcome(request_id, std::move(grant));
  const std::string tenant = grant->tenant;
  server_.loop.work(
      tenant,
      [&tenants = server_.tenants, granted = std::move(*grant)]() -> Expected<Grant> {
        auto log = tenants.open(granted.tenant);
        if (!log && log.error().code == ErrorCode::InvalidArgument)
          return fail(ErrorCode::IoError, log.error().message);
        return log ? Expected<Grant>(granted) : tl::unexpected(log.error());
      },
      [alive = connection_.weak_from_this(), request_id](Expected<Grant> opened) {
        const auto connection = alive.lock();
        if (Session* session = Session::of(connection))
          session->welcome(request_id, std::move(opened));
      });
}

void Session::welcome(std::uint64_t request_id, Expected<Grant> grant) {
  if (!grant) {
    // One answer for every wrong token, whatever is wrong with it.
    if (grant.error().code == ErrorCode::InvalidArgument) {
      return end_with({FailureCode::kUnauthenticated,
                       "the token is not known, has expired, or is another tenant's"},
                      request_id);
    }
    return end_with(failure_of(grant.error()), request_id);
  }
  auto load = server_.loads.of(grant->tenant);
  if (load->connections >= server_.limits.tenant_connections) {
    return end_with({FailureCode::kOverloaded, "the tenant has too many connections", 1'000},
                    request_id);
  }
  grant_ = std::move(*grant);
  granted_at_ = server_.loop.now_ms();
  load_ = std::move(load);
  ++load_->connections;
  report_.tenant = grant_.tenant;
  report_.token_id = grant_.token_id;
  state_ = State::kReady;
  reader_.set_max_body_bytes(kMaxRequestBytes);
  OutgoingMessage<wire::Welcome> reply;
  reply->setVersion(kProtocolVersion);
  reply->setRole(std::uint8_t(grant_.role));
  RUNLOG_SET_TEXT(*reply, Tenant, grant_.tenant);
  RUNLOG_SET_TEXT(*reply, Server, std::string_view("runlog"));
  reply->setMaxInFlight(server_.limits.connection_in_flight);
  reply->setMaxRequestBytes(kMaxRequestBytes);
  reply->setMaxReplyBytes(kMaxReplyBytes);
  write(reply.frame(std::uint16_t(Kind::kHello) | kReply, request_id));
  server_.metrics.add(unsigned(Kind::kHello), false, 0);
  if (is_stopping_) return close_when_done();
  connection_.resume_reading();
  take_frames();
}

// ---- requests that are answered later ------------------------------------------------------------

InFlightPtr Session::begin(const Frame& frame, std::uint64_t began_ns) {
  const FrameHeader& header = frame.header;
  const std::uint32_t wanted = header.deadline_ms == 0 ? server_.deadline_ms : header.deadline_ms;
  Open open{header.kind, began_ns,
            header.kind == std::uint16_t(Kind::kFollow)
                ? UINT64_MAX
                : server_.loop.now_ms() + std::min(wanted, kMaxDeadlineMs),
            std::make_shared<InFlight>(load_, frame.body.size())};
  const std::uint64_t deadline = open.deadline;
  InFlightPtr in_flight = open.in_flight;
  open_.emplace(header.request_id, std::move(open));
  ++server_.metrics.in_flight;
  if (deadline >= deadlines_set_to_) return in_flight;
  if (!deadlines_) deadlines_ = std::make_unique<Timer>(server_.loop, [this] { on_deadlines(); });
  deadlines_set_to_ = deadline;
  deadlines_->start(std::chrono::milliseconds(deadline - server_.loop.now_ms()));
  return in_flight;
}

void Session::on_deadlines() {
  const std::uint64_t now = server_.loop.now_ms();
  std::vector<std::uint64_t> late;
  deadlines_set_to_ = UINT64_MAX;
  for (const auto& [id, open] : open_) {
    if (open.deadline <= now) late.push_back(id);
    else deadlines_set_to_ = std::min(deadlines_set_to_, open.deadline);
  }
  if (deadlines_set_to_ != UINT64_MAX)
    deadlines_->start(std::chrono::milliseconds(deadlines_set_to_ - now));
  for (const std::uint64_t id : late)
    finish_with(id, {FailureCode::kDeadline, "the request took longer than its deadline"});
}

void Session::answer_on_worker(const RequestKind& kind, const Frame& frame,
                               std::uint64_t began_ns) {
  const InFlightPtr in_flight = begin(frame, began_ns);
  const std::uint64_t id = frame.header.request_id;
  server_.loop.work(
      grant_.tenant,
      [&tenants = server_.tenants, &kind, tenant = grant_.tenant, body = KeptBody(frame.body), id,
       in_flight, backups = kind.kind == Kind::kBackup && !server_.backups.empty()
                                ? server_.backups / grant_.tenant
                                : std::filesystem::path()]() -> Expected<std::string> {
        if (in_flight->given_up) return fail(ErrorCode::Closed, "nobody waits for it");
        auto log = kind.stores ? open_to_store(tenants, tenant, body.get().size())
                               : tenants.open(tenant);
        if (!log) return tl::unexpected(log.error());
        ReceivedMessage message(body.get());
        return answer(kind, {**log, message, id, backups});
      },
      [alive = connection_.weak_from_this(), id, in_flight](Expected<std::string> reply) {
        if (in_flight->given_up) return;
        const auto connection = alive.lock();
        if (Session* session = Session::of(connection)) session->finish(id, std::move(reply));
      });
}

void Session::append(const Frame& frame, std::uint64_t began_ns) {
  const std::uint64_t id = frame.header.request_id;
  auto log = server_.tenants.opened(grant_.tenant);
  if (log && frame.body.size() <= kShortAppendBytes) {
    if (auto admitted = server_.tenants.admit(grant_.tenant, frame.body.size()); !admitted)
      return refuse(frame.header, failure_of(admitted.error()));
    auto in_flight = begin(frame, began_ns);
    ReceivedMessage message(frame.body);
    Log& to = *log;
    append_runs(to, message, id,
                replies_to(server_.loop, connection_.weak_from_this(), id, std::move(in_flight),
                           std::move(log)));
    return;
  }
  server_.loop.work(grant_.tenant, [&loop = server_.loop, &tenants = server_.tenants,
                                    tenant = grant_.tenant, body = KeptBody(frame.body), id,
                                    where = connection_.weak_from_this(),
                                    in_flight = begin(frame, began_ns)] {
    if (in_flight->given_up) return;
    auto opened = open_to_store(tenants, tenant, body.get().size());
    if (!opened) {
      return replies_to(loop, where, id, in_flight, nullptr)(tl::unexpected(opened.error()));
    }
    Log& to = **opened;
    ReceivedMessage message(body.get());
    auto done = replies_to(loop, where, id, in_flight, std::move(*opened));
    try {
      append_runs(to, message, id, done);
    } catch (const kj::Exception& unsound) {
      done(fail(ErrorCode::InvalidArgument, fmt::format("the message is unsound: {}",
                                                        unsound.getDescription().cStr())));
    }
  });
}

void Session::follow(const Frame& frame, std::uint64_t began_ns) {
  ReceivedMessage message(frame.body);
  const auto in = message.root<wire::Follow>();
  if (in.getFlows().size() > kMostFilterValues) {
    return refuse(frame.header, {FailureCode::kInvalid,
                                 fmt::format("{} flows are over the limit of {}",
                                             in.getFlows().size(), kMostFilterValues)});
  }
  FollowRequest request;
  request.from = in.getFrom();
  for (const auto flow : in.getFlows()) request.flows.emplace_back(text_of(flow));
  server_.follow_clock->add(*this, frame.header.request_id, begin(frame, began_ns),
                            std::move(request), in.getHeartbeatMs());
}

void Session::cancel(const Frame& frame, std::uint64_t began_ns) {
  ReceivedMessage message(frame.body);
  finish_with(message.root<wire::Cancel>().getRequestId(),
              {FailureCode::kCancelled, "the client cancelled the request"});
  OutgoingMessage<wire::Empty> reply;
  reply_now(frame.header, began_ns,
            reply_frame(reply, Kind::kCancel, frame.header.request_id));
}

}  // namespace runlog
