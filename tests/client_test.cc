// The client, against servers that do what a real one does seldom.
#include <catch2/catch.hpp>

#include <atomic>
#include <future>

#include "server/protocol/wire_value.h"
#include "tests/server_fixture.h"

using namespace runlog;
using namespace std::chrono_literals;

namespace {

// Welcomes everybody and leaves the rest to `answer`.
class ScriptedServer {
 public:
  struct Session : Protocol {
    Session(Connection& connection, ScriptedServer& its_server)
        : Protocol(connection), server(its_server), number(++its_server.connections) {
      connection.finish_within(std::nullopt);
    }
    void on_bytes(std::string_view bytes) override {
      if (number <= server.drops) return connection_.close();
      reader.add(bytes);
      FrameReader::Frame frame;
      while (!connection_.is_closing() && reader.next(frame).value_or(false)) {
        if (frame.header.kind == std::uint16_t(Kind::kHello)) {
          OutgoingMessage<wire::Welcome> welcome;
          welcome->setMaxInFlight(100);
          connection_.write(welcome.frame(std::uint16_t(Kind::kHello) | kReply, 1));
        } else if (frame.header.kind != std::uint16_t(Kind::kCancel)) {
          server.answer(*this, frame);
        }
      }
    }
    void refuse(const FrameReader::Frame& frame, FailureCode code, std::uint32_t retry_ms = 0) {
      connection_.write(failure_frame({code, "no", retry_ms}, frame.header.request_id));
    }
    void accept(const FrameReader::Frame& frame) {
      OutgoingMessage<wire::Empty> reply;
      connection_.write(reply.frame(frame.header.kind | kReply, frame.header.request_id));
    }
    void close() { connection_.close(); }

    ScriptedServer& server;
    const int number;
    FrameReader reader{kMaxRequestBytes};
  };
  using Answer = std::function<void(Session&, const FrameReader::Frame&)>;

  explicit ScriptedServer(Answer how) : answer(std::move(how)) {
    auto opened = Listener::open(
        loop, Address::parse("tcp://127.0.0.1:0").value(), {},
        [this](Connection& connection) { return std::make_unique<Session>(connection, *this); });
    must(opened);
    listener = std::move(*opened);
  }
  std::unique_ptr<Client> connect(std::chrono::milliseconds patience = 20s) {
    ClientOptions options;
    options.address = listener->address();
    options.patience = patience;
    auto client = Client::connect(options);
    must(client);
    return std::move(*client);
  }

  Loop loop{1};
  std::atomic<int> connections{0}, drops{0};  // so many connections are dropped first
  Answer answer;
  std::unique_ptr<Listener> listener;
};

Expected<Reply> ask(Client& client, Kind kind) {
  OutgoingMessage<wire::Empty> message;
  return client.ask(kind, message);
}

std::future<Expected<Reply>> send(Client& client, Kind kind) {
  auto promise = std::make_shared<std::promise<Expected<Reply>>>();
  OutgoingMessage<wire::Empty> message;
  client.send(kind, message,
              [promise](Expected<Reply> reply) { promise->set_value(std::move(reply)); });
  return promise->get_future();
}

}  // namespace

TEST_CASE("a claim is sent again only when the server was too busy to look at it") {
  std::atomic<int> claims{0};
  FailureCode code = FailureCode::kOverloaded;
  ScriptedServer server([&](auto& session, const FrameReader::Frame& frame) {
    ++claims == 1 ? session.refuse(frame, code) : session.accept(frame);
  });
  SECTION("too busy") {
    must(ask(*server.connect(), Kind::kPausedClaim));
    CHECK(claims == 2);
  }
  SECTION("its commit failed half-way") {
    code = FailureCode::kOutcomeUnknown;
    CHECK(ask(*server.connect(), Kind::kPausedClaim).error().code == ErrorCode::OutcomeUnknown);
    CHECK(claims == 1);
  }
  SECTION("the log was closed") {
    code = FailureCode::kClosed;
    CHECK(ask(*server.connect(), Kind::kPausedClaim).error().code == ErrorCode::Closed);
    CHECK(claims == 1);
  }
}

