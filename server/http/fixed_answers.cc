#include "server/http/fixed_answers.h"

#include "server/http/runs_page.h"

namespace runlog {

HttpResponse plain_answer(int status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(text);
  return response;
}

HttpResponse discovery_answer() {
  HttpResponse response;
  response.body = R"({"success":true,"data":{"name":"runlog","version":")" RUNLOG_VERSION
                  R"(","routes":{"automation":"/api/v1/automation"}}})";
  return response;
}

HttpResponse page_answer() {
  HttpResponse response;
  response.content_type = "text/html; charset=utf-8";
  response.body = std::string(runs_page());
  // One file: it needs nothing from elsewhere, and nothing may be slipped into it.
  response.headers.emplace_back("Content-Security-Policy",
                                "default-src 'none'; script-src 'unsafe-inline'; style-src "
                                "'unsafe-inline'; connect-src 'self'; img-src data:; "
                                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  return response;
}

HttpResponse unauthorized(std::string_view code, std::string_view message) {
  HttpResponse response = error_response(401, code, message);
  response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"runlog\"");
  return response;
}

HttpResponse overloaded(std::string_view message, std::uint32_t wait_ms) {
  HttpResponse response = error_response(429, "RATE_LIMIT_EXCEEDED", message);
  response.headers.emplace_back("Retry-After", std::to_string(wait_ms / 1000 + 1));
  return response;
}

}  // namespace runlog
