#include "server/http/http_request.h"

#include <algorithm>

#include <fmt/format.h>
#include <llhttp.h>

namespace runlog {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? char(c + ('a' - 'A')) : c; }

bool equals_ignoring_case(std::string_view text, std::string_view lower_case) {
  return std::equal(text.begin(), text.end(), lower_case.begin(), lower_case.end(),
                    [](char a, char b) { return lower(a) == b; });
}

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

HttpMethod method_of(std::uint8_t number) {
  switch (number) {
    case HTTP_GET: return HttpMethod::kGet;
    case HTTP_HEAD: return HttpMethod::kHead;
    case HTTP_POST: return HttpMethod::kPost;
    default: return HttpMethod::kOther;
  }
}

}  // namespace

std::optional<std::string_view> HttpRequest::header(std::string_view name) const {
  for (const Header& header : headers_) {
    if (equals_ignoring_case(header.name, name)) return header.value;
  }
  return std::nullopt;
}

// A new llhttp for each request: nothing of one reaches into the next.
struct HttpParser::Llhttp : llhttp_t {
  HttpParser* parser = nullptr;
  std::string_view field, value;
  bool head_parsed = false;
  bool too_large = false;  // the body
};

// The head is handed over in one piece, so that each name and value is one, too.
struct HttpParser::Callbacks {
  static Llhttp& of(llhttp_t* parser) { return *static_cast<Llhttp*>(parser); }

  static int on_url(llhttp_t* parser, const char* at, std::size_t size) {
    of(parser).parser->target_ = {at, size};
    return 0;
  }
  static int on_header_field(llhttp_t* parser, const char* at, std::size_t size) {
    if (of(parser).head_parsed) {
      llhttp_set_error_reason(parser, "there are trailers, which are not taken");
      return HPE_USER;
    }
    of(parser).field = {at, size};
    of(parser).value = {};
    return 0;
  }
  static int on_header_value(llhttp_t* parser, const char* at, std::size_t size) {
    of(parser).value = {at, size};
    return 0;
  }
  static int on_header_value_complete(llhttp_t* parser) {
    Llhttp& self = of(parser);
    self.parser->request_.headers_.push_back({self.field, trim(self.value)});
    return 0;
  }
  static int on_headers_complete(llhttp_t* parser) {
    of(parser).head_parsed = true;
    of(parser).parser->request_.keep_alive = llhttp_should_keep_alive(parser) != 0;
    parser->upgrade = 0;  // no other protocol is spoken here
    return 0;
  }
  static int on_chunk_extension(llhttp_t* parser, const char*, std::size_t) {
    llhttp_set_error_reason(parser, "there are chunk extensions, which are not taken");
    return HPE_USER;
  }
  static int on_chunk_header(llhttp_t* parser) {
    const std::size_t room = kMaxHttpBodyBytes - of(parser).parser->request_.body.size();
    of(parser).too_large = parser->content_length > room;
    return of(parser).too_large ? HPE_USER : 0;
  }
  static int on_body(llhttp_t* parser, const char* at, std::size_t size) {
    of(parser).parser->request_.body.append(at, size);
    return 0;
  }
  static int on_message_complete(llhttp_t*) { return HPE_PAUSED; }

  static const llhttp_settings_t& settings() {
    static const llhttp_settings_t all = [] {
      llhttp_settings_t made;
      llhttp_settings_init(&made);
      made.on_url = on_url;
      made.on_header_field = on_header_field;
      made.on_header_value = on_header_value;
      made.on_header_value_complete = on_header_value_complete;
      made.on_headers_complete = on_headers_complete;
      made.on_chunk_extension_name = on_chunk_extension;
      made.on_chunk_header = on_chunk_header;
      made.on_body = on_body;
      made.on_message_complete = on_message_complete;
      return made;
    }();
    return all;
  }
};

HttpParser::HttpParser() : llhttp_(std::make_unique<Llhttp>()) { llhttp_->parser = this; }
HttpParser::~HttpParser() = default;

void HttpParser::refuse(int status, std::string message) {
  state_ = State::kRefused;
  refusal_ = {status, std::move(message)};
}

HttpRequest HttpParser::release() {
  HttpRequest request = std::move(request_);
  request_ = HttpRequest();
  state_ = State::kHead;
  previous_ = 0;
  line_bytes_ = 0;
  line_seen_ = head_ended_ = false;
  return request;
}

std::size_t HttpParser::take(std::span<const char> bytes) {
  if (state_ == State::kHead) return take_head(bytes);
  if (state_ == State::kBody) return take_body(bytes);
  return 0;
}

// Looks at one byte of the head before llhttp does, which takes bare line ends. False: refused.
bool HttpParser::scan(char byte) {
  const bool after_cr = previous_ == '\r';
  const bool begins_line = previous_ == '\n';
  previous_ = byte;
  if (after_cr != (byte == '\n')) {
    return refuse(400, "a line ends with CR and LF, never one alone"), false;
  }
  if (byte == '\n') {
    // An empty line ends the head; before the request line it is ignored, as RFC 9112 asks.
    head_ended_ = line_bytes_ == 0 && line_seen_;
    line_seen_ = line_seen_ || line_bytes_ > 0;
    line_bytes_ = 0;
    return true;
  }
  if (byte == '\r') return true;
  const auto code = static_cast<unsigned char>(byte);
  if ((code < 0x20 && byte != '\t') || code == 0x7f) {
    return refuse(400, "there is a control character in the request's head"), false;
  }
  if (begins_line && line_seen_ && (byte == ' ' || byte == '\t')) {
    return refuse(400, "a header field is folded over several lines"), false;
  }
  ++line_bytes_;
  return true;
}

