// The answer to a request, and the envelope that ObjectStack's client unwraps:
// {"success":true,"data":…} or {"success":false,"error":{"code":…,"message":…}}.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "index/error.h"
#include "server/http/query_string.h"

namespace runlog {

struct HttpResponse {
  int status = 200;
  std::string_view content_type = "application/json";  // of static life
  std::string body = {};
  std::vector<std::pair<std::string_view, std::string>> headers = {};  // beyond those of every answer
};

// "OK" for 200; the name of every status that the server answers with.
std::string_view reason_phrase(int status);

// {"success":false,…}; the code is a StandardErrorCode of ObjectStack's or one of its ledger.
HttpResponse error_response(int status, std::string_view code, std::string_view message);
// 400 VALIDATION_FAILED with details.fields. `problems` must not be empty.
HttpResponse problems_response(const std::vector<FieldProblem>& problems);
// What a failure of the log comes to.
HttpResponse response_of(const Error& error);

// Appends the status line and the header fields of `response`, Content-Length among them, and the
// body unless the request was a HEAD.
void write_response(const HttpResponse& response, bool keep_alive, bool is_head, std::string& out);

}  // namespace runlog
