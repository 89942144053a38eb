#include "server/ndjson_reader.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

using namespace runlog;

namespace {

struct TempFile {
  std::filesystem::path path;
  explicit TempFile(const std::string& content) {
    std::string name = (std::filesystem::temp_directory_path() / "ndjson_XXXXXX").string();
    ::close(::mkstemp(name.data()));
    path = name;
    std::ofstream(path, std::ios::binary) << content;
  }
  ~TempFile() { std::filesystem::remove(path); }
};

// With a checksum, as the zstd tool writes it.
std::string zstd(const std::string& text) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress2(context, out.data(), out.size(), text.data(), text.size()));
  ZSTD_freeCCtx(context);
  return out;
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  REQUIRE(::deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(::deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = uInt(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = uInt(out.size());
  REQUIRE(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

// What was read: "3:text", "4:(too long)", and at the end perhaps "error: ...".
std::vector<std::string> read_all(const std::string& content, std::size_t limit = 1000) {
  const TempFile file(content);
  auto source = ByteSource::open(file.path.string());
  REQUIRE(source);
  NdjsonReader reader(std::move(*source), limit);
  std::vector<std::string> lines;
  for (;;) {
    auto line = reader.next();
    if (!line) {
      CHECK(line.error().message.find(file.path.string()) != std::string::npos);
      lines.push_back("error");
      return lines;
    }
    if (!*line) return lines;
    lines.push_back(fmt::format("{}:{}", (*line)->number,
                                (*line)->too_long ? "(too long)" : (*line)->text));
  }
}

using Lines = std::vector<std::string>;

std::string many_lines() {
  std::string text;
  for (int i = 1; i <= 20'000; ++i) text += fmt::format("{{\"run\":{},\"text\":\"客户\"}}\n", i);
  return text;
}

}  // namespace

TEST_CASE("lines keep their numbers across blank ones, and the last needs no newline") {
  CHECK(read_all("a\n\n  \t\nb\r\nc") == Lines{"1:a", "4:b", "5:c"});
  CHECK(read_all("").empty());
  CHECK(read_all("\n\n").empty());
  CHECK(read_all("\xEF\xBB\xBF{}\n") == Lines{"1:{}"});
}

TEST_CASE("a line over the limit is named and skipped, and reading goes on") {
  const std::string fits(10, 'f'), too_long(11, 'l'), far_too_long(5'000'000, 'f');
  CHECK(read_all(fits + "\n" + too_long + "\nx\n" + far_too_long + "\n" + fits + "\r\ny", 10) ==
        Lines{"1:" + fits, "2:(too long)", "3:x", "4:(too long)", "5:" + fits, "6:y"});
  CHECK(read_all("x\n" + far_too_long, 10) == Lines{"1:x", "2:(too long)"});
  CHECK(read_all(too_long, 10) == Lines{"1:(too long)"});
}

TEST_CASE("a line may be as long as the limit, whatever the buffer's size") {
  const std::string line(3'000'000, 'a');
  const auto lines = read_all("x\n" + line + "\ny\n", line.size());
  REQUIRE(lines.size() == 3);
  CHECK(lines[1].size() == line.size() + 2);
  CHECK(lines[2] == "3:y");
}

TEST_CASE("zstd and gzip are recognised by their first bytes, also several streams in a row") {
  const std::string text = many_lines();
  const Lines plain = read_all(text);
  REQUIRE(plain.size() == 20'000);
  CHECK(read_all(zstd(text)) == plain);
  CHECK(read_all(gzip(text)) == plain);
  CHECK(read_all(zstd("a\nb") + zstd("c\n")) == Lines{"1:a", "2:bc"});
  CHECK(read_all(gzip("a\nb") + gzip("c\n")) == Lines{"1:a", "2:bc"});
  CHECK(read_all(zstd("")).empty());
}

TEST_CASE("zeros behind a gzip stream are padding, other bytes are damage") {
  const std::string zeros(200'000, '\0');
  CHECK(read_all(gzip("a\nb") + zeros) == Lines{"1:a", "2:b"});
  CHECK(read_all(gzip("a\nb") + zeros + gzip("c\n")) == Lines{"1:a", "2:bc"});
  CHECK(read_all(gzip("a\nb") + zeros + "x").back() == "error");
}

TEST_CASE("a compressed stream that ends too early is an error after the lines before it") {
  for (const std::string& whole : {zstd(many_lines()), gzip(many_lines())}) {
    const auto lines = read_all(whole.substr(0, whole.size() - 5));
    REQUIRE(lines.size() > 10'000);
    CHECK(lines.back() == "error");
    CHECK(read_all(whole.substr(0, 7)).back() == "error");
  }
}

TEST_CASE("a damaged compressed stream is an error") {
  for (std::string damaged : {zstd(many_lines()), gzip(many_lines())}) {
    damaged[damaged.size() / 2] = char(damaged[damaged.size() / 2] ^ 0x55);
    damaged[damaged.size() / 2 + 1] = char(damaged[damaged.size() / 2 + 1] ^ 0x55);
    CHECK(read_all(damaged).back() == "error");
  }
  CHECK(read_all(gzip("a\n") + "trailing garbage").back() == "error");
}

TEST_CASE("a file that is not there is not found, and a folder cannot be read") {
  auto missing = ByteSource::open("/nowhere/at/all.ndjson");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::NotFound);
  CHECK(missing.error().message.find("/nowhere/at/all.ndjson") == 0);
  auto folder = ByteSource::open(std::filesystem::temp_directory_path().string());
  REQUIRE_FALSE(folder);
  CHECK(folder.error().code == ErrorCode::IoError);
}
