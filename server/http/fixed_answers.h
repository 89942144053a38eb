// Answers that ask no log.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/http/http_response.h"

namespace runlog {

HttpResponse plain_answer(int status, std::string text);
// What ObjectStack's client asks when it connects: where the routes are.
HttpResponse discovery_answer();
// The Runs page.
HttpResponse page_answer();
// 401; `code` as error_response.
HttpResponse unauthorized(std::string_view code, std::string_view message);
// 429, with the time after which to come again.
HttpResponse overloaded(std::string_view message, std::uint32_t wait_ms);

}  // namespace runlog
