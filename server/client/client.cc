#include "server/client/client.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <future>
#include <map>
#include <random>

#include <fmt/format.h>

#include "server/client/client_session.h"
#include "server/transport/connector.h"
#include "server/transport/loop.h"

namespace runlog {
namespace {

constexpr std::uint32_t kFirstPauseMs = 50, kLongestPauseMs = 5'000;
constexpr std::int64_t kMostDeadlineMs = 600'000;  // that the protocol allows
constexpr std::chrono::milliseconds kLook{25};  // for requests that have waited too long

// Doubles, and is spread, so that many clients do not come back at the same moment.
std::uint32_t pause_ms(std::uint32_t attempt) {
  thread_local std::minstd_rand random(std::random_device{}());
  const std::uint32_t whole =
      std::min(kLongestPauseMs, kFirstPauseMs << std::min<std::uint32_t>(attempt, 7));
  return whole / 2 + std::uint32_t(random() % (whole / 2 + 1));
}

}  // namespace

Error error_of(FailureCode code, std::string message) {
  switch (code) {
    case FailureCode::kNotFound: return {ErrorCode::NotFound, std::move(message)};
    case FailureCode::kTooLarge: return {ErrorCode::TooLarge, std::move(message)};
    case FailureCode::kCorruption: return {ErrorCode::Corruption, std::move(message)};
    case FailureCode::kIo: return {ErrorCode::IoError, std::move(message)};
    case FailureCode::kDiskFull: return {ErrorCode::DiskFull, std::move(message)};
    case FailureCode::kBusy:
    case FailureCode::kOverloaded: return {ErrorCode::Busy, std::move(message)};
    case FailureCode::kOutcomeUnknown:
    case FailureCode::kDeadline: return {ErrorCode::OutcomeUnknown, std::move(message)};
    case FailureCode::kClosed:
    case FailureCode::kCancelled: return {ErrorCode::Closed, std::move(message)};
    case FailureCode::kInvalid:
    case FailureCode::kVersion:
    case FailureCode::kUnauthenticated:
    case FailureCode::kForbidden:
    case FailureCode::kProtocol:
    case FailureCode::kUnknownKind: break;
  }
  return {ErrorCode::InvalidArgument, std::move(message)};
}

Reply::Reply(std::span<const std::byte> body) : words_(body.size() / 8) {
  std::memcpy(words_.data(), body.data(), words_.size() * 8);
}

// Everything but `loop` and `options` belongs to the loop's thread.
struct Client::Impl {
  explicit Impl(ClientOptions from) : options(std::move(from)) {
    sessions.resize(std::max(options.connections, 1u));
  }

  // ---- connections ----

