#include "server/transport/listener.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <future>

#include <fmt/format.h>

namespace runlog {
namespace {

constexpr int kBacklog = 1024;
// So many connections over the limit are told so at a time; others are closed without a word.
constexpr unsigned kMostRefusals = 64;

Error listen_error(int error, const Address& address) {
  const ErrorCode code = error == UV_EADDRINUSE ? ErrorCode::Busy : ErrorCode::IoError;
  return {code, fmt::format("cannot listen on {}: {}", address.text(), uv_strerror(error))};
}

class Refusal : public Protocol {
 public:
  Refusal(Connection& connection, const std::string& words) : Protocol(connection) {
    connection.write(words);
    connection.close_after_writing();
  }
  void on_bytes(std::string_view) override {}
};

}  // namespace

struct Listener::Socket {
  Listener* listener = nullptr;  // null once it is gone
  union {
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } handle{};

  uv_stream_t* stream() { return &handle.stream; }
  void close() {
    uv_close(reinterpret_cast<uv_handle_t*>(stream()),
             [](uv_handle_t* closed) { delete static_cast<Socket*>(closed->data); });
  }
};

Listener::Listener(Loop& loop, Address address, ListenOptions options,
                   ProtocolFactory make_protocol)
    : loop_(loop),
      address_(std::move(address)),
      options_(std::move(options)),
      make_protocol_(std::move(make_protocol)) {}

Expected<std::unique_ptr<Listener>> Listener::open(Loop& loop, const Address& address,
                                                   ListenOptions options,
                                                   ProtocolFactory make_protocol) {
  const auto resolved = address.resolve();
  if (!resolved) return tl::unexpected(resolved.error());
  std::unique_ptr<Listener> listener(
      new Listener(loop, address, std::move(options), std::move(make_protocol)));
  auto started = loop.call([&] {
    auto bound = listener->bind(resolved->front());
    return bound ? listener->start() : bound;
  });
  if (!started) return tl::unexpected(started.error());
  return listener;
}

Listener::~Listener() { drain(std::chrono::milliseconds(0)); }

// ---- listening --------------------------------------------------------------------------------

// Errors: Busy; IoError.
Expected<void> Listener::remove_stale_socket(const sockaddr_storage& address) const {
  struct stat file {};
  if (::lstat(address_.path.c_str(), &file) != 0) return {};
  if (!S_ISSOCK(file.st_mode)) {
    return fail(ErrorCode::Busy,
                fmt::format("cannot listen on {}: there is a file that is no socket",
                            address_.text()));
  }
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int result =
      ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(sockaddr_un));
  const int error = result == 0 ? 0 : errno;
  ::close(probe);
  if (error != ECONNREFUSED) return tl::unexpected(listen_error(UV_EADDRINUSE, address_));
  // Nothing that must survive a power cut, so not through log/file_io.h.
  if (::unlink(address_.path.c_str()) != 0 && errno != ENOENT)
    return tl::unexpected(listen_error(-errno, address_));
  return {};
}

Expected<void> Listener::bind(const sockaddr_storage& address) {
  socket_ = new Socket;
  socket_->listener = this;
  int error = 0;
  if (address_.kind == Address::Kind::kTcp) {
    uv_tcp_init(loop_.uv(), &socket_->handle.tcp);
    error = uv_tcp_bind(&socket_->handle.tcp, reinterpret_cast<const sockaddr*>(&address), 0);
  } else {
    uv_pipe_init(loop_.uv(), &socket_->handle.pipe, 0);
    socket_->stream()->data = socket_;
    if (auto removed = remove_stale_socket(address); !removed) return removed;
    error = uv_pipe_bind(&socket_->handle.pipe, address_.path.c_str());
    if (error == 0 && ::chmod(address_.path.c_str(), options_.unix_mode) != 0) error = -errno;
  }
  socket_->stream()->data = socket_;
  if (error != 0) return tl::unexpected(listen_error(error, address_));
  return {};
}

Expected<void> Listener::start() {
  const int error = uv_listen(socket_->stream(), kBacklog, [](uv_stream_t* stream, int status) {
    static_cast<Socket*>(stream->data)->listener->on_connection(status);
  });
  if (error != 0) return tl::unexpected(listen_error(error, address_));
  if (address_.kind == Address::Kind::kTcp) {
    sockaddr_storage bound{};
    int bytes = sizeof bound;
    uv_tcp_getsockname(&socket_->handle.tcp, reinterpret_cast<sockaddr*>(&bound), &bytes);
    address_.port = ntohs(bound.ss_family == AF_INET6
                              ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                              : reinterpret_cast<const sockaddr_in&>(bound).sin_port);
  }
  return {};
}

void Listener::stop_accepting() {
  if (socket_ == nullptr) return;
  socket_->listener = nullptr;
  socket_->close();
  socket_ = nullptr;
}

// ---- connections ------------------------------------------------------------------------------

void Listener::on_connection(int status) {
  // Without a descriptor for it, libuv has closed the connection with one that it keeps for this.
  if (status != 0) {
    ++counters_->accept_errors;
    return;
  }
  auto connection = Connection::make(
      loop_, address_.kind,
      {options_.timeouts, counters_, [this](Connection& gone) { on_gone(gone); }, options_.tls,
       {}});
  const std::size_t open_before = connections_.size();
  connections_.insert(connection.get());
  ++counters_->open;
  if (uv_accept(socket_->stream(), connection->stream()) != 0) {
    ++counters_->accept_errors;
    return connection->close();
  }
  if (open_before < options_.max_connections) {
    ++counters_->accepted;
    return connection->begin(make_protocol_);
  }
  ++counters_->refused;
  if (open_before >= options_.max_connections + kMostRefusals) return connection->close();
  connection->begin([this](Connection& refused) {
    return std::make_unique<Refusal>(refused, options_.refusal);
  });
}

void Listener::on_gone(Connection& connection) {
  connections_.erase(&connection);
  --counters_->open;
  if (connections_.empty() && all_gone_) all_gone_();
}

void Listener::for_each(const std::function<void(Connection&)>& visit) const {
  for (Connection* connection : connections_) visit(*connection);
}

void Listener::drain(std::chrono::milliseconds grace) {
  std::promise<void> gone;
  std::unique_ptr<Timer> timer;
  loop_.call([&] {
    stop_accepting();
    if (connections_.empty()) return gone.set_value();
    all_gone_ = [&gone] { gone.set_value(); };
    const auto close_all = [this] { for_each([](Connection& each) { each.close(); }); };
    if (grace.count() == 0) return close_all();
    for_each([](Connection& each) {
      if (!each.is_closing()) each.protocol().on_stopping();
    });
    timer = std::make_unique<Timer>(loop_, close_all);
    timer->start(grace);
  });
  gone.get_future().wait();
  loop_.call([&] {
    timer.reset();
    all_gone_ = nullptr;
  });
}

}  // namespace runlog
