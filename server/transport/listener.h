// A listener: one address, and the connections that came to it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_set>

#include "index/error.h"
#include "server/transport/address.h"
#include "server/transport/connection.h"
#include "server/transport/loop.h"

namespace runlog {

struct ListenOptions {
  unsigned max_connections = 10'000;
  // What a connection beyond that is told before it is closed.
  std::string refusal;
  ConnectionTimeouts timeouts;
  unsigned unix_mode = 0660;  // who may connect to a unix socket
  std::shared_ptr<const TlsContext> tls;  // null: without TLS
};

class Listener {
 public:
  using ProtocolFactory = std::function<std::unique_ptr<Protocol>(Connection&)>;

  // Listens on `address`; `make_protocol` is called on the loop for each connection. A socket file
  // that nobody listens on is replaced. Any thread. A process that runs out of descriptors closes
  // the connections that come while there are none, and goes on.
  // Errors: InvalidArgument; NotFound (no such host); Busy (somebody listens there); IoError.
  static Expected<std::unique_ptr<Listener>> open(Loop& loop, const Address& address,
                                                  ListenOptions options,
                                                  ProtocolFactory make_protocol);
  // Closes every connection at once and waits until they are gone. Any thread but the loop's.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // With the port that was chosen.
  const Address& address() const { return address_; }
  const TransportCounters& counters() const { return *counters_; }

  // Accepts no more, tells every protocol (Protocol::on_stopping) and closes after `grace` what is
  // still open then. Returns when all connections are gone. Any thread but the loop's.
  void drain(std::chrono::milliseconds grace);

  // Calls `visit` with every open connection. On the loop.
  void for_each(const std::function<void(Connection&)>& visit) const;

 private:
  Listener(Loop& loop, Address address, ListenOptions options, ProtocolFactory make_protocol);
  Expected<void> start();
  Expected<void> bind(const sockaddr_storage& address);
  Expected<void> remove_stale_socket(const sockaddr_storage& address) const;
  void on_connection(int status);
  void stop_accepting();
  void on_gone(Connection& connection);

  struct Socket;  // outlives the listener until libuv has let go of it
  Loop& loop_;
  Address address_;
  ListenOptions options_;
  ProtocolFactory make_protocol_;
  std::shared_ptr<TransportCounters> counters_ = std::make_shared<TransportCounters>();
  Socket* socket_ = nullptr;
  std::unordered_set<Connection*> connections_;
  std::function<void()> all_gone_;
};

}  // namespace runlog
