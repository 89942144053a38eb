// The HTTP door on real sockets: order, tokens, limits, streams.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "server/http/http_connection.h"
#include "server/transport/listener.h"
#include "tests/log_fixture.h"
#include "tests/test_socket.h"

using namespace runlog;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

TenantsOptions options_that_keep_all() {
  TenantsOptions options;
  options.log = keep_all();
  return options;
}

class Server {
 public:
  Server() : tenants_(folder_.path(), options_that_keep_all()) {
    auto tokens = Tokens::load(folder_.path());
    must(tokens);
    tokens_ = std::move(*tokens);
    door_.reset(new HttpDoor{tenants_, *tokens_, loads_});
    door_->metrics_text = [] { return std::string("runlog_up 1\n"); };
    must(tenants_.create("acme"));
    auto listener = Listener::open(loop_, Address::parse("tcp://127.0.0.1:0").value(), {},
                                   [this](Connection& connection) {
                                     return std::make_unique<HttpConnection>(connection, *door_);
                                   });
    must(listener);
    listener_ = std::move(*listener);
  }
  ~Server() {
    listener_.reset();
    loop_.stop();
  }

  std::string token(const std::string& tenant, Role role) {
    auto made = tokens_->create(tenant, role, std::nullopt, 0);
    must(made);
    ids_.push_back(made->token.id);
    return made->secret;
  }
  void revoke_last() { must(tokens_->revoke(ids_.back())); }
  void append(const std::string& tenant, const std::string& id) {
    auto log = tenants_.open(tenant);
    must(log);
    must((*log)->append(SampleRun(id).run()));
  }
  // Changes what the door allows, on the loop.
  void set(const std::function<void(HttpDoor&)>& change) {
    loop_.call([&] { change(*door_); });
  }
  void let_anybody_be_acme(Role role = Role::kRead) {
    set([&](HttpDoor& door) { door.anonymous = Grant{"acme", role, ""}; });
  }
  Tenants& tenants() { return tenants_; }
  Listener& listener() { return *listener_; }
  const Address& address() const { return listener_->address(); }

 private:
  TempDir folder_;
  Tenants tenants_;
  std::unique_ptr<Tokens> tokens_;
  std::vector<std::string> ids_;
  TenantLoads loads_;
  std::unique_ptr<HttpDoor> door_;
  Loop loop_{2};
  std::unique_ptr<Listener> listener_;
};

struct Reply {
  std::string head, body;
  std::string status() const { return head.substr(9, 3); }
};

class Client {
 public:
  explicit Client(const Server& server) : socket_(server.address()) {}
  void send(const std::string& text) { REQUIRE(socket_.send(text)); }
  void ask(const std::string& target, const std::string& fields = "",
           const std::string& method = "GET") {
    send(method + " " + target + " HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n");
  }
  Reply read(bool has_body = true) {
    Reply reply;
    reply.head = socket_.receive_until("\r\n\r\n");
    const std::size_t length = reply.head.find("Content-Length: ");
    if (has_body && length != std::string::npos) {
      reply.body = socket_.receive(std::stoul(reply.head.substr(length + 16)));
    }
    return reply;
  }
  Reply get(const std::string& target, const std::string& fields = "") {
    ask(target, fields);
    return read();
  }
  TestSocket& socket() { return socket_; }
  bool is_closed() { return socket_.receive(1).empty(); }

 private:
  TestSocket socket_;
};

std::string bearer(const std::string& token) { return "Authorization: Bearer " + token + "\r\n"; }

const std::string kRuns = "/api/v1/automation/lead_routing/runs";

}  // namespace

