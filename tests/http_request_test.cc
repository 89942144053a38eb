// The HTTP parser: what it takes in any pieces, and what it refuses.
#include <catch2/catch.hpp>

#include "server/http/http_request.h"

using namespace runlog;

namespace {

// Feeds a text in pieces of so many bytes until a request is whole or refused.
std::size_t feed(HttpParser& parser, std::string_view text, std::size_t piece_bytes = 1 << 20) {
  std::size_t at = 0;
  while (at < text.size() && parser.state() != HttpParser::State::kDone &&
         parser.state() != HttpParser::State::kRefused) {
    const std::string_view piece = text.substr(at, piece_bytes);
    at += parser.take(std::span(piece.data(), piece.size()));
  }
  return at;
}

int refusal_of(const std::string& text) {
  int status = 0;
  for (const std::size_t piece : {std::size_t(1) << 20, std::size_t(1)}) {
    HttpParser parser;
    feed(parser, text, piece);
    INFO(text);
    REQUIRE(parser.state() == HttpParser::State::kRefused);
    CHECK_FALSE(parser.refusal().message.empty());
    if (status != 0) CHECK(parser.refusal().status == status);
    status = parser.refusal().status;
  }
  return status;
}

std::string get(const std::string& fields) {
  return "GET / HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n";
}

}  // namespace

TEST_CASE("a request is the same in whatever pieces it comes") {
  const std::string text =
      "\r\nPOST /api/v1/runs?a=1&b=%20 HTTP/1.1\r\nHost: example\r\nAuthorization:  Bearer x \r\n"
      "Content-Length: 5\r\nEmpty:\r\n\r\nhello";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    HttpParser parser;
    CHECK_FALSE(parser.has_begun());
    CHECK(feed(parser, text, piece) == text.size());
    REQUIRE(parser.state() == HttpParser::State::kDone);
    const HttpRequest request = parser.release();
    CHECK(request.method == HttpMethod::kPost);
    CHECK(request.path == "/api/v1/runs");
    CHECK(request.query == "a=1&b=%20");
    CHECK(request.header("authorization") == "Bearer x");
    CHECK(request.header("empty") == "");
    CHECK_FALSE(request.header("missing").has_value());
    CHECK(request.body == "hello");
    CHECK(request.keep_alive);
    CHECK_FALSE(parser.has_begun());
  }
}

TEST_CASE("pipelined requests come out one after another") {
  const std::string text = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
                           "POST /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
                           "HEAD /3 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  for (const std::size_t piece : {std::size_t(1), std::size_t(7), text.size()}) {
    HttpParser parser;
    std::string_view left = text;
    std::vector<HttpRequest> requests;
    while (!left.empty()) {
      left.remove_prefix(feed(parser, left, piece));
      REQUIRE(parser.state() == HttpParser::State::kDone);
      requests.push_back(parser.release());
    }
    REQUIRE(requests.size() == 3);
    CHECK(requests[0].path == "/1");
    CHECK(requests[1].body == "abcde");
    CHECK(requests[1].keep_alive);
    CHECK(requests[2].method == HttpMethod::kHead);
    CHECK_FALSE(requests[2].keep_alive);
  }
}

TEST_CASE("the parser stops behind a head whose body is still to come") {
  const std::string text = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                           "Content-Length: 2\r\n\r\nab";
  HttpParser parser;
  const std::size_t head = parser.take(std::span(text.data(), text.size()));
  CHECK(text.size() - head == 2);
  CHECK(parser.state() == HttpParser::State::kBody);
  CHECK(parser.request().expects_continue);
  CHECK(feed(parser, text.substr(head)) == 2);
  CHECK(parser.state() == HttpParser::State::kDone);
}

