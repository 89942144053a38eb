// `runlog serve` end to end: addresses, signals, tokens and tenants, limits, and what its log says.
#include <catch2/catch.hpp>

#include <atomic>
#include <thread>

#include "server/client/remote_log.h"
#include "tests/cli_history.h"
#include "tests/log_fixture.h"
#include "tests/server_process.h"
#include "tests/test_socket.h"

using namespace runlog;
using Catch::Matchers::Contains;

namespace {

// A data directory with two tenants that keep everything.
struct Data {
  CliFolder folder;
  std::string path = folder.file("data");
  Data() {
    make_log_that_keeps_all(path, "acme");
    make_log_that_keeps_all(path, "other");
  }
  std::string token(const std::string& tenant, const std::string& role) const {
    const CliResult created =
        run_cli({"token", "create", "--data", path, "--tenant", tenant, "--role", role});
    REQUIRE(created.exit_code == kDone);
    return lines_of(created.out).front();
  }
  std::uint64_t runs(const std::string& tenant) const {
    return parse(run_cli({"list", "--json", "--data", path, "--tenant", tenant}).out)["total"]
        .GetUint64();
  }
};

Expected<std::unique_ptr<RemoteLog>> try_connect(const ServerProcess& server,
                                                 const std::string& token,
                                                 const std::string& tenant = "") {
  ClientOptions options;
  options.address = Address::parse(server.addresses().front()).value();
  options.token = token;
  options.tenant = tenant;
  options.patience = std::chrono::seconds(20);
  return RemoteLog::connect(options);
}

std::unique_ptr<RemoteLog> connect(const ServerProcess& server, const std::string& token) {
  auto log = try_connect(server, token);
  must(log);
  return std::move(*log);
}

bool append(RemoteLog& log, int number) {
  const std::string run = run_line(number, "lead_routing", number);
  auto results = log.append({run});
  return results && results->size() == 1 && results->front();
}

// The whole answer to a GET.
std::string http_get(const ServerProcess& server, const std::string& path,
                     const std::string& token = "") {
  const std::string address = server.addresses().back();
  constexpr std::string_view kScheme = "http://";
  REQUIRE(address.starts_with(kScheme));
  TestSocket socket(Address::parse(address.substr(kScheme.size())).value());
  std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
  if (!token.empty()) request += "Authorization: Bearer " + token + "\r\n";
  CHECK(socket.send(request + "\r\n"));
  return socket.receive_all();
}

}  // namespace

TEST_CASE("serve prints where it listens, serves, and stops by SIGTERM with all that it stored") {
  const Data data;
  const std::string token = data.token("acme", "append");
  ServerProcess server(data.path, {"--listen", "unix:" + data.folder.file("socket")});
  REQUIRE(server.addresses().size() == 3);
  CHECK_THAT(server.addresses()[0], Catch::Matchers::StartsWith("tcp://127.0.0.1:"));
  CHECK(server.addresses()[1] == "unix:" + data.folder.file("socket"));
  {
    const auto log = connect(server, token);
    for (int i = 0; i < 3; ++i) CHECK(append(*log, i));
    CHECK(log->count({}).value_or(0) == 3);
    // Beside the server, another process reads.
    CHECK(data.runs("acme") == 3);
  }
  const auto ending = server.stop();
  CHECK(ending.exit_code == kDone);
  CHECK(data.runs("acme") == 3);
  const std::string log = server.log();
  INFO(log);
  CHECK_THAT(log, Contains("info connection peer=127.0.0.1:") && Contains("tenant=acme") &&
                      Contains(" requests=") && Contains("stopped"));
  CHECK(log.find(token) == std::string::npos);
  CHECK(log.find(token.substr(3, 20)) == std::string::npos);
}

TEST_CASE("SIGHUP takes new tokens and limits, and drops no connection") {
  const Data data;
  const std::string old_token = data.token("acme", "append");
  const std::string config = data.folder.write("runlog.toml", "");
  ServerProcess server(data.path, {"--config", config});
  const auto old_log = connect(server, old_token);
  CHECK(append(*old_log, 0));
  const std::string new_token = data.token("other", "read");
  CHECK_FALSE(try_connect(server, new_token));
  server.reload();
  const auto new_log = connect(server, new_token);
  CHECK(new_log->count({}).value_or(99) == 0);
  CHECK(append(*old_log, 1));

  // A quota, which then goes again.
  data.folder.write("runlog.toml", "[tenants.acme]\nmax_bytes = 1\n");
  server.reload();
  CHECK_FALSE(append(*old_log, 2));
  data.folder.write("runlog.toml", "[tenants.acme]\nmax_bites = 1\n");
  server.reload();
  CHECK_FALSE(append(*old_log, 2));
  CHECK_THAT(server.log(), Contains("not reloaded") && Contains("line 2") && Contains("max_bites"));
  data.folder.write("runlog.toml", "[retention]\nmax_age = \"1d\"\n");
  server.reload();
  CHECK(append(*old_log, 2));

  // A token that was taken back ends what its connections may do.
  const auto tokens = parse(run_cli({"token", "list", "--json", "--data", data.path}).out);
  const std::string id = tokens["tokens"][0]["id"].GetString();
  CHECK(run_cli({"token", "revoke", id, "--data", data.path}).exit_code == kDone);
  server.reload();
  CHECK_FALSE(try_connect(server, old_token));
  // A connection is trusted for a second at most.
  int next = 3;
  while (next < 1'000'000 && append(*old_log, next)) ++next;
  CHECK(next < 1'000'000);
  CHECK(new_log->count({}));
  CHECK(server.stop().exit_code == kDone);
  CHECK_THAT(server.log(), Contains("warning refused"));
}

