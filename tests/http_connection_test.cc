// The HTTP door on real sockets: order, tokens, limits.
#include <catch2/catch.hpp>

#include <future>

#include <fmt/format.h>

#include "tests/http_fixture.h"

using namespace runlog;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

const std::string kRuns = "/api/v1/automation/lead_routing/runs";

}  // namespace

TEST_CASE("answers to pipelined requests come in the order of the requests") {
  HttpFixture server;
  server.let_anybody_be_acme();
  server.append("acme", "run_1");
  HttpClient client(server);
  std::string requests;
  for (const std::string& path : {kRuns, std::string("/healthz"), kRuns + "/run_1", kRuns + "/none",
                                  std::string("/api/v1/flows"), std::string("/healthz")}) {
    requests += "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  }
  client.send(requests);
  CHECK_THAT(client.read().body, Contains("\"total\":1"));
  CHECK(client.read().body == "ok\n");
  CHECK_THAT(client.read().body, Contains("\"id\":\"run_1\""));
  CHECK(client.read().status() == "404");
  CHECK_THAT(client.read().body, Contains("\"flows\""));
  CHECK(client.read().body == "ok\n");
}

TEST_CASE("a token opens its own tenant alone, and only for its role") {
  HttpFixture server;
  must(server.tenants().create("other"));
  server.append("acme", "secret_run");
  const std::string reader = bearer(server.token("acme", Role::kRead));
  const std::string writer = bearer(server.token("acme", Role::kAppend));
  const std::string other = bearer(server.token("other", Role::kAdmin));
  HttpClient client(server);
  CHECK(client.get(kRuns).status() == "401");
  CHECK_THAT(client.get(kRuns).head, Contains("WWW-Authenticate: Bearer"));
  CHECK(client.get(kRuns, bearer("rl_wrong")).status() == "401");
  CHECK(client.get(kRuns, "Authorization: Basic eA==\r\n").status() == "401");
  CHECK_THAT(client.get(kRuns, reader).body, Contains("secret_run"));
  CHECK_THAT(client.get(kRuns, other).body, Contains("\"total\":0"));
  CHECK(client.get(kRuns + "/secret_run", other).status() == "404");
  CHECK(client.get("/healthz").status() == "200");
  CHECK(client.get("/readyz").status() == "200");

  const std::string run = R"({"runId":"new","flowName":"f","status":"completed",)"
                          R"("startedAt":"2026-10-20T00:00:00.000Z"})";
  const std::string length = fmt::format("Content-Length: {}\r\n", run.size());
  client.ask("/api/v1/runs", writer + length, "POST");
  client.send(run);
  CHECK_THAT(client.read().body, Contains("\"outcome\":\"appended\""));
  client.ask("/api/v1/runs", reader + length, "POST");
  const HttpReply refused = client.read();
  CHECK(refused.status() == "403");
  CHECK_THAT(refused.body, Contains("PERMISSION_DENIED"));
  CHECK(client.is_closed());
}

TEST_CASE("without a token one may come in only where anonymous access was switched on") {
  HttpFixture server;
  HttpClient client(server);
  CHECK(client.get(kRuns).status() == "401");
  server.let_anybody_be_acme();
  CHECK(client.get(kRuns).status() == "200");
  CHECK(client.get(kRuns, bearer("rl_wrong")).status() == "401");
  client.ask("/api/v1/runs", "Content-Length: 2\r\n", "POST");
  CHECK(client.read().status() == "403");
}

TEST_CASE("a body is refused before it comes, and asked for when it may come") {
  HttpFixture server;
  HttpClient stranger(server);
  stranger.ask("/api/v1/runs", "Content-Length: 8000000\r\n", "POST");
  CHECK(stranger.read().status() == "401");
  CHECK(stranger.is_closed());

  server.let_anybody_be_acme(Role::kAppend);
  HttpClient on_get(server);
  on_get.ask(kRuns, "Content-Length: 5\r\n");
  CHECK(on_get.read().status() == "413");

  HttpClient polite(server);
  polite.ask("/api/v1/runs", "Content-Length: 2\r\nExpect: 100-continue\r\n", "POST");
  CHECK(polite.read().head == "HTTP/1.1 100 Continue\r\n\r\n");
  polite.send("[]");
  CHECK(polite.read().status() == "200");
  CHECK(polite.get("/healthz").status() == "200");
}

TEST_CASE("what is no HTTP is answered once and the connection closed") {
  HttpFixture server;
  HttpClient client(server);
  client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nnonsense\r\n\r\nGET /healthz HTTP/1.1\r\n");
  CHECK(client.read().status() == "200");
  const HttpReply refused = client.read();
  CHECK(refused.status() == "400");
  CHECK_THAT(refused.head, Contains("Connection: close"));
  CHECK(client.is_closed());
}

TEST_CASE("a HEAD has the head of a GET, and whoever ends sending gets the answers still") {
  HttpFixture server;
  server.let_anybody_be_acme();
  HttpClient client(server);
  client.ask(kRuns, "", "HEAD");
  const HttpReply head = client.read(false);
  CHECK_THAT(head.head, Contains("Content-Length: "));
  client.ask(kRuns);
  client.ask("/healthz");
  client.socket().end_sending();
  CHECK(client.read().status() == "200");
  CHECK(client.read().body == "ok\n");
  CHECK(client.is_closed());

  HttpClient old(server);
  old.send("GET /healthz HTTP/1.0\r\n\r\n");
  CHECK_THAT(old.socket().receive_all(), Contains("Connection: close"));
}

TEST_CASE("large answers are compressed for those who ask") {
  HttpFixture server;
  server.let_anybody_be_acme();
  for (int i = 0; i < 20; ++i) server.append("acme", "run_" + std::to_string(i));
  HttpClient client(server);
  const HttpReply plain = client.get(kRuns);
  CHECK_THAT(plain.head, !Contains("Content-Encoding"));
  const HttpReply gzip = client.get(kRuns, "Accept-Encoding: deflate, gzip;q=0.5\r\n");
  CHECK_THAT(gzip.head, Contains("Content-Encoding: gzip"));
  CHECK(gzip.body.substr(0, 2) == "\x1f\x8b");
  CHECK(gzip.body.size() < plain.body.size() / 2);
  const HttpReply zstd = client.get(kRuns, "Accept-Encoding: gzip, zstd\r\n");
  CHECK_THAT(zstd.head, Contains("Content-Encoding: zstd"));
  CHECK_THAT(client.get(kRuns, "Accept-Encoding: gzip;q=0, *;q=0\r\n").head,
             !Contains("Content-Encoding"));
}

TEST_CASE("a tenant with too much in flight is told when to come again") {
  HttpFixture server;
  server.let_anybody_be_acme();
  server.set([](HttpDoor& door) { door.limits.tenant_in_flight = 0; });
  HttpClient client(server);
  const HttpReply refused = client.get(kRuns);
  CHECK(refused.status() == "429");
  CHECK_THAT(refused.head, Contains("Retry-After: 1"));
  CHECK(client.get("/healthz").status() == "200");
}

TEST_CASE("what a connection asks for counts against its bytes a second") {
  HttpFixture server;
  server.let_anybody_be_acme();
  server.set([](HttpDoor& door) { door.limits.connection_bytes_per_second = 1; });
  HttpClient client(server);
  CHECK(client.get(kRuns).status() == "200");
  CHECK(client.get(kRuns).status() == "429");
  CHECK(HttpClient(server).get(kRuns).status() == "200");
}

TEST_CASE("without a token no web page gets in") {
  HttpFixture server;
  server.let_anybody_be_acme();
  HttpClient client(server);
  const auto asked_as = [&](const std::string& host, const std::string& fields = "",
                            const std::string& path = kRuns) {
    client.send("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "\r\n");
    return client.read().status();
  };
  for (const char* host : {"localhost", "LocalHost:7480", "127.0.0.1", "10.0.0.1:80", "[::1]:7480"}) {
    INFO(host);
    CHECK(asked_as(host) == "200");
    CHECK(asked_as(host, "Origin: http://" + std::string(host) + "\r\n") == "200");
    CHECK(asked_as(host, "Origin: https://" + std::string(host) + "\r\n") == "200");
    CHECK(asked_as(host, "", "/metrics") == "200");
    for (const char* origin : {"http://evil.example", "null", "http://localhost:1", ""}) {
      CHECK(asked_as(host, "Origin: " + std::string(origin) + "\r\n") == "403");
    }
  }
  const std::string reader = bearer(server.token("acme", Role::kRead));
  for (const char* host : {"evil.example", "evil.example:7480", "127.0.0.1.evil.example",
                           "localhost.evil.example", "127.0.0.1:80x", "[::1", "[::1]x", "localhos"}) {
    INFO(host);
    CHECK(asked_as(host) == "403");
    CHECK(asked_as(host, "Origin: http://" + std::string(host) + "\r\n") == "403");
    CHECK(asked_as(host, "", "/metrics") == "403");
    CHECK(asked_as(host, reader) == "200");
    CHECK(asked_as(host, "", "/healthz") == "200");
  }
}

TEST_CASE("one tenant's bodies take a part of what all may take") {
  HttpFixture server;
  must(server.tenants().create("other"));
  const std::string acme = bearer(server.token("acme", Role::kAppend));
  const std::string other = bearer(server.token("other", Role::kAppend));
  const auto begin = [&](HttpClient& client, const std::string& token) {
    client.ask("/api/v1/runs", token + "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n",
               "POST");
    return client.read().status();
  };
  std::vector<std::unique_ptr<HttpClient>> idle;
  for (int i = 0; i < 8; ++i) {
    idle.push_back(std::make_unique<HttpClient>(server));
    CHECK(begin(*idle.back(), acme) == "100");
  }
  HttpClient refused(server), neighbour(server), late(server);
  CHECK(begin(refused, acme) == "429");
  CHECK(begin(neighbour, other) == "100");
  idle.pop_back();
  server.wait_until([](HttpDoor& door) { return door.body_bytes == 8 * kMaxHttpBodyBytes; });
  CHECK(begin(late, acme) == "100");
}

TEST_CASE("what a request takes is given back when its work is done, not when its client is gone") {
  HttpFixture server;
  server.let_anybody_be_acme(Role::kAppend);
  std::promise<void> go_on;
  const std::shared_future<void> may_go_on = go_on.get_future().share();
  for (int i = 0; i < 2; ++i) server.loop().work([may_go_on] { may_go_on.wait(); });
  server.wait_until([&](HttpDoor&) { return server.loop().waiting_work() == 0; });
  const std::string run = R"({"runId":"a","flowName":"f","status":"completed",)"
                          R"("startedAt":"2026-10-20T00:00:00.000Z"})";
  {
    HttpClient client(server);
    client.ask("/api/v1/runs", fmt::format("Content-Length: {}\r\n", run.size()), "POST");
    client.send(run);
    server.wait_until([&](HttpDoor&) { return server.loop().waiting_work() == 1; });
    client.socket().reset();
  }
  server.wait_until([&](HttpDoor&) { return server.listener().counters().open == 0; });
  server.set([&](HttpDoor& door) {
    CHECK(door.body_bytes == run.size());
    CHECK(door.metrics.in_flight == 1);
  });
  go_on.set_value();
  server.wait_until(
      [](HttpDoor& door) { return door.body_bytes == 0 && door.metrics.in_flight == 0; });
  const auto log = server.tenants().open("acme");
  must(log);
  CHECK((*log)->describe().runs == 0);  // nobody was there to hear of it
}

TEST_CASE("a connection tells what it did when it ends, and what is no request is none of a kind") {
  HttpFixture server;
  server.let_anybody_be_acme();
  std::vector<SessionReport> reports;
  server.set([&](HttpDoor& door) {
    door.on_ended = [&](const SessionReport& report) { reports.push_back(report); };
  });
  {
    HttpClient client(server);
    CHECK(client.get(kRuns).status() == "200");
    CHECK(client.get("/nothing").status() == "404");
  }
  server.wait_until([&](HttpDoor&) { return !reports.empty(); });
  CHECK(reports[0].tenant == "acme");
  CHECK(reports[0].requests == 2);
  CHECK(reports[0].failures == 1);
  CHECK(reports[0].received_bytes > 80);
  CHECK(reports[0].sent_bytes > 80);
  CHECK_THAT(reports[0].peer, StartsWith("127.0.0.1:"));
  server.set([](HttpDoor& door) {
    CHECK(door.metrics.by_kind[unsigned(HttpRoute::Kind::kOther)].requests == 1);
    CHECK(door.metrics.by_kind[unsigned(HttpRoute::Kind::kHealth)].requests == 0);
    door.on_ended = [](const SessionReport&) {};
  });
}

TEST_CASE("metrics are for this machine, and the page needs nothing from elsewhere") {
  HttpFixture server;
  HttpClient client(server);
  CHECK(client.get("/metrics").body == "runlog_up 1\n");
  const HttpReply page = client.get("/");
  CHECK_THAT(page.body, StartsWith("<!doctype html>"));
  CHECK_THAT(page.head, Contains("Content-Security-Policy: default-src 'none'"));
  CHECK(page.body.find("://") == std::string::npos);
}