std::size_t HttpParser::take_head(std::span<const char> bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && !head_ended_) {
    if (request_.head_.size() + taken == kMaxHttpHeadBytes) {
      refuse(line_seen_ ? 431 : 414,
             fmt::format("the request line and the header fields are longer than {} bytes",
                         kMaxHttpHeadBytes));
      return taken;
    }
    if (!scan(bytes[taken])) return taken;
    ++taken;
  }
  request_.head_.insert(request_.head_.end(), bytes.begin(), bytes.begin() + std::ptrdiff_t(taken));
  if (head_ended_) parse_head();
  return taken;
}

void HttpParser::parse_head() {
  llhttp_init(llhttp_.get(), HTTP_REQUEST, &Callbacks::settings());
  llhttp_->head_parsed = llhttp_->too_large = false;
  llhttp_->field = llhttp_->value = {};
  const llhttp_errno_t error =
      llhttp_execute(llhttp_.get(), request_.head_.data(), request_.head_.size());
  if (error == HPE_PAUSED_H2_UPGRADE) return refuse(505, "HTTP/2 is not spoken here");
  if (error != HPE_OK && error != HPE_PAUSED) {
    return refuse(400, fmt::format("the request is not HTTP/1.1: {}",
                                   llhttp_get_error_reason(llhttp_.get())));
  }
  if (!check_head()) return;
  state_ = error == HPE_PAUSED ? State::kDone : State::kBody;
}

// The only field of this name; refuses when there are several.
std::optional<std::string_view> HttpParser::only(std::string_view name) {
  std::optional<std::string_view> found;
  for (const HttpRequest::Header& header : request_.headers_) {
    if (!equals_ignoring_case(header.name, name)) continue;
    if (found) refuse(400, fmt::format("the header field '{}' stands there twice", name));
    found = header.value;
  }
  return found;
}

bool HttpParser::check_head() {
  const bool is_one_one = llhttp_->http_major == 1 && llhttp_->http_minor == 1;
  if (!is_one_one && !(llhttp_->http_major == 1 && llhttp_->http_minor == 0)) {
    return refuse(505, "only HTTP/1.1 and 1.0 are spoken here"), false;
  }
  if (request_.headers_.size() > kMaxHttpHeaders) {
    return refuse(431, fmt::format("there are more than {} header fields", kMaxHttpHeaders)), false;
  }
  request_.method = method_of(llhttp_->method);
  request_.takes_chunks = is_one_one;
  const auto host = only("host");
  if (!host && is_one_one) refuse(400, "a request of HTTP/1.1 needs the header field 'host'");
  only("authorization");
  const auto expect = only("expect");
  if (expect && !equals_ignoring_case(*expect, "100-continue")) {
    refuse(417, "the only expectation that can be met is 100-continue");
  }
  request_.expects_continue = expect && is_one_one;
  return state_ != State::kRefused && check_framing() && split_target(target_);
}

bool HttpParser::check_framing() {
  const auto length = only("content-length");
  const auto coding = only("transfer-encoding");
  if (state_ == State::kRefused) return false;
  if (llhttp_->method == HTTP_CONNECT) {
    return refuse(405, "this is no proxy"), false;
  }
  if (length && coding) {
    return refuse(400, "a body has a content-length or a transfer-encoding, not both"), false;
  }
  if (coding && llhttp_->http_minor == 0) {
    return refuse(400, "HTTP/1.0 has no transfer-encoding"), false;
  }
  if (coding && !equals_ignoring_case(*coding, "chunked")) {
    return refuse(501, "the only transfer-encoding that is understood is chunked"), false;
  }
  if (llhttp_->content_length > kMaxHttpBodyBytes) {
    return refuse(413, fmt::format("the body is longer than {} bytes", kMaxHttpBodyBytes)), false;
  }
  if (!coding) request_.body_bytes = llhttp_->content_length;
  return true;
}

// A path, or a whole address as a proxy gets it, of which the host is left to the header field.
bool HttpParser::split_target(std::string_view target) {
  if (target.find('#') != std::string_view::npos) {
    return refuse(400, "a request's target has no fragment"), false;
  }
  const std::size_t question = target.find('?');
  request_.path = target.substr(0, question);
  request_.query = question == std::string_view::npos ? "" : target.substr(question + 1);
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!equals_ignoring_case(request_.path.substr(0, scheme.size()), scheme)) continue;
    const std::size_t path = request_.path.find('/', scheme.size());
    request_.path = path == std::string_view::npos ? "/" : request_.path.substr(path);
  }
  return true;
}

std::size_t HttpParser::take_body(std::span<const char> bytes) {
  const llhttp_errno_t error = llhttp_execute(llhttp_.get(), bytes.data(), bytes.size());
  if (error == HPE_OK) return bytes.size();
  const std::size_t taken = std::size_t(llhttp_get_error_pos(llhttp_.get()) - bytes.data());
  if (error == HPE_PAUSED) {
    state_ = State::kDone;
  } else if (llhttp_->too_large) {
    refuse(413, fmt::format("the body is longer than {} bytes", kMaxHttpBodyBytes));
  } else {
    refuse(400, fmt::format("the body cannot be read: {}", llhttp_get_error_reason(llhttp_.get())));
  }
  return taken;
}

}  // namespace runlog
