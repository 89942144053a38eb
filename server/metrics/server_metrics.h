// What /metrics says of a server.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/protocol/protocol_metrics.h"
#include "server/tenants/tenants.h"
#include "server/transport/connection.h"
#include "server/transport/loop.h"

namespace runlog {

// A way in, and what it counts.
struct MeasuredDoor {
  std::string_view name;  // "socket", "http"
  const ProtocolMetrics& requests;
  std::string_view (*kind_name)(unsigned kind);  // empty: there is no such kind
};

struct MeasuredAddress {
  std::string address;
  const TransportCounters& connections;
};

struct ServerMetrics {
  std::vector<MeasuredDoor> doors;
  std::vector<MeasuredAddress> addresses;
  Tenants& tenants;
  const Loop& loop;
  // So many tenants get samples of their own, the largest; the others share one, with the label
  // tenant="(others)", which is no tenant's name.
  std::size_t most_tenants = 100;
};

// The text. Any thread; reads no file.
std::string metrics_text(const ServerMetrics& server);

}  // namespace runlog