TEST_CASE("answers to pipelined requests come in the order of the requests") {
  Server server;
  server.let_anybody_be_acme();
  server.append("acme", "run_1");
  Client client(server);
  std::string requests;
  for (const std::string& path : {kRuns, std::string("/healthz"), kRuns + "/run_1", kRuns + "/none",
                                  std::string("/api/v1/flows"), std::string("/healthz")}) {
    requests += "GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n";
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
  Server server;
  must(server.tenants().create("other"));
  server.append("acme", "secret_run");
  const std::string reader = bearer(server.token("acme", Role::kRead));
  const std::string writer = bearer(server.token("acme", Role::kAppend));
  const std::string other = bearer(server.token("other", Role::kAdmin));
  Client client(server);
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
  const Reply refused = client.read();
  CHECK(refused.status() == "403");
  CHECK_THAT(refused.body, Contains("PERMISSION_DENIED"));
  CHECK(client.is_closed());
}

TEST_CASE("without a token one may come in only where anonymous access was switched on") {
  Server server;
  Client client(server);
  CHECK(client.get(kRuns).status() == "401");
  server.let_anybody_be_acme();
  CHECK(client.get(kRuns).status() == "200");
  CHECK(client.get(kRuns, bearer("rl_wrong")).status() == "401");
  client.ask("/api/v1/runs", "Content-Length: 2\r\n", "POST");
  CHECK(client.read().status() == "403");
}

TEST_CASE("a body is refused before it comes, and asked for when it may come") {
  Server server;
  Client stranger(server);
  stranger.ask("/api/v1/runs", "Content-Length: 8000000\r\n", "POST");
  CHECK(stranger.read().status() == "401");
  CHECK(stranger.is_closed());

  server.let_anybody_be_acme(Role::kAppend);
  Client on_get(server);
  on_get.ask(kRuns, "Content-Length: 5\r\n");
  CHECK(on_get.read().status() == "413");

  Client polite(server);
  polite.ask("/api/v1/runs", "Content-Length: 2\r\nExpect: 100-continue\r\n", "POST");
  CHECK(polite.read().head == "HTTP/1.1 100 Continue\r\n\r\n");
  polite.send("[]");
  CHECK(polite.read().status() == "200");
  CHECK(polite.get("/healthz").status() == "200");
}

TEST_CASE("what is no HTTP is answered once and the connection closed") {
  Server server;
  Client client(server);
  client.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\nnonsense\r\n\r\nGET /healthz HTTP/1.1\r\n");
  CHECK(client.read().status() == "200");
  const Reply refused = client.read();
  CHECK(refused.status() == "400");
  CHECK_THAT(refused.head, Contains("Connection: close"));
  CHECK(client.is_closed());
}

TEST_CASE("a HEAD has the head of a GET, and whoever ends sending gets the answers still") {
  Server server;
  server.let_anybody_be_acme();
  Client client(server);
  client.ask(kRuns, "", "HEAD");
  const Reply head = client.read(false);
  CHECK_THAT(head.head, Contains("Content-Length: "));
  client.ask(kRuns);
  client.ask("/healthz");
  client.socket().end_sending();
  CHECK(client.read().status() == "200");
  CHECK(client.read().body == "ok\n");
  CHECK(client.is_closed());

  Client old(server);
  old.send("GET /healthz HTTP/1.0\r\n\r\n");
  CHECK_THAT(old.socket().receive_all(), Contains("Connection: close"));
}

TEST_CASE("large answers are compressed for those who ask") {
  Server server;
  server.let_anybody_be_acme();
  for (int i = 0; i < 20; ++i) server.append("acme", "run_" + std::to_string(i));
  Client client(server);
  const Reply plain = client.get(kRuns);
  CHECK_THAT(plain.head, !Contains("Content-Encoding"));
  const Reply gzip = client.get(kRuns, "Accept-Encoding: deflate, gzip;q=0.5\r\n");
  CHECK_THAT(gzip.head, Contains("Content-Encoding: gzip"));
  CHECK(gzip.body.substr(0, 2) == "\x1f\x8b");
  CHECK(gzip.body.size() < plain.body.size() / 2);
  const Reply zstd = client.get(kRuns, "Accept-Encoding: gzip, zstd\r\n");
  CHECK_THAT(zstd.head, Contains("Content-Encoding: zstd"));
  CHECK_THAT(client.get(kRuns, "Accept-Encoding: gzip;q=0, *;q=0\r\n").head,
             !Contains("Content-Encoding"));
}

TEST_CASE("a tenant with too much in flight is told when to come again") {
  Server server;
  server.let_anybody_be_acme();
  server.set([](HttpDoor& door) { door.limits.tenant_in_flight = 0; });
  Client client(server);
  const Reply refused = client.get(kRuns);
  CHECK(refused.status() == "429");
  CHECK_THAT(refused.head, Contains("Retry-After: 1"));
  CHECK(client.get("/healthz").status() == "200");
}

TEST_CASE("metrics are for this machine, and the page needs nothing from elsewhere") {
  Server server;
  Client client(server);
  CHECK(client.get("/metrics").body == "runlog_up 1\n");
  const Reply page = client.get("/");
  CHECK_THAT(page.body, StartsWith("<!doctype html>"));
  CHECK_THAT(page.head, Contains("Content-Security-Policy: default-src 'none'"));
  CHECK(page.body.find("://") == std::string::npos);
}

namespace {

// The events of a stream, out of its chunks.
class Events {
 public:
  Events(const Server& server, const std::string& fields) : client_(server) {
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
  Client client_;
  std::string head_, text_;
};

}  // namespace

TEST_CASE("a stream sends runs as they commit, and goes on where it was left") {
  Server server;
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
  CHECK(Client(server).get("/api/v1/runs/stream", "Last-Event-ID: x\r\n" + token).status() == "401");
}

TEST_CASE("a stream begins where its address says, and a wrong place is refused") {
  Server server;
  server.let_anybody_be_acme();
  server.append("acme", "run_1");
  Client client(server);
  CHECK(client.get("/api/v1/runs/stream", "Last-Event-ID: x\r\n").status() == "400");
  CHECK(client.get("/api/v1/runs/stream?after=-1").status() == "400");
  client.ask("/api/v1/runs/stream?after=0");
  CHECK(client.read(false).status() == "200");
  CHECK_THAT(client.socket().receive_until("\n\n"), Contains("id: 1\nevent: run\ndata: {"));
}

TEST_CASE("a server that stops finishes what it answers and ends its streams") {
  Server server;
  server.let_anybody_be_acme();
  server.append("acme", "run_1");
  Events events(server, "");
  Client client(server);
  CHECK(client.get("/healthz").status() == "200");
  server.listener().drain(5s);
  CHECK(events.next() == "");
  CHECK(client.is_closed());
}