TEST_CASE("HTTP/1.0 closes unless it asks otherwise, and a proxy's target is a path") {
  HttpParser old;
  feed(old, "GET / HTTP/1.0\r\n\r\n");
  REQUIRE(old.state() == HttpParser::State::kDone);
  CHECK_FALSE(old.request().keep_alive);

  HttpParser kept;
  feed(kept, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  CHECK(kept.request().keep_alive);

  HttpParser absolute;
  feed(absolute, "GET http://h:1/a/b?c HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(absolute.request().path == "/a/b");
  CHECK(absolute.request().query == "c");
  HttpParser bare;
  feed(bare, "GET http://h?c HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(bare.request().path == "/");
  CHECK(bare.request().query == "c");
}

TEST_CASE("what two servers could read in two ways is refused") {
  const std::string post = "POST / HTTP/1.1\r\nHost: h\r\n";
  const std::string both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
  CHECK(refusal_of(post + both + "\r\n0\r\n\r\n") == 400);
  CHECK(refusal_of(post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n") == 400);
  CHECK(refusal_of(post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello") == 400);
  CHECK(refusal_of(post + "Content-Length: 5, 5\r\n\r\nhello") == 400);
  CHECK(refusal_of(post + "Content-Length: +5\r\n\r\nhello") == 400);
  CHECK(refusal_of(post + "Content-Length : 5\r\n\r\nhello") == 400);
  CHECK(refusal_of(post + "Content-Length: -1\r\n\r\n") == 400);
  CHECK(refusal_of(post + "Content-Length: 99999999999999999999\r\n\r\n") == 400);
  CHECK(refusal_of(post + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n") == 400);
  CHECK(refusal_of(post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n") >= 400);
  CHECK(refusal_of(post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n") == 501);
  CHECK(refusal_of(post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n") == 400);
  CHECK(refusal_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") == 400);
  CHECK(refusal_of("GET / HTTP/1.1\nHost: h\n\n") == 400);
  CHECK(refusal_of(get("A: b\n")) == 400);
  CHECK(refusal_of(get("A: b\rContent-Length: 5\r\n")) == 400);
  CHECK(refusal_of(get("A: b\r\n c\r\n")) == 400);
  CHECK(refusal_of(get(std::string("A: b\0c\r\n", 8))) == 400);
  CHECK(refusal_of(get("A b: c\r\n")) == 400);
  CHECK(refusal_of(get("Host: other\r\n")) == 400);
  CHECK(refusal_of("GET / HTTP/1.1\r\n\r\n") == 400);
  CHECK(refusal_of(get("Authorization: a\r\nAuthorization: b\r\n")) == 400);
  CHECK(refusal_of("GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n") == 400);
  CHECK(refusal_of("GET / HTTP/2.0\r\nHost: h\r\n\r\n") >= 400);
  CHECK(refusal_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") >= 400);
  CHECK(refusal_of("CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n") == 405);
  CHECK(refusal_of(get("Expect: the unexpected\r\n")) == 417);
}

TEST_CASE("chunked bodies are read strictly") {
  const std::string post = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  CHECK(refusal_of(post + "5;ext=1\r\nhello\r\n0\r\n\r\n") == 400);
  CHECK(refusal_of(post + "0\r\nTrailer: x\r\n\r\n") == 400);
  CHECK(refusal_of(post + "5\nhello\r\n0\r\n\r\n") == 400);
  CHECK(refusal_of(post + "5\r\nhello!\r\n0\r\n\r\n") == 400);
  CHECK(refusal_of(post + "0x5\r\nhello\r\n0\r\n\r\n") == 400);
  CHECK(refusal_of(post + "-5\r\nhello\r\n0\r\n\r\n") == 400);
  CHECK(refusal_of(post + "FFFFFFFFFFFFFFFF\r\n") == 413);
  CHECK(refusal_of(post + "FFFFFFFFFFFFFFFFF\r\n") == 400);
  CHECK(refusal_of(post + "1\r\na\r\n800000\r\n") == 413);
}

TEST_CASE("heads and bodies over their limits are refused before they are kept") {
  const std::string filler(kMaxHttpHeadBytes, 'a');
  CHECK(refusal_of("GET /" + filler + " HTTP/1.1\r\n") == 414);
  CHECK(refusal_of(get("A: " + filler + "\r\n")) == 431);
  std::string many;
  for (std::size_t i = 0; i < kMaxHttpHeaders; ++i) many += "A: b\r\n";
  CHECK(refusal_of(get(many)) == 431);
  CHECK(refusal_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8388609\r\n\r\n") == 413);
  HttpParser fits;
  const std::string text = "GET / HTTP/1.1\r\nHost: h\r\nA: ";
  feed(fits, text + filler.substr(text.size() + 4) + "\r\n\r\n");
  CHECK(fits.state() == HttpParser::State::kDone);
}
