#include "server/transport/connector.h"

#include <fmt/format.h>

namespace runlog {
namespace {

constexpr std::chrono::milliseconds kConnectTime{5'000};  // to one socket address

}  // namespace

struct Connector::Attempt {
  Attempt(Loop& on_loop, const Address& to) : loop(on_loop), address(to) {}
  Loop& loop;
  const Address address;
  ConnectionTimeouts timeouts;
  std::shared_ptr<const TlsContext> tls;
  std::function<std::unique_ptr<Protocol>(Connection&)> make_protocol;
  std::function<void(Error)> failed;
  std::vector<sockaddr_storage> targets;
  std::size_t next = 0;
  int error = UV_ECONNREFUSED;
  // One connection at a time, and what libuv needs while it is made.
  std::shared_ptr<Connection> connection;
  uv_connect_t request{};
  std::unique_ptr<Timer> timer;
  std::shared_ptr<Attempt> self;  // while libuv may call back

  void on_connected(int status) {
    const auto alive = std::move(self);
    timer.reset();
    const auto made = std::move(connection);
    if (status == 0) return made->begin(make_protocol);
    error = status == UV_ECANCELED ? UV_ETIMEDOUT : status;
    made->close();
    try_next(alive);
  }
};

void Connector::connect(Loop& loop, const Address& address, ConnectionTimeouts timeouts,
                        std::shared_ptr<const TlsContext> tls,
                        std::function<std::unique_ptr<Protocol>(Connection&)> make_protocol,
                        std::function<void(Error)> failed) {
  auto attempt = std::make_shared<Attempt>(loop, address);
  attempt->timeouts = timeouts;
  attempt->tls = std::move(tls);
  attempt->make_protocol = std::move(make_protocol);
  attempt->failed = std::move(failed);
  loop.work([attempt] { return attempt->address.resolve(); },
            [attempt](Expected<std::vector<sockaddr_storage>> resolved) {
              if (!resolved) return attempt->failed(resolved.error());
              attempt->targets = std::move(*resolved);
              try_next(attempt);
            });
}

void Connector::try_next(const std::shared_ptr<Attempt>& attempt) {
  if (attempt->next == attempt->targets.size()) {
    return attempt->failed({ErrorCode::IoError,
                            fmt::format("cannot connect to {}: {}", attempt->address.text(),
                                        uv_strerror(attempt->error))});
  }
  const sockaddr_storage& target = attempt->targets[attempt->next++];
  attempt->connection = Connection::make(
      attempt->loop, attempt->address.kind,
      {attempt->timeouts, std::make_shared<TransportCounters>(), nullptr,
       attempt->tls, attempt->address.host, true});
  attempt->request.data = attempt.get();
  const auto connected = [](uv_connect_t* request, int status) {
    static_cast<Attempt*>(request->data)->on_connected(status);
  };
  attempt->self = attempt;
  attempt->timer = std::make_unique<Timer>(attempt->loop, [attempt = attempt.get()] {
    attempt->connection->close();  // on_connected follows, with UV_ECANCELED
  });
  attempt->timer->start(kConnectTime);
  if (attempt->address.kind == Address::Kind::kUnix) {
    uv_pipe_connect(&attempt->request, &attempt->connection->handle_.pipe,
                    attempt->address.path.c_str(), connected);
    return;
  }
  const int error =
      uv_tcp_connect(&attempt->request, &attempt->connection->handle_.tcp,
                     reinterpret_cast<const sockaddr*>(&target), connected);
  if (error != 0) attempt->on_connected(error);
}

}  // namespace runlog
