// The names of requests, as metrics and the server's log give them.
#pragma once

#include <string_view>

namespace runlog {

// Of the socket protocol, by Kind: "append", "paused_save"; empty for numbers that are none.
std::string_view socket_kind_name(unsigned kind);
// Of HTTP, by HttpRoute::Kind: "list_runs".
std::string_view http_kind_name(unsigned kind);

}  // namespace runlog
