// What `runlog serve` is told: by its options, by a TOML file, or by nobody, which is safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "index/error.h"
#include "server/protocol/load.h"
#include "server/tenants/tenants.h"
#include "server/transport/address.h"
#include "server/transport/connection.h"
#include "server/transport/tls.h"

namespace runlog {

struct ServeConfig {
  // Of the socket protocol and of HTTP. Without any of one kind there is no such door.
  std::vector<std::string> listen = {"tcp://127.0.0.1:7414"};
  std::vector<std::string> http = {"127.0.0.1:7480"};
  // Of every TCP address, if it is there.
  std::optional<TlsServerOptions> tls;
  // Addresses that other machines can reach may do without TLS.
  bool allow_plaintext = false;
  // Who comes without a token acts for this tenant and may do everything. Only with addresses that
  // nobody else can reach.
  std::optional<std::string> anonymous;

  // Where the request `backup` puts copies, below a directory for each tenant; empty: it is refused.
  std::filesystem::path backup_dir;

  std::uint32_t max_connections = 10'000;  // of one address
  LoadLimits limits;
  ConnectionTimeouts timeouts;
  // How long requests that have begun may take when the server stops.
  std::chrono::milliseconds drain{10'000};
  std::uint32_t workers = 4;  // threads for what may block
  TenantsOptions tenants;
};

// Reads a file over the defaults; README.md lists its keys. Errors: NotFound; IoError;
// InvalidArgument (names the line).
Expected<ServeConfig> read_config(const std::filesystem::path& file);

// The same from text, for tests; `file` is its name in errors.
Expected<ServeConfig> parse_config(std::string_view text, const std::filesystem::path& file);

// Whether all of it makes sense together. Asks the resolver for the hosts' names.
// Errors: InvalidArgument (says what to change); NotFound (nobody knows a host).
Expected<void> check_config(const ServeConfig& config);

}  // namespace runlog
