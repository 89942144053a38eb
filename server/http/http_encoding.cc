#include "server/http/http_encoding.h"

#include <zlib.h>
#include <zstd.h>

#include <optional>
#include <string>

namespace runlog {
namespace {

// A packet or three: below it, nothing is won.
constexpr std::size_t kLeastBytes = 4096;
// Fast ones: the other end is not far.
constexpr int kZstdLevel = 1, kGzipLevel = 1;

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// What stands before the next `separator`; `text` goes on behind it.
std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view piece = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return trim(piece);
}

// "q=0", "q=0.0", "q=0.00" and "q=0.000" refuse a coding.
bool refuses(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::string_view parameter = take_until(parameters, ';');
    if (!parameter.starts_with("q=") && !parameter.starts_with("Q=")) continue;
    return parameter.substr(2).find_first_not_of("0.") == std::string_view::npos;
  }
  return false;
}

std::optional<std::string> zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  const std::size_t bytes =
      ZSTD_compress(out.data(), out.size(), text.data(), text.size(), kZstdLevel);
  if (ZSTD_isError(bytes) != 0) return std::nullopt;
  out.resize(bytes);
  return out;
}

std::optional<std::string> gzip(std::string_view text) {
  constexpr int kGzipHeader = 16, kWindowBits = 15, kMemory = 8;
  z_stream stream{};
  if (deflateInit2(&stream, kGzipLevel, Z_DEFLATED, kWindowBits + kGzipHeader, kMemory,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return std::nullopt;
  }
  std::string out(deflateBound(&stream, uLong(text.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = uInt(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = uInt(out.size());
  const int done = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return done == Z_STREAM_END ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace

bool accepts(std::string_view accept_encoding, std::string_view coding) {
  bool by_star = false;
  while (!accept_encoding.empty()) {
    std::string_view entry = take_until(accept_encoding, ',');
    const std::string_view name = take_until(entry, ';');
    if (name == coding) return !refuses(entry);
    if (name == "*") by_star = !refuses(entry);
  }
  return by_star;
}

void compress(HttpResponse& response, std::string_view accept_encoding) {
  if (response.body.size() < kLeastBytes) return;
  response.headers.emplace_back("Vary", "Accept-Encoding");
  const bool takes_zstd = accepts(accept_encoding, "zstd");
  if (!takes_zstd && !accepts(accept_encoding, "gzip")) return;
  auto smaller = takes_zstd ? zstd(response.body) : gzip(response.body);
  if (!smaller || smaller->size() >= response.body.size()) return;
  response.body = std::move(*smaller);
  response.headers.emplace_back("Content-Encoding", takes_zstd ? "zstd" : "gzip");
}

}  // namespace runlog
