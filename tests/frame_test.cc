#include <catch2/catch.hpp>

#include <cstring>

#include "server/protocol/frame.h"
#include "server/protocol/message.h"
#include "server/protocol/wire_value.h"

using namespace runlog;
using Catch::Matchers::Contains;

namespace {

std::string ping(std::uint64_t id) {
  OutgoingMessage<wire::Empty> message;
  return message.frame(std::uint16_t(Kind::kPing), id, 250);
}

std::string with_word(std::string bytes, std::size_t offset, std::uint32_t value) {
  std::memcpy(bytes.data() + offset, &value, 4);
  return bytes;
}

}  // namespace

TEST_CASE("frames are cut from a stream wherever it is cut") {
  const std::string stream = ping(1) + ping(2) + ping(3);
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    FrameReader reader(kMaxRequestBytes);
    FrameReader::Frame frame;
    std::uint64_t next = 1;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      reader.add(std::string_view(stream).substr(at, piece));
      for (;;) {
        const auto there = reader.next(frame);
        REQUIRE(there);
        if (!*there) break;
        CHECK(frame.header.request_id == next++);
        CHECK(frame.header.deadline_ms == 250);
        CHECK(reinterpret_cast<std::uintptr_t>(frame.body.data()) % 8 == 0);
        CHECK(check_segments(frame.body));
      }
    }
    CHECK(next == 4);
    CHECK(!reader.has_rest());
  }
}

TEST_CASE("a header that is wrong is refused before its body is waited for") {
  const std::string good = ping(1).substr(0, kFrameHeaderBytes);
  const auto refused = [](const std::string& header) {
    FrameReader reader(4096);
    reader.add(header);
    FrameReader::Frame frame;
    const auto there = reader.next(frame);
    return there ? std::string(*there ? "a frame" : "nothing") : there.error().message;
  };
  CHECK(refused(good) == "nothing");
  CHECK_THAT(refused("HTTP" + good.substr(4)), Contains("no frame"));
  CHECK_THAT(refused("RLG\x02" + good.substr(4)), Contains("version 2"));
  CHECK_THAT(refused(with_word(good, 4, 0x10003)), Contains("bits"));
  CHECK_THAT(refused(with_word(good, 16, 4104)), Contains("over the limit of 4096"));
  CHECK_THAT(refused(with_word(good, 16, 0xFFFFFFF8)), Contains("over the limit"));
  CHECK_THAT(refused(with_word(good, 16, 12)), Contains("multiple of 8"));
}

TEST_CASE("a segment table that lies is refused before Cap'n Proto sees it") {
  OutgoingMessage<wire::Get> message;
  RUNLOG_SET_TEXT(*message, RunId, std::string_view("run_1"));
  const std::string frame = message.frame(std::uint16_t(Kind::kGet), 1);
  const auto check = [&](std::size_t offset, std::uint32_t value) {
    const std::string bytes = with_word(frame, kFrameHeaderBytes + offset, value);
    std::vector<std::uint64_t> words((bytes.size() - kFrameHeaderBytes) / 8);
    std::memcpy(words.data(), bytes.data() + kFrameHeaderBytes, words.size() * 8);
    return check_segments(std::as_bytes(std::span(words))).has_value();
  };
  CHECK(check(0, 0));
  CHECK(!check(0, 0xFFFFFFFF));  // wraps to none in Cap'n Proto 0.9.2
  CHECK(!check(0, 0xFFFFFFFE));
  CHECK(!check(0, 1));
  CHECK(!check(0, 64));
  CHECK(!check(4, 0xFFFFFFFF));
  CHECK(!check(4, 0));
  CHECK(!check_segments({}));
}

TEST_CASE("a message of many segments arrives as it was made") {
  OutgoingMessage<wire::Append> message;
  auto runs = message->initRuns(2000);
  for (unsigned i = 0; i < runs.size(); ++i) runs.set(i, data_of(std::string(i % 50, 'x')));
  REQUIRE(message.builder().getSegmentsForOutput().size() > 1);
  const std::string frame = message.frame(std::uint16_t(Kind::kAppend), 1);
  FrameReader reader(kMaxRequestBytes);
  reader.add(frame);
  FrameReader::Frame read;
  REQUIRE(reader.next(read).value());
  REQUIRE(check_segments(read.body));
  ReceivedMessage received(read.body);
  const auto list = received.root<wire::Append>().getRuns();
  REQUIRE(list.size() == 2000);
  CHECK(list[49].size() == 49);
  CHECK(list[1999].size() == 49);
}
