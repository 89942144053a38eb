// Which server a client talks to, and as whom.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "server/transport/address.h"

namespace runlog {

class TlsContext;

struct ClientOptions {
  Address address;
  std::string tenant;   // empty: the token's
  std::string token;    // empty: anonymous
  std::shared_ptr<const TlsContext> tls;  // null: without TLS
  unsigned connections = 1;
  // How long a request is tried, waiting for its reply, connecting again and
  // sending again included.
  std::chrono::milliseconds patience{30'000};
  std::string name = "runlog";  // for the server's log
};

}  // namespace runlog
