// The other side of a listener: makes connections to an address.
#pragma once

#include <functional>
#include <memory>

#include "index/error.h"
#include "server/transport/connection.h"

namespace runlog {

class Connector {
 public:
  // Connects to `address`, trying all socket addresses that a name stands for in turn. Then
  // `make_protocol` is called, or else `failed`; one of both, once, on the loop. Any thread.
  // Errors, to `failed`: NotFound (no such host); InvalidArgument; IoError (names the address).
  // With `tls`, the server's certificate must be for the address's host.
  static void connect(Loop& loop, const Address& address, ConnectionTimeouts timeouts,
                      std::shared_ptr<const TlsContext> tls,
                      std::function<std::unique_ptr<Protocol>(Connection&)> make_protocol,
                      std::function<void(Error)> failed);

 private:
  struct Attempt;
  static void try_next(const std::shared_ptr<Attempt>& attempt);
};

}  // namespace runlog
