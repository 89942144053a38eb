// Compression of large answers, as far as the client asks for it.
#pragma once

#include <string_view>

#include "server/http/http_response.h"

namespace runlog {

// Compresses the body with zstd or gzip, the first of them that `accept_encoding` (the header field's
// value) takes, if it is large enough to be worth it. Takes a few milliseconds a megabyte.
void compress(HttpResponse& response, std::string_view accept_encoding);

// Whether the client takes `coding`: it is named, or `*` is, with no weight of zero.
bool accepts(std::string_view accept_encoding, std::string_view coding);

}  // namespace runlog
