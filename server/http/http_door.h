// What all connections of the HTTP door share.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "server/protocol/load.h"
#include "server/protocol/protocol_metrics.h"
#include "server/protocol/session_report.h"
#include "server/tenants/tenants.h"
#include "server/tenants/tokens.h"

namespace runlog {

class Connection;

// Belongs to the loop's thread, but for what says otherwise. Outlives its connections and the loop,
// which may still have work of connections that are gone.
struct HttpDoor {
  Tenants& tenants;       // any thread
  const Tokens& tokens;   // any thread
  TenantLoads& loads;     // shared with the socket protocol
  LoadLimits limits = {};
  // What a client on this machine may do without a token; nullopt: nothing.
  std::optional<Grant> anonymous = {};
  bool is_ready = true;   // what /readyz says: new work is welcome
  std::function<std::string()> metrics_text = [] { return std::string(); };  // of /metrics
  // Told of every request that was refused, for the server's log.
  std::function<void(const Connection&, int status, std::string_view path)> on_refused =
      [](const Connection&, int, std::string_view) {};
  // Of a stream that ended because runs could not be read.
  std::function<void(const Connection&, const Error&)> on_failed = [](const Connection&,
                                                                      const Error&) {};
  // Of every connection, when it is closed.
  std::function<void(const SessionReport&)> on_ended = [](const SessionReport&) {};

  ProtocolMetrics metrics = {};  // by HttpRoute::Kind
  std::size_t body_bytes = 0;    // of the requests' bodies that are kept, or will be
};

}  // namespace runlog
