// `runlog stats`, `groups` and `info`: what they count.
#include <catch2/catch.hpp>

#include "tests/cli_history.h"

using namespace runlog;
using Catch::Matchers::Contains;

TEST_CASE("stats and groups say when there is nothing to count") {
  const CliFolder folder;
  const std::string data = folder.file("history");
  CHECK(run_cli({"import", "--data", data}).exit_code == kDone);
  const CliResult stats = run_cli({"stats", "--data", data});
  CHECK(stats.exit_code == kDone);
  CHECK(stats.out.empty());
  CHECK(stats.err == "the log holds no runs\n");
  const CliResult groups = run_cli({"groups", "--data", data});
  CHECK(groups.out.empty());
  CHECK(groups.err == "no group by error among 0 matching runs\n");
}

TEST_CASE("flow names stay whole on a terminal of 80 columns") {
  const History history(run_line(1, "customer_follow_up_mail", 1, "no"));
  CHECK_THAT(run_cli_on_terminal({"stats", "--data", history.data}, 80).out,
             Contains("customer_follow_up_mail"));
}

TEST_CASE("info --json is JSON in a folder whose name is no UTF-8") {
  const CliFolder folder;
  const std::string data = folder.file("b\xFF" "d");
  CHECK(run_cli({"import", "--data", data}).exit_code == kDone);
  const auto info = parse(run_cli({"info", "--json", "--data", data}).out);
  CHECK(info["directory"].GetString() == folder.file("b?d/default"));
}

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
  CHECK(stats["trend"]["periods"].Size() == 5);
  CHECK(stats["trend"]["periods"][2]["name"] == "30d");
  CHECK(stats["trend"]["runsFrom"].IsString());
  CHECK(stats["trend"]["droppedBefore"].IsNull());

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
