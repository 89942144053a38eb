#include "server/protocol/follow.h"

#include <algorithm>

#include "server/protocol/wire_value.h"

namespace runlog {
namespace {

// How late a run may come to those who follow.
constexpr std::chrono::milliseconds kTick{20};
constexpr std::uint32_t kLeastHeartbeatMs = 100, kHeartbeatMs = 15'000;

Expected<std::string> followed_frame(const FollowedRuns& followed, std::uint64_t request_id) {
  OutgoingMessage<wire::Followed> reply;
  auto runs = reply->initRuns(unsigned(followed.runs.size()));
  for (unsigned i = 0; i < followed.runs.size(); ++i) {
    runs[i].setSequence(followed.runs[i].sequence);
    runs[i].setJson(data_of(followed.runs[i].json));
  }
  reply->setNext(followed.next);
  return reply_frame(reply, Kind::kFollow, request_id);
}

}  // namespace

struct FollowClock::Follow {
  std::weak_ptr<Connection> connection;
  ProtocolServer& server;
  std::string tenant;
  std::uint64_t request_id;
  InFlightPtr in_flight;
  FollowRequest request;
  std::uint64_t heartbeat_ms;
  std::uint64_t sent_at;
  bool is_reading = false, has_read_all = false;

  // Null when there is nobody to send to any more.
  Session* session() const {
    return in_flight->given_up ? nullptr : Session::of(connection.lock());
  }
};

FollowClock::FollowClock(Loop& loop) : loop_(loop) {}
FollowClock::~FollowClock() = default;

void FollowClock::add(Session& session, std::uint64_t request_id, InFlightPtr in_flight,
                      FollowRequest request, std::uint32_t heartbeat_ms) {
  heartbeat_ms = std::max(heartbeat_ms == 0 ? kHeartbeatMs : heartbeat_ms, kLeastHeartbeatMs);
  request.largest_run = kMaxReplyBytes - (64u << 10);  // a run that no reply can hold ends no follow
  auto follow = std::make_shared<Follow>(Follow{
      session.connection().weak_from_this(), session.server(), session.tenant(), request_id,
      std::move(in_flight), std::move(request), heartbeat_ms, loop_.now_ms()});
  follows_.push_back(follow);
  look(follow);
  if (timer_) return;
  timer_ = std::make_unique<Timer>(loop_, [this] { on_tick(); });
  timer_->start(kTick, kTick);
}

void FollowClock::on_tick() {
  std::erase_if(follows_, [](const auto& follow) { return follow->session() == nullptr; });
  if (follows_.empty()) {
    timer_.reset();
    return;
  }
  for (const auto& follow : follows_) look(follow);
}

// Lets a worker read if there is news and the client takes what it is sent.
void FollowClock::look(const std::shared_ptr<Follow>& follow) {
  Session* session = follow->session();
  if (session == nullptr) return;
  if (!session->is_trusted()) {
    return session->finish_with(follow->request_id,
                                {FailureCode::kUnauthenticated, kNotTrusted});
  }
  if (follow->is_reading) return;
  if (session->connection().is_congested()) {
    follow->has_read_all = false;  // by the time it is not, the log may be closed and tell no news
    return;
  }
  if (follow->has_read_all &&
      !has_news(follow->server.tenants, follow->tenant, follow->request.from)) {
    if (follow->server.loop.now_ms() - follow->sent_at < follow->heartbeat_ms) return;
    return on_read(follow, FollowedRuns{{}, follow->request.from, false});
  }
  follow->is_reading = true;
  follow->server.loop.work(
      follow->tenant,
      [&tenants = follow->server.tenants, tenant = follow->tenant, request = follow->request] {
        return follow_runs(tenants, tenant, request);
      },
      [follow](Expected<FollowedRuns> read) {
        follow->is_reading = false;
        on_read(follow, std::move(read));
      });
}

void FollowClock::on_read(const std::shared_ptr<Follow>& follow, Expected<FollowedRuns> read) {
  Session* session = follow->session();
  if (session == nullptr) return;
  if (!read) return session->finish(follow->request_id, tl::unexpected(read.error()));
  // Others were read meanwhile, and the peer takes nothing: it is read again.
  if (session->connection().waiting_bytes() > follow->server.limits.connection_waiting_bytes) {
    follow->has_read_all = false;
    return;
  }
  // News, or the first reply of all: the client knows then that nothing escapes it from there on.
  const bool is_news = follow->request.from != read->next || !read->runs.empty();
  const std::uint64_t now = follow->server.loop.now_ms();
  follow->request.from = read->next;
  follow->has_read_all = !read->has_more;
  if (is_news || now - follow->sent_at >= follow->heartbeat_ms) {
    auto frame = followed_frame(*read, follow->request_id);
    if (!frame) return session->finish(follow->request_id, tl::unexpected(frame.error()));
    follow->sent_at = now;
    session->send_more(std::move(*frame));
  }
  if (read->has_more) look(follow);
}

}  // namespace runlog
