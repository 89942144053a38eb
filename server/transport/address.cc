#include "server/transport/address.h"

#include <netdb.h>
#include <sys/un.h>
#include <uv.h>

#include <charconv>
#include <cstring>

#include <fmt/format.h>

namespace runlog {
namespace {

constexpr std::string_view kTcp = "tcp://", kTls = "tls://", kUnix = "unix:";

tl::unexpected<Error> not_understood(std::string_view text) {
  return fail(ErrorCode::InvalidArgument,
              fmt::format("'{}' is no address; an address is tcp://HOST:PORT, tls://HOST:PORT, "
                          "with an IPv6 address in [], or unix:PATH",
                          text));
}

}  // namespace

Expected<Address> Address::parse(std::string_view text) {
  Address address;
  if (text.starts_with(kUnix)) {
    address.kind = Kind::kUnix;
    address.path = text.substr(kUnix.size());
    if (address.path.starts_with("//")) address.path.erase(0, 2);
    if (address.path.empty() || address.path.find('\0') != std::string::npos)
      return not_understood(text);
    return address;
  }
  address.is_tls = text.starts_with(kTls);
  const bool has_scheme = address.is_tls || text.starts_with(kTcp);
  std::string_view rest = has_scheme ? text.substr(kTcp.size()) : text;
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) return not_understood(text);
  std::string_view host = rest.substr(0, colon), port = rest.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":/") != std::string_view::npos) {
    return not_understood(text);
  }
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (host.empty() || error != std::errc() || end != port.data() + port.size())
    return not_understood(text);
  address.host = host;
  return address;
}

std::string Address::text() const {
  if (kind == Kind::kUnix) return fmt::format("unix:{}", path);
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return fmt::format("{}{}{}{}:{}", is_tls ? kTls : kTcp, is_ipv6 ? "[" : "", host,
                     is_ipv6 ? "]" : "", port);
}

Expected<std::vector<sockaddr_storage>> Address::resolve() const {
  if (kind == Kind::kUnix) {
    sockaddr_storage storage{};
    auto& named = reinterpret_cast<sockaddr_un&>(storage);
    if (path.size() >= sizeof named.sun_path) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("the path of {} has {} bytes; a socket's may have {}", text(),
                              path.size(), sizeof named.sun_path - 1));
    }
    named.sun_family = AF_UNIX;
    std::memcpy(named.sun_path, path.data(), path.size());
    return std::vector{storage};
  }
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  const int error =
      ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    return fail(ErrorCode::NotFound,
                fmt::format("{} cannot be found: {}", text(), ::gai_strerror(error)));
  }
  std::vector<sockaddr_storage> addresses;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    sockaddr_storage storage{};
    std::memcpy(&storage, each->ai_addr, each->ai_addrlen);
    addresses.push_back(storage);
  }
  ::freeaddrinfo(found);
  return addresses;
}

std::string host_and_port(const sockaddr_storage& address) {
  char name[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET6) {
    const auto& ip6 = reinterpret_cast<const sockaddr_in6&>(address);
    uv_ip6_name(&ip6, name, sizeof name);
    return fmt::format("[{}]:{}", name, ntohs(ip6.sin6_port));
  }
  const auto& ip4 = reinterpret_cast<const sockaddr_in&>(address);
  uv_ip4_name(&ip4, name, sizeof name);
  return fmt::format("{}:{}", name, ntohs(ip4.sin_port));
}

bool is_loopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_UNIX) return true;
  if (address.ss_family == AF_INET6) {
    const in6_addr& ip6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(&ip6) || (IN6_IS_ADDR_V4MAPPED(&ip6) && ip6.s6_addr[12] == 127);
  }
  const auto& ip4 = reinterpret_cast<const sockaddr_in&>(address);
  return ntohl(ip4.sin_addr.s_addr) >> 24 == 127;
}

}  // namespace runlog