TEST_CASE("a server that stops acknowledges nothing that is not stored") {
  const Data data;
  const std::string token = data.token("acme", "append");
  ServerProcess server(data.path);
  std::atomic<int> acknowledged{0};
  std::vector<std::thread> clients;
  std::atomic<bool> enough{false};
  for (int c = 0; c < 3; ++c)
    clients.emplace_back([&, c] {
      ClientOptions options;
      options.address = Address::parse(server.addresses().front()).value();
      options.token = token;
      options.patience = std::chrono::milliseconds(200);
      auto log = RemoteLog::connect(options);
      for (int i = 0; log && i < 5000; ++i) {
        if (!append(**log, c * 5000 + i)) break;
        if (++acknowledged > 100) enough = true;
      }
      enough = true;
    });
  while (!enough) std::this_thread::yield();
  server.send(SIGTERM);
  const auto ending = server.wait();
  for (std::thread& client : clients) client.join();
  CHECK(ending.exit_code == kDone);
  CHECK(acknowledged > 0);
  CHECK(data.runs("acme") >= std::uint64_t(acknowledged));
}

TEST_CASE("a token reaches its own tenant and does what its role allows") {
  const Data data;
  const std::string acme = data.token("acme", "append"), other = data.token("other", "append"),
                    reader = data.token("other", "read");
  ServerProcess server(data.path);
  const auto acme_log = connect(server, acme), other_log = connect(server, other),
             reader_log = connect(server, reader);
  CHECK(append(*acme_log, 7));
  CHECK(other_log->get_json("run_0007").error().code == ErrorCode::NotFound);
  CHECK(other_log->count({}).value_or(99) == 0);
  CHECK_FALSE(other_log->pin("run_0007", "mine", std::nullopt));
  // A cursor of one tenant's log is none of another's.
  for (int i = 0; i < 3; ++i) CHECK(append(*acme_log, i));
  ListRequest request;
  request.limit = 1;
  const auto page = acme_log->list(request);
  must(page);
  request.cursor = page->next_cursor;
  CHECK(acme_log->list(request));
  CHECK_FALSE(other_log->list(request));
  for (const char* tenant : {"acme", "../acme", "nobody", "other/../acme"}) {
    INFO(tenant);
    CHECK_FALSE(try_connect(server, other, tenant));
  }
  CHECK_FALSE(append(*reader_log, 8));
  CHECK_FALSE(acme_log->set_retention(RetentionPolicy()));
  CHECK(data.runs("other") == 0);
  const CliResult deleted =
      run_cli({"tenants", "delete", "acme", "--confirm", "acme", "--data", data.path});
  CHECK(deleted.exit_code == kBroken);
  CHECK(data.runs("acme") == 4);
  CHECK(server.stop().exit_code == kDone);
}

TEST_CASE("over HTTP too, a token reaches its own tenant alone") {
  const Data data;
  const std::string acme = data.token("acme", "append"), other = data.token("other", "admin");
  ServerProcess server(data.path);
  CHECK(append(*connect(server, acme), 7));
  const std::string path = "/api/v1/automation/lead_routing/runs";
  CHECK_THAT(http_get(server, path, acme), Contains("200 OK") && Contains("run_0007"));
  CHECK_THAT(http_get(server, path + "/run_0007", acme), Contains("200 OK"));
  CHECK_THAT(http_get(server, path + "/run_0007", other), Contains(" 404 "));
  for (const char* everything : {"/api/v1/runs", "/api/v1/flows", "/api/v1/runs/groups?by=flow"}) {
    INFO(everything);
    CHECK_THAT(http_get(server, everything, acme), Contains("200 OK"));
    const std::string answer = http_get(server, everything, other);
    CHECK_THAT(answer, Contains("200 OK") && !Contains("run_0007") && !Contains("lead_routing"));
    CHECK_THAT(http_get(server, everything), Contains(" 401 "));
    CHECK_THAT(http_get(server, everything, acme + "x"), Contains(" 401 "));
    CHECK_THAT(http_get(server, std::string(everything) + "?tenant=acme", other),
               !Contains("run_0007"));
  }
  CHECK_THAT(http_get(server, "/healthz"), Contains("200 OK"));
  CHECK_THAT(http_get(server, "/metrics"),
             Contains("runlog_requests_total{door=\"socket\",kind=\"append\",status=\"ok\"} 1") &&
                 Contains("runlog_tenant_runs{tenant=\"acme\"}"));
  CHECK(server.stop().exit_code == kDone);
  CHECK_THAT(server.log(), Contains("refused peer=127.0.0.1:") && Contains("status=401"));
  CHECK(server.log().find(acme.substr(3)) == std::string::npos);
}