  void connect(std::size_t slot) {
    if (is_closing) return;
    ConnectionTimeouts timeouts;
    timeouts.first_message = std::chrono::milliseconds(10'000);
    timeouts.idle = std::chrono::hours(24 * 365);
    Connector::connect(
        loop, options.address, timeouts, options.tls,
        [this, slot](Connection& connection) {
          auto session = std::make_unique<ClientSession>(connection, options, events_of(slot));
          sessions[slot] = session.get();
          if (is_closing) session->close();
          return session;
        },
        [this, slot](Error why) { on_gone(slot, {}, std::move(why), Gone::kNeverThere); });
    ++connecting;
  }

  ClientSession::Events events_of(std::size_t slot) {
    return {[this](ClientSession&) {
              failed_connects = 0;
              if (on_first) std::exchange(on_first, nullptr)(Expected<void>());
              pump();
            },
            [this](const ClientRequestPtr& request, Expected<Reply> reply) {
              request->done(std::move(reply));
              pump();
            },
            [this](const ClientRequestPtr& request, Error why, std::uint32_t after_ms) {
              put_off(request, std::move(why), after_ms);
            },
            [this, slot](ClientSession&, std::vector<ClientRequestPtr> lost, Error why,
                         bool is_final) {
              on_gone(slot, std::move(lost), std::move(why),
                      is_final ? Gone::kForGood : Gone::kForNow);
            }};
  }

  // A connection that was not made, or was lost; for good: a server that refuses what we say.
  enum class Gone { kNeverThere, kForNow, kForGood };

  void on_gone(std::size_t slot, std::vector<ClientRequestPtr> lost, Error why, Gone how) {
    sessions[slot] = nullptr;
    --connecting;
    last_error = std::move(why);
    put_back(lost);
    if (is_closing) {
      if (connecting == 0) all_gone->set_value();
      return;
    }
    // Whoever names a wrong address wants to know at once; later, a server may come back.
    if (on_first && (how != Gone::kForNow || loop.now_ms() >= first_until))
      std::exchange(on_first, nullptr)(tl::unexpected(last_error));
    if (how == Gone::kForGood) fail_all(last_error);
    reconnects.emplace(loop.now_ms() + pause_ms(failed_connects++), slot);
    pump();
  }

  // Requests that were lost with their connection, in their order before all others.
  void put_back(const std::vector<ClientRequestPtr>& lost) {
    std::vector<ClientRequestPtr> again;
    for (const ClientRequestPtr& request : lost) {
      if (is_closing) {
        request->done(fail(ErrorCode::Closed, "the client was closed"));
      } else if (request->on_reply) {
        request->done(tl::unexpected(last_error));
      } else if (!request->is_idempotent()) {
        request->done(fail(ErrorCode::OutcomeUnknown,
                           "the connection was lost; what was asked may have been done: " +
                               last_error.message));
      } else {
        again.push_back(request);
      }
    }
    waiting.insert(waiting.begin(), again.begin(), again.end());
  }

  // ---- requests ----

  void add(const ClientRequestPtr& request) {
    if (is_closing) return request->done(fail(ErrorCode::Closed, "the client was closed"));
    request->give_up_at = loop.now_ms() + std::uint64_t(options.patience.count());
    waiting.push_back(request);
    pump();
  }

  void pump() {
    while (!waiting.empty()) {
      ClientSession* best = nullptr;
      for (ClientSession* session : sessions) {
        if (session == nullptr || !session->has_room()) continue;
        if (best == nullptr || session->in_flight() < best->in_flight()) best = session;
      }
      if (best == nullptr) return;
      const ClientRequestPtr request = std::move(waiting.front());
      waiting.pop_front();
      best->send(request);
    }
  }

  void put_off(const ClientRequestPtr& request, Error why, std::uint32_t after_ms) {
    const std::uint32_t pause = std::max(after_ms, pause_ms(request->attempts));
    if (is_closing || loop.now_ms() + pause > request->give_up_at)
      return request->done(tl::unexpected(std::move(why)));
    later.emplace(loop.now_ms() + pause, request);
  }

  // Those that wait now; whoever is told may send more.
  void fail_all(const Error& why) {
    std::deque<ClientRequestPtr> failed;
    failed.swap(waiting);
    for (const auto& [at, request] : std::exchange(later, {})) failed.push_back(request);
    for (const ClientRequestPtr& request : failed) request->done(tl::unexpected(why));
  }

  void on_look() {
    const std::uint64_t now = loop.now_ms();
    give_up(now);
    for (; !later.empty() && later.begin()->first <= now; later.erase(later.begin()))
      waiting.push_back(later.begin()->second);
    while (!reconnects.empty() && reconnects.begin()->first <= now) {
      const std::size_t slot = reconnects.begin()->second;
      reconnects.erase(reconnects.begin());
      connect(slot);
    }
    pump();
  }

  void give_up(std::uint64_t now) {
    std::vector<ClientRequestPtr> unsent;
    std::erase_if(waiting, [&](const ClientRequestPtr& request) {
      if (request->give_up_at > now) return false;
      unsent.push_back(request);
      return true;
    });
    std::vector<ClientRequestPtr> unanswered;
    for (ClientSession* session : sessions) {
      if (session == nullptr) continue;
      for (ClientRequestPtr& request : session->take_late(now))
        unanswered.push_back(std::move(request));
    }
    for (const ClientRequestPtr& request : unsent) request->done(tl::unexpected(last_error));
    for (const ClientRequestPtr& request : unanswered) {
      request->done(fail(ErrorCode::OutcomeUnknown,
                         fmt::format("the server has not answered within {} ms",
                                     options.patience.count())));
    }
  }

  // ---- the end ----

  void close() {
    std::promise<void> gone;
    loop.call([&] {
      is_closing = true;
      look.reset();
      all_gone = &gone;
      reconnects.clear();
      fail_all({ErrorCode::Closed, "the client was closed"});
      for (ClientSession* session : sessions)
        if (session != nullptr) session->close();
      if (connecting == 0) gone.set_value();
    });
    gone.get_future().wait();
    loop.stop();
  }

  Loop loop{1};
  const ClientOptions options;
  std::vector<ClientSession*> sessions;  // null: none, or on the way
  std::size_t connecting = 0;            // sessions, and attempts to get one
  std::uint32_t failed_connects = 0;
  std::deque<ClientRequestPtr> waiting;
  // By when, of the loop's clock in milliseconds: requests that the server put off, and slots that
  // are to have a connection again.
  std::multimap<std::uint64_t, ClientRequestPtr> later;
  std::multimap<std::uint64_t, std::size_t> reconnects;
  std::unique_ptr<Timer> look;
  Error last_error{ErrorCode::IoError, "there is no connection"};
  std::function<void(Expected<void>)> on_first;
  std::uint64_t first_until = 0;
  bool is_closing = false;
  std::promise<void>* all_gone = nullptr;
};

Client::Client(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

Client::~Client() { impl_->close(); }

Expected<std::unique_ptr<Client>> Client::connect(ClientOptions options) {
  if (options.address.is_tls && !options.tls)
    return fail(ErrorCode::InvalidArgument, "a tls:// address needs ClientOptions::tls");
  std::unique_ptr<Client> client(new Client(std::move(options)));
  Impl& impl = *client->impl_;
  std::promise<Expected<void>> first;
  impl.loop.call([&] {
    impl.first_until = impl.loop.now_ms() + std::uint64_t(impl.options.patience.count());
    impl.on_first = [&first](Expected<void> result) { first.set_value(std::move(result)); };
    impl.look = std::make_unique<Timer>(impl.loop, [&impl] { impl.on_look(); });
    impl.look->start(kLook, kLook);
    for (std::size_t slot = 0; slot < impl.sessions.size(); ++slot) impl.connect(slot);
  });
  if (auto result = first.get_future().get(); !result) return tl::unexpected(result.error());
  return client;
}

void Client::send(Kind kind, MessageSpace& message, Done done) {
  auto request = std::make_shared<ClientRequest>();
  request->kind = kind;
  // The server's deadline of its own may be shorter than our patience.
  request->frame = message.frame(
      std::uint16_t(kind), 0, std::uint32_t(std::clamp<std::int64_t>(
                                  impl_->options.patience.count(), 1, kMostDeadlineMs)));
  request->done = std::move(done);
  if (request->frame.size() - kFrameHeaderBytes > kMaxRequestBytes) {
    return request->done(fail(ErrorCode::TooLarge, "the request is over the limit of 1 MiB"));
  }
  if (impl_->loop.is_current()) return impl_->add(request);
  impl_->loop.post([impl = impl_.get(), request] { impl->add(request); });
}

Expected<Reply> Client::ask(Kind kind, MessageSpace& message) {
  std::promise<Expected<Reply>> reply;
  send(kind, message, [&reply](Expected<Reply> result) { reply.set_value(std::move(result)); });
  return reply.get_future().get();
}

void Client::follow(MessageSpace& message, std::function<bool(const Reply&)> on_reply,
                    std::function<void(Error)> done) {
  auto request = std::make_shared<ClientRequest>();
  request->kind = Kind::kFollow;
  request->frame = message.frame(std::uint16_t(Kind::kFollow), 0);
  request->on_reply = std::move(on_reply);
  request->done = [done = std::move(done)](Expected<Reply> end) { done(end.error()); };
  impl_->loop.post([impl = impl_.get(), request] { impl->add(request); });
}

}  // namespace runlog