TEST_CASE("a request that is not answered fails once the patience is over") {
  ScriptedServer server([](auto&, const FrameReader::Frame&) {});
  const auto client = server.connect(50ms);
  CHECK(ask(*client, Kind::kInfo).error().code == ErrorCode::OutcomeUnknown);
}

TEST_CASE("a client that is closed fails what it had put off") {
  ScriptedServer server([](auto& session, const FrameReader::Frame& frame) {
    if (frame.header.kind == std::uint16_t(Kind::kPing)) return session.accept(frame);
    session.refuse(frame, FailureCode::kOverloaded, 60'000);
  });
  auto client = server.connect(10min);
  auto reply = send(*client, Kind::kInfo);
  must(ask(*client, Kind::kPing));  // so the other one is put off
  client.reset();
  REQUIRE(reply.wait_for(0s) == std::future_status::ready);
  CHECK(reply.get().error().code == ErrorCode::Closed);
}

TEST_CASE("what is asked while a client closes fails too, and it closes") {
  ScriptedServer server([](auto&, const FrameReader::Frame&) {});
  auto client = server.connect();
  Client& asked = *client;
  std::promise<ErrorCode> second;
  OutgoingMessage<wire::Empty> message;
  asked.send(Kind::kInfo, message, [&](Expected<Reply>) {
    OutgoingMessage<wire::Empty> again;
    asked.send(Kind::kInfo, again,
               [&](Expected<Reply> reply) { second.set_value(reply.error().code); });
  });
  client.reset();
  CHECK(second.get_future().get() == ErrorCode::Closed);
}

TEST_CASE("requests that were lost with their connection are sent again in their order") {
  constexpr int kRequests = 20;
  std::vector<std::uint16_t> kinds;
  ScriptedServer server([&](auto& session, const FrameReader::Frame& frame) {
    if (session.number > 1) {
      kinds.push_back(frame.header.kind);
      return session.accept(frame);
    }
    if (frame.header.request_id == kRequests + 1) session.close();  // the hello had 1
  });
  std::vector<std::future<Expected<Reply>>> replies;
  std::vector<std::uint16_t> sent;
  const auto client = server.connect();
  for (int i = 0; i < kRequests; ++i) {
    sent.push_back(std::uint16_t(100 + i));
    replies.push_back(send(*client, Kind(sent.back())));
  }
  for (auto& reply : replies) must(reply.get());
  CHECK(kinds == sent);
}

TEST_CASE("a server that drops connections at first is tried again with patience") {
  ScriptedServer server([](auto& session, const FrameReader::Frame& frame) {
    session.accept(frame);
  });
  server.drops = 2;
  must(ask(*server.connect(), Kind::kPing));
  server.drops = 1'000'000;
  ClientOptions options;
  options.address = server.listener->address();
  options.patience = 100ms;
  CHECK(Client::connect(options).error().code == ErrorCode::IoError);
}

TEST_CASE("long requests and long replies at the same time do not wait for each other") {
  ServerFixture fixture;
  const std::string filler(900'000, 'x');
  std::string json = run_json("run_1");
  json.insert(json.size() - 1, R"(,"output":{"filler":")" + filler + "\"}");
  must(fixture.connect()->append({json}));
  auto made = Client::connect(fixture.client_options());
  must(made);
  std::vector<std::promise<bool>> answered(60);
  for (std::size_t i = 0; i < answered.size(); ++i) {
    OutgoingMessage<wire::Get> get;
    RUNLOG_SET_TEXT(*get, RunId, i % 2 == 0 ? std::string_view("run_1") : filler);
    (*made)->send(Kind::kGet, get, [&promise = answered[i]](Expected<Reply> reply) {
      promise.set_value(reply.has_value());
    });
  }
  for (std::size_t i = 0; i < answered.size(); ++i)
    CHECK(answered[i].get_future().get() == (i % 2 == 0));
}
