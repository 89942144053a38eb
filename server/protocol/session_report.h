// What a server tells its log about a connection, once.
#pragma once

#include <cstdint>
#include <string>

namespace runlog {

struct SessionReport {
  std::string peer, tenant, token_id;
  std::uint64_t requests = 0, failures = 0, received_bytes = 0, sent_bytes = 0, milliseconds = 0;
  std::string ended_because;   // empty: the client went away
};

}  // namespace runlog
