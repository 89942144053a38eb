// The worked examples of server/PROTOCOL.md are what the server really speaks.
#include <catch2/catch.hpp>

#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "server/protocol/wire_value.h"
#include "tests/server_fixture.h"
#include "tests/test_socket.h"

using namespace runlog;

namespace {

struct Example {
  std::string name, sent, received;
};

std::string bytes_of_hex(const std::string& line) {
  std::string bytes;
  std::istringstream in(line);
  for (std::string two; in >> two;) bytes += char(std::stoi(two, nullptr, 16));
  return bytes;
}

// 16 bytes a line.
std::string hex_of(std::string_view bytes, char mark) {
  std::string hex;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i % 16 == 0) hex += fmt::format("{}{}", i == 0 ? "" : "\n", mark);
    hex += fmt::format("{} {:02x}", i % 8 == 0 && i % 16 != 0 ? " " : "",
                       static_cast<unsigned char>(bytes[i]));
  }
  return hex + "\n";
}

// The blocks that begin with ```hex and a name.
std::vector<Example> read_examples() {
  std::ifstream in(RUNLOG_TEST_DATA_DIR "/../../server/PROTOCOL.md");
  std::vector<Example> examples;
  bool is_within = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("```hex ")) {
      examples.push_back({line.substr(7), {}, {}});
      is_within = true;
    } else if (line.starts_with("```")) {
      is_within = false;
    } else if (is_within && line.starts_with(">")) {
      examples.back().sent += bytes_of_hex(line.substr(1));
    } else if (is_within && line.starts_with("<")) {
      examples.back().received += bytes_of_hex(line.substr(1));
    }
  }
  return examples;
}

// What the text says that the client sends.
std::string request(const std::string& name) {
  if (name == "hello") {
    OutgoingMessage<wire::Hello> message;
    message->setLowestVersion(1);
    message->setHighestVersion(1);
    RUNLOG_SET_TEXT(*message, Tenant, std::string_view("acme"));
    RUNLOG_SET_TEXT(*message, Token, std::string_view("rl_example"));
    return message.frame(1, 1);
  }
  if (name == "append") {
    OutgoingMessage<wire::Append> message;
    message->initRuns(1).set(0, data_of(R"({"runId":"run_1","flowName":"f","status":"failed",)"
                                        R"("startedAt":"2025-01-01T00:00:00.000Z"})"));
    return message.frame(10, 2);
  }
  if (name == "get") {
    OutgoingMessage<wire::Get> message;
    RUNLOG_SET_TEXT(*message, RunId, std::string_view("run_1"));
    return message.frame(20, 3);
  }
  if (name == "count") {
    OutgoingMessage<wire::Count> message;
    message->initFilter().initStatuses(1).set(0, 1);
    return message.frame(22, 4, 250);
  }
  if (name == "missing") {
    OutgoingMessage<wire::Get> message;
    RUNLOG_SET_TEXT(*message, RunId, std::string_view("run_2"));
    return message.frame(20, 5);
  }
  if (name == "broken") return "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  return "no such example";
}

}  // namespace

TEST_CASE("the worked examples in PROTOCOL.md are what client and server say") {
  const auto examples = read_examples();
  REQUIRE(examples.size() == 6);
  ServerFixture fixture;
  TestSocket socket(fixture.address());
  for (const Example& example : examples) {
    INFO(example.name);
    CHECK(hex_of(example.sent, '>') == hex_of(request(example.name), '>'));
    REQUIRE(socket.send(request(example.name)));
    const std::string header = socket.receive(kFrameHeaderBytes);
    const auto read = read_frame_header(header, kMaxReplyBytes);
    REQUIRE(read);
    CHECK(hex_of(example.received, '<') == hex_of(header + socket.receive(read->body_bytes), '<'));
  }
  CHECK(socket.receive_all().empty());
}
