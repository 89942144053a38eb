// Where a server listens and a client connects: tcp://HOST:PORT, tls://HOST:PORT or unix:PATH.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "index/error.h"

namespace runlog {

struct Address {
  enum class Kind { kTcp, kUnix };
  Kind kind = Kind::kTcp;
  std::string host;         // a name, an IPv4 address, or an IPv6 address without brackets
  std::uint16_t port = 0;   // 0 lets a listener choose
  std::string path;         // of the socket
  bool is_tls = false;      // TCP with TLS, see tls.h

  // Reads tcp://HOST:PORT, tcp://[::1]:PORT, HOST:PORT, the same with tls://, or unix:PATH.
  // Errors: InvalidArgument (says what would be understood).
  static Expected<Address> parse(std::string_view text);
  // As parse() reads it; an IPv6 address in brackets.
  std::string text() const;

  // The socket addresses that it stands for, at least one; asks the resolver for a name, which may
  // take long. Errors: NotFound (nobody knows the host); InvalidArgument (the path is too long).
  Expected<std::vector<sockaddr_storage>> resolve() const;
};

// The host and the port that a socket address names, as text() writes them: 127.0.0.1:7414.
std::string host_and_port(const sockaddr_storage& address);

// Whether only this machine can be at the other end.
bool is_loopback(const sockaddr_storage& address);

}  // namespace runlog
