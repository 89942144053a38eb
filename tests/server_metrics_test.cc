// The metrics' text: its form, what is counted where, and the cap on tenants.
#include <catch2/catch.hpp>

#include <map>

#include "server/metrics/kind_names.h"
#include "server/metrics/metrics_text.h"
#include "server/metrics/server_metrics.h"
#include "tests/cli_history.h"
#include "tests/log_fixture.h"

using namespace runlog;
using Catch::Matchers::Contains;

namespace {

// The samples by name and labels. Fails the test where a line is none of the format's.
std::map<std::string, double> samples_of(const std::string& text) {
  std::map<std::string, double> samples;
  for (const std::string& line : lines_of(text)) {
    if (line.starts_with("# HELP ") || line.starts_with("# TYPE ")) continue;
    const std::size_t blank = line.rfind(' ');
    INFO(line);
    REQUIRE(blank != std::string::npos);
    REQUIRE(line.starts_with("runlog_"));
    REQUIRE(samples.emplace(line.substr(0, blank), std::stod(line.substr(blank + 1))).second);
  }
  return samples;
}

}  // namespace

TEST_CASE("a metric has its help, its type, and labels that cannot end early") {
  MetricsText text;
  text.begin("runlog_things", "gauge", "Things.");
  text.sample({{"a", "x\"y\\z\n"}, {"b", "2"}}, 3);
  text.one("runlog_more_total", "counter", "More.", 0.5);
  text.begin("runlog_seconds", "histogram", "Seconds.");
  const double bounds[] = {0.5, 2};
  const std::uint64_t counts[] = {1, 0, 4};
  text.histogram({{"a", "b"}}, bounds, counts, 9.25);
  CHECK(text.take() ==
        "# HELP runlog_things Things.\n# TYPE runlog_things gauge\n"
        "runlog_things{a=\"x\\\"y\\\\z\\n\",b=\"2\"} 3\n"
        "# HELP runlog_more_total More.\n# TYPE runlog_more_total counter\nrunlog_more_total 0.5\n"
        "# HELP runlog_seconds Seconds.\n# TYPE runlog_seconds histogram\n"
        "runlog_seconds_bucket{a=\"b\",le=\"0.5\"} 1\nrunlog_seconds_bucket{a=\"b\",le=\"2\"} 1\n"
        "runlog_seconds_bucket{a=\"b\",le=\"+Inf\"} 5\n"
        "runlog_seconds_sum{a=\"b\"} 9.25\nrunlog_seconds_count{a=\"b\"} 5\n");
}

TEST_CASE("a server's metrics say what was asked, how long it took, and what is stored") {
  const TempDir dir;
  TenantsOptions options;
  options.log = keep_all();
  Tenants tenants(dir.path(), options);
  std::vector<std::shared_ptr<Log>> logs;
  for (int tenant = 0; tenant < 4; ++tenant) {
    const std::string name = "tenant_" + std::to_string(tenant);
    must(tenants.create(name));
    auto log = tenants.open(name);
    must(log);
    for (int i = 0; i <= tenant; ++i)
      must((*log)->append(SampleRun(std::to_string(i)).run()));
    logs.push_back(*log);
  }
  tenants.measure();
  CHECK(tenants.tend().empty());
  ProtocolMetrics requests;
  const unsigned get = 20;
  requests.add(get, false, 3);
  requests.add(get, false, 16);
  requests.add(get, true, 5'000'000);
  requests.in_flight = 7;
  TransportCounters connections;
  connections.open = 2;
  Loop loop(1);
  const auto samples = samples_of(metrics_text({{{"socket", requests, &socket_kind_name}},
                                                {{"tcp://127.0.0.1:7414", connections}},
                                                tenants, loop, 2}));
  CHECK(samples.at(R"(runlog_requests_total{door="socket",kind="get",status="ok"})") == 2);
  CHECK(samples.at(R"(runlog_requests_total{door="socket",kind="get",status="failed"})") == 1);
  const std::string bucket = R"(runlog_request_seconds_bucket{door="socket",kind="get",le=")";
  CHECK(samples.at(bucket + "1.6e-05\"}") == 1);
  CHECK(samples.at(bucket + "6.4e-05\"}") == 2);
  CHECK(samples.at(bucket + "4.194304\"}") == 2);
  CHECK(samples.at(bucket + "+Inf\"}") == 3);
  CHECK(samples.at(R"(runlog_request_seconds_sum{door="socket",kind="get"})") > 5);
  CHECK(samples.at(R"(runlog_requests_in_flight{door="socket"})") == 7);
  CHECK(samples.at(R"(runlog_connections{address="tcp://127.0.0.1:7414"})") == 2);
  CHECK(samples.at("runlog_tenants_open") == 4);
  CHECK(samples.at("runlog_commit_runs_count") >= 10);
  // Two tenants for themselves, the two smallest together: of the files' sizes, which may be equal.
  double runs = 0;
  unsigned named = 0;
  for (const auto& [name, value] : samples)
    if (name.starts_with("runlog_tenant_runs{")) runs += value, ++named;
  CHECK(named == 3);
  CHECK(runs == 1 + 2 + 3 + 4);
  CHECK(samples.contains("runlog_tenant_runs{tenant=\"(others)\"}"));
}
