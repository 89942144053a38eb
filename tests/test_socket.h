// A blocking socket for tests that talk to a server byte by byte.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>

#include "server/transport/address.h"

namespace runlog {

class TestSocket {
 public:
  explicit TestSocket(const Address& address, int receive_buffer_bytes = 0) {
    const auto resolved = address.resolve();
    if (!resolved) throw std::runtime_error(resolved.error().message);
    const sockaddr_storage& target = resolved->front();
    descriptor_ = ::socket(target.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer_bytes > 0) {
      ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(int));
    }
    const timeval patience{20, 0};  // a test that waits for ever says nothing
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    const socklen_t bytes = target.ss_family == AF_UNIX    ? sizeof(sockaddr_un)
                            : target.ss_family == AF_INET6 ? sizeof(sockaddr_in6)
                                                           : sizeof(sockaddr_in);
    if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&target), bytes) != 0) {
      ::close(descriptor_);
      throw std::runtime_error("cannot connect to " + address.text());
    }
  }
  ~TestSocket() { close(); }
  TestSocket(const TestSocket&) = delete;
  TestSocket& operator=(const TestSocket&) = delete;

  // False when the peer is gone.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(std::size_t(n));
    }
    return true;
  }
  // Exactly `bytes`, or what came before the end.
  std::string receive(std::size_t bytes) {
    std::string received(bytes, '\0');
    std::size_t at = 0;
    while (at < bytes) {
      const ssize_t n = ::recv(descriptor_, received.data() + at, bytes - at, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) throw std::runtime_error("nothing came for 20 s");
      if (n <= 0) break;
      at += std::size_t(n);
    }
    received.resize(at);
    return received;
  }
  // Everything until the peer closes.
  std::string receive_all() { return receive_until(""); }
  // Everything up to and with `end`; all until the peer closes if it is empty or does not come.
  std::string receive_until(std::string_view end) {
    std::string received;
    for (;;) {
      if (!end.empty() && received.ends_with(end)) return received;
      const std::string more = end.empty() ? receive_some() : receive(1);
      if (more.empty()) return received;
      received += more;
    }
  }
  void end_sending() { ::shutdown(descriptor_, SHUT_WR); }
  void close() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }
  // Closes so that the peer sees a failure, and no end.
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
  }
  int descriptor() const { return descriptor_; }

 private:
  std::string receive_some() {
    std::string received(64u << 10, '\0');
    const ssize_t n = ::recv(descriptor_, received.data(), received.size(), 0);
    if (n < 0 && errno == EAGAIN) throw std::runtime_error("nothing came for 20 s");
    received.resize(n > 0 ? std::size_t(n) : 0);
    return received;
  }
  int descriptor_ = -1;
};

}  // namespace runlog
