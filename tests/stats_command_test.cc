// `runlog stats`, `groups` and `info`: what they count.
#include <catch2/catch.hpp>

#include "tests/cli_history.h"

using namespace runlog;
using Catch::Matchers::Contains;

TEST_CASE("stats, groups and info count what is there") {
  const History history;
  const auto stats = parse(history.run({"stats", "--json", "--flow", "invoice_dunning"}).out);
  REQUIRE(stats["flows"].Size() == 1);
  const auto& flow = stats["flows"][0];
  CHECK(flow["flowName"] == "invoice_dunning");
  CHECK(flow["total"].GetInt() == 30);
  CHECK(flow["runs"]["failed"].GetInt() == 6);
  CHECK(flow["lastFailure"] == "2026-10-20T00:59:01.000Z");
  CHECK(flow["byHour"].Size() == 1);
  CHECK_THAT(history.run({"stats"}).out, Contains("lead_routing") && Contains("20.0 %"));
  CHECK(history.run({"stats", "--flow", "no_such_flow"}).exit_code == kRefused);

  const auto groups = parse(history.run({"groups", "--json", "--by", "error"}).out);
  REQUIRE(groups["groups"].Size() == 1);
  CHECK(groups["groups"][0]["count"].GetInt() == 6);
  CHECK_FALSE(groups["hasMore"].GetBool());
  const std::string fingerprint = groups["groups"][0]["name"].GetString();
  CHECK(parse(history.run({"list", "--json", "--error", fingerprint}).out)["total"].GetInt() == 6);
  const auto flows = parse(history.run({"groups", "--json", "--by", "flow", "--limit", "1"}).out);
  CHECK(flows["groups"].Size() == 1);
  CHECK(flows["totalGroups"].GetInt() == 2);
  CHECK(flows["hasMore"].GetBool());
  for (const char* by : {"error-code", "status", "trigger-type", "object", "record", "user",
                         "organization", "node", "label"}) {
    INFO(by);
    CHECK(history.run({"groups", "--by", by}).exit_code == kDone);
  }

  const auto info = parse(history.run({"info", "--json"}).out);
  CHECK(info["runs"].GetInt() == 60);
  CHECK(info["segments"].Size() == 1);
  CHECK_FALSE(info["incomplete"].GetBool());
  CHECK_THAT(history.run({"info"}).out, Contains("60 runs in "));
}
