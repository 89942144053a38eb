// What `runlog serve` is told: the file's keys, what is refused with its line, and what makes no
// sense together.
#include <catch2/catch.hpp>

#include "server/serve/config.h"
#include "tests/cli_history.h"
#include "tests/log_fixture.h"

using namespace runlog;
using Catch::Matchers::Contains;

namespace {

constexpr std::int64_t kDayMs = 86'400'000;

ServeConfig parsed(std::string_view text) {
  auto config = parse_config(text, "runlog.toml");
  if (!config) FAIL(config.error().message);
  return *config;
}

std::string objection(const ServeConfig& config) {
  auto good = check_config(config);
  return good ? std::string() : good.error().message;
}

}  // namespace

TEST_CASE("a server that is told nothing listens on loopback, without anonymous access") {
  const ServeConfig config;
  CHECK(objection(config).empty());
  CHECK(config.listen == std::vector<std::string>{"tcp://127.0.0.1:7414"});
  CHECK(config.http == std::vector<std::string>{"127.0.0.1:7480"});
  CHECK_FALSE(config.anonymous);
  CHECK(parsed("").listen == config.listen);
}

TEST_CASE("a configuration sets what it names") {
  const ServeConfig config = parsed(R"(
listen = ["tcp://127.0.0.1:0", "unix:/run/runlog.sock"]
http = []
workers = 8
[tls]
certificate = "cert.pem"
key = "key.pem"
client_ca = "ca.pem"
[limits]
connections = 100
tenant_in_flight = 64
tenant_bytes_per_second = "10MB"
tenant_bytes = "10GiB"
index_memory = 1000000
tenant_idle = "5m"
idle_timeout = "1h"
drain = "3s"
[retention]
max_age = "7d"
failed_max_age = "90d"
max_per_flow = "none"
[tenants.acme]
max_bytes = "1GB"
retention = { max_per_flow = 1000, min_per_flow = 10, max_bytes = "500MB" }
[tenants.other]
max_bytes = 0
)");
  CHECK(config.listen.size() == 2);
  CHECK(config.http.empty());
  CHECK(config.workers == 8);
  REQUIRE(config.tls);
  CHECK(config.tls->client_ca == "ca.pem");
  CHECK(config.max_connections == 100);
  CHECK(config.limits.tenant_in_flight == 64);
  CHECK(config.limits.connection_in_flight == LoadLimits().connection_in_flight);
  CHECK(config.limits.tenant_bytes_per_second == 10'000'000);
  CHECK(config.tenants.max_bytes == 10ull << 30);
  CHECK(config.tenants.index_memory_bytes == 1'000'000);
  CHECK(config.tenants.idle_after == std::chrono::minutes(5));
  CHECK(config.timeouts.idle == std::chrono::hours(1));
  CHECK(config.drain == std::chrono::seconds(3));
  const RetentionRules& all = config.tenants.log.retention.all;
  CHECK(all.max_age_ms == 7 * kDayMs);
  CHECK(all.max_age_by_status_ms[unsigned(RunStatus::kFailed)] == 90 * kDayMs);
  CHECK(all.max_per_flow == kNoLimit);
  const TenantRules& acme = config.tenants.rules.at("acme");
  CHECK(acme.max_bytes == 1'000'000'000u);
  CHECK(acme.retention->all.max_per_flow == 1000);
  CHECK(acme.retention->max_bytes == 500'000'000);
  CHECK(config.tenants.rules.at("other").max_bytes == 0u);
  CHECK_FALSE(config.tenants.rules.at("other").retention);
  // Nothing is said about retention: what a new log gets anyway.
  CHECK(parsed("workers = 1").tenants.log.retention == RetentionPolicy::standard());
}

TEST_CASE("what is wrong in a configuration is refused with its line") {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"workers = 1\nlisten_on = \"x\"\n", "runlog.toml, line 2: 'listen_on' is not known"},
      {"[limits]\n\nconections = 5\n", "line 3: 'conections' is not known"},
      {"[tls]\ncertificate = \"a\"\nkey = \"b\"\nciphers = \"c\"", "line 4: 'ciphers'"},
      {"[tls]\ncertificate = \"a\"\n", "'key' must name"},
      {"[tenants.acme]\nquota = 5", "line 2: 'quota'"},
      {"[tenants.\"a/b\"]\nmax_bytes = 5", "'a/b' is no tenant's name"},
      {"[tenants.acme.retention]\nmax_per_flow = -1", "line 1: "},
      {"[retention]\nmax_age = 30", "line 2: 'max_age' must be an age"},
      {"[retention]\nmax_per_flow = 1\nmin_per_flow = 5", "above the maximum"},
      {"[limits]\nconnections = 0", "line 2: 'connections' must be a whole number from 1"},
      {"[limits]\nconnections = \"many\"", "'connections' must be"},
      {"[limits]\ntenant_bytes = \"10 parsec\"", "'tenant_bytes' must be a size"},
      {"[limits]\ndrain = \"0s\"", "'drain' must be a time"},
      {"[limits]\ndrain = 5", "'drain' must be a time"},
      {"workers = 1.5", "'workers' must be"},
      {"listen = [1]", "'listen' must be a list"},
      {"allow_plaintext = \"yes\"", "'allow_plaintext' must be true or false"},
      {"tls = true", "'tls' must be a table"},
      {"workers = 1\nworkers = 2", "line 2"},
      {"workers = ", "line 1"}};
  for (const auto& [text, why] : wrong) {
    INFO(text);
    auto config = parse_config(text, "runlog.toml");
    REQUIRE_FALSE(config);
    CHECK(config.error().code == ErrorCode::InvalidArgument);
    CHECK_THAT(config.error().message, Contains(why));
  }
  CHECK(read_config("/nonexistent/runlog.toml").error().code == ErrorCode::NotFound);
}

