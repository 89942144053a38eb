// One request of HTTP/1.0 or 1.1, and the parser that takes it out of a connection's bytes. What
// another server might read in another way is refused, since that is how requests are smuggled past
// a proxy: both lengths of a body at once, codings other than chunked, bare CR or LF, folded lines,
// fields twice that may stand once, trailers and chunk extensions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace runlog {

inline constexpr std::size_t kMaxHttpHeadBytes = 16u << 10;  // request line and header fields
inline constexpr std::size_t kMaxHttpHeaders = 100;
inline constexpr std::size_t kMaxHttpBodyBytes = 8u << 20;

enum class HttpMethod : std::uint8_t { kGet, kHead, kPost, kOther };

// The text that views point into moves along with the request.
class HttpRequest {
 public:
  HttpMethod method = HttpMethod::kGet;
  std::string_view path;   // percent-encoded, from the first '/'
  std::string_view query;  // percent-encoded, behind the '?'; empty without one
  bool keep_alive = true;
  bool takes_chunks = true;       // HTTP/1.1
  std::optional<std::size_t> body_bytes;  // as the head says; nullopt: chunked
  bool expects_continue = false;  // "Expect: 100-continue": the client waits before it sends a body
  std::string body;

  // The value of a header field, blanks around it cut off. `name` in lower case.
  std::optional<std::string_view> header(std::string_view name) const;

 private:
  friend class HttpParser;
  struct Header {
    std::string_view name, value;
  };
  std::vector<char> head_;
  std::vector<Header> headers_;
};

// Why a request is refused. The connection must be closed after the answer: where the next request
// begins is not known.
struct HttpRefusal {
  int status = 400;
  std::string message;  // a whole sentence without its full stop
};

// Takes requests one after another. Not thread-safe; not copied or moved.
class HttpParser {
 public:
  // kHead: the head is not whole. kBody: it is, and the body is not. kDone: the request is whole.
  enum class State : std::uint8_t { kHead, kBody, kDone, kRefused };

  HttpParser();
  ~HttpParser();
  HttpParser(const HttpParser&) = delete;
  HttpParser& operator=(const HttpParser&) = delete;

  // Takes bytes until the state changes or there are none left; returns how many it took. Stops
  // behind the head, so that the caller can refuse before a body comes.
  std::size_t take(std::span<const char> bytes);
  State state() const { return state_; }
  // Whether the first byte of a request was taken.
  bool has_begun() const { return state_ != State::kHead || !request_.head_.empty(); }

  // kBody: without its body. kDone: whole.
  const HttpRequest& request() const { return request_; }
  // kRefused only.
  const HttpRefusal& refusal() const { return refusal_; }
  // Gives the whole request away and waits for the next one. kDone only.
  HttpRequest release();

 private:
  struct Callbacks;
  struct Llhttp;
  void refuse(int status, std::string message);
  std::size_t take_head(std::span<const char> bytes);
  bool scan(char byte);
  void parse_head();
  bool check_head();
  bool check_framing();
  bool split_target(std::string_view target);
  std::size_t take_body(std::span<const char> bytes);
  std::optional<std::string_view> only(std::string_view name);

  std::unique_ptr<Llhttp> llhttp_;
  State state_ = State::kHead;
  HttpRequest request_;
  HttpRefusal refusal_;
  std::string_view target_;

  // Of the head's scan.
  char previous_ = 0;
  std::size_t line_bytes_ = 0;  // of the line so far, without its end
  bool line_seen_ = false;      // the request line is whole
  bool head_ended_ = false;
};

}  // namespace runlog
