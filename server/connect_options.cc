#include "server/connect_options.h"

#include <algorithm>
#include <fstream>

#include <fmt/format.h>

#include "server/transport/tls.h"

namespace runlog {
namespace {

constexpr std::size_t kMaxTokenBytes = 1024;

// The file's first line, without blanks around it.
Expected<std::string> read_token(const std::string& path) {
  std::ifstream in(path);
  if (!in) return fail(ErrorCode::NotFound, fmt::format("the token file {} cannot be read", path));
  std::string line;
  std::getline(in, line);
  const auto is_blank = [](unsigned char c) { return c == ' ' || c == '\t' || c == '\r'; };
  line.erase(line.begin(), std::find_if_not(line.begin(), line.end(), is_blank));
  while (!line.empty() && is_blank(static_cast<unsigned char>(line.back()))) line.pop_back();
  if (line.empty() || line.size() > kMaxTokenBytes) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the first line of {} is no token", path));
  }
  return line;
}

}  // namespace

Expected<ClientOptions> server_options(const ConnectArguments& arguments) {
  ClientOptions options;
  auto address = Address::parse(arguments.address);
  if (!address) return tl::unexpected(address.error());
  options.address = std::move(*address);
  options.tenant = arguments.tenant;
  if (!arguments.token_file.empty()) {
    auto token = read_token(arguments.token_file);
    if (!token) return tl::unexpected(token.error());
    options.token = std::move(*token);
  }
  if (options.address.is_tls) {
    auto tls = TlsContext::for_client({arguments.ca_file, {}, {}});
    if (!tls) return tl::unexpected(tls.error());
    options.tls = std::move(*tls);
  }
  return options;
}

}  // namespace runlog