TEST_CASE("an address that others can reach needs TLS or a switch, and never serves anonymously") {
  ServeConfig config;
  config.listen = {"tcp://0.0.0.0:7414"};
  CHECK_THAT(objection(config), Contains("0.0.0.0:7414") && Contains("--allow-plaintext"));
  config.listen = {"tcp://[::]:7414"};
  CHECK_FALSE(objection(config).empty());
  config.allow_plaintext = true;
  CHECK(objection(config).empty());
  config.anonymous = "default";
  CHECK_THAT(objection(config), Contains("anonymous"));
  config.allow_plaintext = false;
  config.tls = TlsServerOptions{"cert.pem", "key.pem", {}};
  CHECK_THAT(objection(config), Contains("anonymous"));
  config.anonymous.reset();
  CHECK(objection(config).empty());

  ServeConfig http;
  http.http = {"0.0.0.0:7480"};
  CHECK_FALSE(objection(http).empty());

  ServeConfig local;
  local.listen = {"tcp://127.0.0.1:0", "tcp://[::1]:0", "unix:/run/runlog.sock"};
  local.anonymous = "default";
  CHECK(objection(local).empty());
  local.anonymous = "../default";
  CHECK_THAT(objection(local), Contains("no tenant's name"));
  local.anonymous.reset();
  local.listen = {"http://127.0.0.1"};
  CHECK_FALSE(objection(local).empty());
  local.listen.clear();
  local.http.clear();
  CHECK_THAT(objection(local), Contains("no address"));
}

TEST_CASE("the configuration that is installed names every key, and its defaults are true") {
  const std::string installed = read_text(RUNLOG_CONFIG_FILE);
  std::string with_all;
  for (const std::string& line : lines_of(installed)) {
    const bool is_key = line.starts_with("# ") && line.size() > 2 &&
                        (line[2] == '[' || line.find(" = ") != std::string::npos);
    with_all += (is_key ? line.substr(2) : line) + "\n";
  }
  const ServeConfig config = parsed(with_all);
  CHECK(config.tenants.rules.at("acme").retention->all.max_age_ms == 90 * kDayMs);
  CHECK(config.tls);
  const ServeConfig defaults = parsed(installed);
  CHECK(config.listen == defaults.listen);
  CHECK(config.http == defaults.http);
  CHECK(config.workers == defaults.workers);
  CHECK(config.max_connections == defaults.max_connections);
  CHECK(config.limits.tenant_connections == defaults.limits.tenant_connections);
  CHECK(config.limits.connection_in_flight == defaults.limits.connection_in_flight);
  CHECK(config.limits.tenant_in_flight == defaults.limits.tenant_in_flight);
  CHECK(config.tenants.index_memory_bytes == defaults.tenants.index_memory_bytes);
  CHECK(config.tenants.idle_after == defaults.tenants.idle_after);
  CHECK(config.timeouts.first_message == defaults.timeouts.first_message);
  CHECK(config.timeouts.idle == defaults.timeouts.idle);
  CHECK(config.timeouts.write == defaults.timeouts.write);
  CHECK(config.drain == defaults.drain);
}