TEST_CASE("nobody comes without a token unless that was switched on, on this machine alone") {
  const Data data;
  {
    ServerProcess server(data.path);
    CHECK_FALSE(try_connect(server, ""));
    CHECK_FALSE(try_connect(server, "", "acme"));
    CHECK_FALSE(try_connect(server, "rl_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
  }
  {
    ServerProcess server(data.path, {"--anonymous", "new"});
    const auto log = connect(server, "");
    CHECK(append(*log, 1));
    CHECK_FALSE(try_connect(server, "", "acme"));
  }
  CHECK(run_cli({"list", "--data", data.path, "--tenant", "new"}).exit_code == kDone);
  const auto refused = [&](std::vector<std::string> options) {
    options.insert(options.begin(), {"serve", "--data", data.path, "--http", "none"});
    const CliResult result = run_cli(options);
    CHECK(result.exit_code == kRefused);
    CHECK(result.out.empty());
    return result.err;
  };
  CHECK_THAT(refused({"--listen", "tcp://0.0.0.0:0", "--anonymous", "acme"}),
             Contains("anonymous"));
  CHECK_THAT(refused({"--listen", "tcp://0.0.0.0:0"}), Contains("--allow-plaintext"));
  CHECK_THAT(refused({"--listen", "tcp://[::]:0", "--allow-plaintext", "--anonymous", "acme"}),
             Contains("anonymous"));
  CHECK_THAT(refused({"--listen", "none"}), Contains("no address"));
  CHECK_THAT(refused({"--config", data.folder.write("bad.toml", "[limit]\n")}), Contains("line 1"));
}

TEST_CASE("a log that nobody uses is closed, and opened for the next request") {
  const Data data;
  const std::string token = data.token("acme", "append");
  const std::string config = data.folder.write("c.toml", "[limits]\ntenant_idle = \"1s\"\n");
  ServerProcess server(data.path, {"--config", config});
  const auto log = connect(server, token);
  CHECK(append(*log, 1));
  // Whoever may write the log has it alone: the server has let go of it.
  Expected<std::shared_ptr<Log>> ours = fail(ErrorCode::Busy, "");
  for (int tries = 0; !ours && tries < 100; ++tries)
    ours = Log::open(std::filesystem::path(data.path) / "acme");
  must(ours);
  CHECK((*ours)->describe().runs == 1);
  must((*ours)->close());
  ours = fail(ErrorCode::Busy, "");
  CHECK(append(*log, 2));
  CHECK(data.runs("acme") == 2);
}

TEST_CASE("a server that runs out of descriptors serves those that it has, then all again") {
  const Data data;
  const std::string token = data.token("acme", "append");
  ServerProcess server(data.path, {"--http", "none"}, "ulimit -n 48");
  const auto log = connect(server, token);
  CHECK(append(*log, 1));
  const Address address = Address::parse(server.addresses().front()).value();
  {
    std::vector<std::unique_ptr<TestSocket>> many;
    for (int i = 0; i < 100; ++i) many.push_back(std::make_unique<TestSocket>(address));
    CHECK(append(*log, 2));
    CHECK(many.back()->receive(1).empty());  // closed, not forgotten
  }
  // It learns one after the other that they are gone.
  auto again = try_connect(server, token);
  for (int tries = 0; !again && tries < 1000; ++tries) again = try_connect(server, token);
  must(again);
  CHECK(append(**again, 3));
  CHECK(server.stop().exit_code == kDone);
}

TEST_CASE("one server at a time runs on a data directory") {
  const Data data;
  ServerProcess server(data.path);
  const CliResult second =
      run_cli({"serve", "--data", data.path, "--listen", "tcp://127.0.0.1:0", "--http", "none"});
  CHECK(second.exit_code == kBroken);
  CHECK_THAT(second.err, Contains("another server runs on"));
}
