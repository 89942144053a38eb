// Server-sent events on real sockets.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "tests/damaged_log.h"
#include "tests/http_fixture.h"

using namespace runlog;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

// The events of a stream, out of its chunks.
class Events {
 public:
  Events(const HttpFixture& server, const std::string& fields) : client_(server) {
    client_.ask("/api/v1/runs/stream", fields);
    head_ = client_.read(false).head;
  }
  const std::string& head() const { return head_; }
  // "1 run_1", or empty at the end.
  std::string next() {
    while (text_.find("\n\n") == std::string::npos) {
      const std::string size = client_.socket().receive_until("\r\n");
      const std::size_t bytes = size.empty() ? 0 : std::stoul(size, nullptr, 16);
      if (bytes == 0) return "";
      text_ += client_.socket().receive(bytes);
      client_.socket().receive(2);
    }
    const std::string event = text_.substr(0, text_.find("\n\n"));
    text_.erase(0, event.size() + 2);
    const std::size_t run = event.find("\"runId\":\"");
    return event.substr(4, event.find('\n') - 4) + " " +
           event.substr(run + 9, event.find('"', run + 9) - run - 9);
  }

 private:
  HttpClient client_;
  std::string head_, text_;
};

}  // namespace

TEST_CASE("a stream sends runs as they commit, and goes on where it was left") {
  HttpFixture server;
  const std::string token = bearer(server.token("acme", Role::kRead));
  server.append("acme", "run_1");
  server.append("acme", "run_2");
  Events fresh(server, token);
  CHECK_THAT(fresh.head(), Contains("text/event-stream"));
  server.append("acme", "run_3");
  CHECK(fresh.next() == "3 run_3");
  server.append("acme", "run_4");
  CHECK(fresh.next() == "4 run_4");

  Events resumed(server, token + "Last-Event-ID: 1\r\n");
  CHECK(resumed.next() == "2 run_2");
  CHECK(resumed.next() == "3 run_3");
  CHECK(resumed.next() == "4 run_4");
  server.append("acme", "run_2");
  server.append("acme", "run_5");
  CHECK(resumed.next() == "5 run_5");
  CHECK(fresh.next() == "5 run_5");

  server.revoke_last();
  CHECK(fresh.next() == "");
  CHECK(resumed.next() == "");
  CHECK(HttpClient(server).get("/api/v1/runs/stream", "Last-Event-ID: x\r\n" + token).status() == "401");
}

TEST_CASE("a stream begins where its address says, and a wrong place is refused") {
  HttpFixture server;
  server.let_anybody_be_acme();
  server.append("acme", "run_1");
  HttpClient client(server);
  for (const char* id : {"x", "5&x", "-1", "5%31", "99999999999999999999"}) {
    INFO(id);
    CHECK(client.get("/api/v1/runs/stream", fmt::format("Last-Event-ID: {}\r\n", id)).status() ==
          "400");
  }
  CHECK(client.get("/api/v1/runs/stream?after=-1").status() == "400");
  client.ask("/api/v1/runs/stream?after=0");
  CHECK(client.read(false).status() == "200");
  CHECK_THAT(client.socket().receive_until("\n\n"), Contains("id: 1\nevent: run\ndata: {"));
}

TEST_CASE("a server that stops finishes what it answers and ends its streams") {
  HttpFixture server;
  server.let_anybody_be_acme();
  server.append("acme", "run_1");
  Events events(server, "");
  HttpClient client(server);
  CHECK(client.get("/healthz").status() == "200");
  server.listener().drain(5s);
  CHECK(events.next() == "");
  CHECK(client.is_closed());
}

TEST_CASE("a stream gives the runs in front of a damaged one, and says why it ends") {
  HttpFixture server;
  server.let_anybody_be_acme();
  std::vector<std::string> failures;
  server.set([&](HttpDoor& door) {
    door.on_failed = [&](const Connection&, const Error& error) {
      failures.push_back(error.message);
    };
  });
  const auto log = server.tenants().open("acme");
  must(log);
  for (const char* message : {"first", "it broke here", "last"}) {
    must((*log)->append(SampleRun(message).failed(message).run()));
  }
  damage_text_below(server.tenants().data() / "acme", "it broke here");
  HttpClient client(server);
  client.ask("/api/v1/runs/stream?after=0");
  CHECK(client.read(false).status() == "200");
  const std::string events = client.socket().receive_all();
  CHECK_THAT(events, Contains("id: 1\nevent: run\n") && !Contains("id: 3\n"));
  CHECK_THAT(events, Contains("event: error\ndata: {\"success\":false,") && Contains("checksum"));
  REQUIRE(server.loop().call([&] { return failures.size(); }) == 1);
  CHECK_THAT(failures[0], Contains("checksum"));
}

TEST_CASE("a log that is only streamed becomes idle, and what is appended later still comes") {
  HttpFixture server(20ms);
  server.let_anybody_be_acme();
  server.append("acme", "run_1");
  Events events(server, "Last-Event-ID: 0\r\n");
  CHECK(events.next() == "1 run_1");
  const auto patience = std::chrono::steady_clock::now() + 10s;
  while (server.tenants().glance("acme") && std::chrono::steady_clock::now() < patience)
    CHECK(server.tenants().tend().empty());
  CHECK(server.tenants().glance("acme") == nullptr);
  server.append("acme", "run_2");
  CHECK(events.next() == "2 run_2");
}

TEST_CASE("what a stream sends counts against its tenant's bytes a second") {
  HttpFixture server;
  server.let_anybody_be_acme();
  server.append("acme", "run_1");
  Events events(server, "Last-Event-ID: 0\r\n");
  CHECK(events.next() == "1 run_1");
  server.set([](HttpDoor& door) {
    // More than the head of the answer has.
    CHECK(door.loads.of("acme")->bytes.wait_ms(1000, 0) > 400);
  });
}
