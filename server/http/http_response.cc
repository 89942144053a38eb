#include "server/http/http_response.h"

#include <fmt/format.h>

#include "log/json_writer.h"

namespace runlog {
namespace {

void write_error(std::string_view code, std::string_view message,
                 const std::vector<FieldProblem>& problems, std::string& out) {
  JsonWriter json(out);
  ObjectWriter envelope(json, {});
  envelope.truth("success", false);
  envelope.begin("error");
  ObjectWriter error(json, {});
  error.text("code", code);
  error.text("message", message);
  if (!problems.empty()) {
    error.begin("details");
    ObjectWriter details(json, {});
    details.begin("fields");
    json.begin_array();
    for (const FieldProblem& problem : problems) {
      ObjectWriter field(json, {});
      field.text("field", std::string_view(problem.field));
      field.text("code", std::string_view(problem.code));
      field.text("message", std::string_view(problem.message));
    }
    json.end_array();
  }
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "Unknown";
  }
}

HttpResponse error_response(int status, std::string_view code, std::string_view message) {
  HttpResponse response;
  response.status = status;
  write_error(code, message, {}, response.body);
  return response;
}

HttpResponse problems_response(const std::vector<FieldProblem>& problems) {
  const std::string message =
      problems.size() == 1 ? problems.front().message
                           : fmt::format("{}, and {} more of the request's parameters are wrong",
                                         problems.front().message, problems.size() - 1);
  HttpResponse response;
  response.status = 400;
  write_error("VALIDATION_FAILED", message, problems, response.body);
  return response;
}

HttpResponse response_of(const Error& error) {
  const auto later = [&](int status) {
    HttpResponse response = error_response(status, "SERVICE_UNAVAILABLE", error.message);
    response.headers.emplace_back("Retry-After", "1");
    return response;
  };
  switch (error.code) {
    case ErrorCode::NotFound: return error_response(404, "RESOURCE_NOT_FOUND", error.message);
    case ErrorCode::InvalidArgument: return error_response(400, "VALIDATION_FAILED", error.message);
    case ErrorCode::TooLarge: return error_response(413, "PAYLOAD_TOO_LARGE", error.message);
    case ErrorCode::DiskFull: return error_response(507, "QUOTA_EXCEEDED", error.message);
    case ErrorCode::Busy:
    case ErrorCode::OutcomeUnknown:
    case ErrorCode::Closed: return later(503);
    case ErrorCode::Corruption:
    case ErrorCode::IoError:
    case ErrorCode::ArchiveFailed: break;
  }
  return error_response(500, "INTERNAL_ERROR", error.message);
}

void write_response(const HttpResponse& response, bool keep_alive, bool is_head,
                    std::string& out) {
  const bool has_body = response.status != 304 && response.status != 204;
  out.reserve(out.size() + response.body.size() + 256);
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", response.status,
                 reason_phrase(response.status));
  if (has_body) {
    fmt::format_to(std::back_inserter(out), "Content-Type: {}\r\nContent-Length: {}\r\n",
                   response.content_type, response.body.size());
  }
  for (const auto& [name, value] : response.headers) {
    fmt::format_to(std::back_inserter(out), "{}: {}\r\n", name, value);
  }
  // What answers hold belongs to one tenant, and nobody should guess another type.
  out += "Cache-Control: no-cache, private\r\nX-Content-Type-Options: nosniff\r\n";
  if (!keep_alive) out += "Connection: close\r\n";
  out += "\r\n";
  if (has_body && !is_head) out += response.body;
}

}  // namespace runlog
