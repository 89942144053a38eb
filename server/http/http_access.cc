#include "server/http/http_access.h"

#include <arpa/inet.h>

#include <algorithm>

#include <fmt/format.h>

#include "server/http/fixed_answers.h"
#include "server/quantities.h"

namespace runlog {
namespace {

Role needed_role(HttpRoute::Kind kind) {
  return kind == HttpRoute::Kind::kAppendRuns ? Role::kAppend : Role::kRead;
}

bool equals_ignoring_case(std::string_view text, std::string_view lower_case) {
  return std::equal(text.begin(), text.end(), lower_case.begin(), lower_case.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a | 0x20 : a) == b; });
}

// The token of "Bearer TOKEN"; empty for anything else.
std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kBearer = "bearer ";
  if (!equals_ignoring_case(authorization.substr(0, kBearer.size()), kBearer)) return {};
  return authorization.substr(kBearer.size());
}

bool is_address(int family, const std::string& text) {
  unsigned char address[16];
  return ::inet_pton(family, text.c_str(), address) == 1;
}

// "localhost", "127.0.0.1:7480", "[::1]:7480": no name that somebody else could give to this machine.
bool is_name_of_this_machine(std::string_view host) {
  const bool is_v6 = host.starts_with('[');
  const std::size_t end = is_v6 ? host.find(']') : host.find(':');
  const std::string name(host.substr(is_v6, end == std::string_view::npos ? end : end - is_v6));
  std::string_view port =
      end == std::string_view::npos ? std::string_view() : host.substr(end + is_v6);
  if (!port.empty() &&
      (port.front() != ':' || port.find_first_not_of("0123456789", 1) != std::string_view::npos)) {
    return false;
  }
  if (is_v6) return end != std::string_view::npos && is_address(AF_INET6, name);
  return equals_ignoring_case(name, "localhost") || is_address(AF_INET, name);
}

}  // namespace

std::optional<HttpResponse> refuse_web_page(const HttpRequest& request) {
  const auto host = request.header("host"), origin = request.header("origin");
  if (host && !is_name_of_this_machine(*host)) {
    return error_response(403, "PERMISSION_DENIED",
                          "without a token the server is asked as localhost or by its IP address");
  }
  const std::string own(host.value_or(""));
  if (origin && (own.empty() || (*origin != "http://" + own && *origin != "https://" + own))) {
    return error_response(403, "PERMISSION_DENIED",
                          "without a token no web page of another site may ask the server");
  }
  return std::nullopt;
}

std::variant<Grant, HttpResponse> authorize(const HttpRequest& request, const HttpRoute& route,
                                            const HttpDoor& door, bool is_local) {
  std::optional<Grant> grant;
  if (const auto authorization = request.header("authorization")) {
    const std::string_view token = bearer_token(*authorization);
    if (token.empty()) return unauthorized("INVALID_TOKEN", "the authorization is no bearer token");
    auto checked = door.tokens.check(token, now_ms());
    if (!checked) return unauthorized("INVALID_TOKEN", checked.error().message);
    grant = std::move(*checked);
  } else if (is_local && door.anonymous) {
    if (auto refused = refuse_web_page(request)) return std::move(*refused);
    grant = door.anonymous;
  }
  if (!grant) {
    return unauthorized("UNAUTHENTICATED", "this needs a token: Authorization: Bearer TOKEN");
  }
  if (!allows(grant->role, needed_role(route.kind))) {
    return error_response(403, "PERMISSION_DENIED",
                          fmt::format("the token's role, {}, does not allow this; it needs {}",
                                      role_name(grant->role), role_name(needed_role(route.kind))));
  }
  return *grant;
}

}  // namespace runlog
