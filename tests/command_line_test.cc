// The real program on small inputs: what it prints, what it refuses, and its exit codes. The commands
// with more to say have files of their own, NAME_command_test.cc.
#include <catch2/catch.hpp>

#include "log/log.h"
#include "tests/cli_history.h"

using namespace runlog;
using Catch::Matchers::Contains;

TEST_CASE("every command has help with an example, and so has the program") {
  const CliResult plain = run_cli({"help"});
  CHECK(plain.exit_code == kDone);
  CHECK(run_cli({"--help"}).out == plain.out);
  for (const char* command :
       {"import", "export", "list", "get", "stats", "groups", "verify", "info", "pin", "unpin",
        "pins"}) {
    CHECK_THAT(plain.out, Contains(command));
    const CliResult help = run_cli({command, "--help"});
    CHECK(help.exit_code == kDone);
    CHECK_THAT(help.out, Contains("Example:\n  runlog ") && Contains("--data DIR"));
    CHECK(run_cli({"help", command}).out == help.out);
  }
  for (const std::vector<std::string>& nothing :
       {std::vector<std::string>{}, {"--tenant", "x"}, {"--data", "d"}}) {
    const CliResult result = run_cli(nothing);
    CHECK(result.exit_code == kUsage);
    CHECK(result.out.empty());
    CHECK(result.err == plain.out);
  }
  const CliResult version = run_cli({"--version"});
  CHECK(version.exit_code == kDone);
  CHECK_THAT(version.out, Catch::StartsWith("runlog "));
}

TEST_CASE("wrong usage ends with 2 and says what is wrong") {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"list"}, "RUNLOG_DATA"},
      {{"list", "--data", "d", "--limit", "0"}, "--limit"},
      {{"list", "--data", "d", "--limit", "1001"}, "--limit"},
      {{"list", "--data", "d", "--since", "yesterday"}, "'yesterday' is not a time"},
      {{"list", "--data", "d", "--status", "done"}, "'done' is not one of completed"},
      {{"export", "--data", "d", "--status", "paused"}, "'paused' is not one of completed"},
      {{"list", "--data", "d", "--record", "r"}, "--object"},
      {{"list", "--data", "d", "--label", "x"}, "'x' is not KEY=VALUE"},
      {{"list", "--data", "d", "--flow", ""}, "empty"},
      {{"list", "--data", "d", "--cursor", ""}, "empty"},
      {{"export", "--data", "d", "--output", ""}, "empty"},
      {{"list", "--data", "d", "--since", "2h", "--until", "3h"}, "--since is later than --until"},
      {{"export", "--data", "d", "--started-since", "2026-10-21", "--started-until", "2026-10-20"},
       "--started-since is later"},
      {{"groups", "--data", "d", "--limit", "0"}, "range 1 to 4294967295"},
      {{"help", "nonsuch"}, "there is no command 'nonsuch'"},
      {{"list", "--data", "d", "--tenant", "../other"}, "'../other' is not a tenant's name"},
      {{"list", "--data", "d", "--tenant", std::string(65, 'a')}, "64"},
      {{"list", "--data", "d", "surplus"}, "surplus"},
      {{"groups", "--data", "d", "--by", "colour"}, "'colour' is not one of"},
      {{"get", "--data", "d"}, "RUN_ID"},
      {{"frobnicate"}, "frobnicate"}};
  for (const auto& [arguments, message] : cases) {
    const CliResult result = run_cli(arguments);
    INFO(result.err);
    CHECK(result.exit_code == kUsage);
    CHECK(result.out.empty());
    CHECK_THAT(result.err, Catch::StartsWith("runlog: ") && Contains(message));
  }
}

TEST_CASE("a log that is not there is said to be missing, and nothing is created") {
  const CliFolder folder;
  const std::string data = folder.file("history");
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"list"}, {"get", "x"}, {"stats"}, {"groups", "--by", "flow"},
        {"verify"}, {"info"}, {"export"}, {"export", "--output", folder.file("out")}}) {
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.end(), {"--data", data});
    const CliResult result = run_cli(arguments);
    INFO(command[0]);
    CHECK(result.exit_code == kRefused);
    CHECK(result.err ==
          "runlog: no log at " + data + "/default; `runlog import` creates one\n");
  }
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("get shows why a run failed and where") {
  const std::string line =
      R"({"runId":"r1","flowName":"lead_routing","flowVersion":4,"status":"failed",)"
      R"("startedAt":"2026-10-20T00:01:40.445Z","finishedAt":"2026-10-20T00:01:40.474Z",)"
      R"("durationMs":29,"error":"Node 'write' failed: connect ETIMEDOUT","nodeId":"write",)"
      R"("steps":[)"
      R"({"nodeId":"start","nodeType":"start","status":"success","durationMs":0},)"
      R"({"nodeId":"write","nodeType":"update_record","status":"failure","durationMs":10,)"
      R"("error":{"code":"NODE_FAILURE","message":"connect ETIMEDOUT"}}]})";
  const History history(line + "\n");
  const CliResult shown = history.run({"get", "r1"});
  CHECK(shown.exit_code == kDone);
  CHECK_THAT(shown.out, Contains("✗ failed  lead_routing v4") &&
                            Contains("2026-10-20 00:01:40.445 UTC") &&
                            Contains("Node 'write' failed: connect ETIMEDOUT") &&
                            Contains("write, NODE_FAILURE") && Contains("✓ start") &&
                            Contains("✗ write") && Contains("← the run failed here"));
  const CliResult missing = history.run({"get", "no_such_run"});
  CHECK(missing.exit_code == kRefused);
  CHECK_THAT(missing.err, Catch::StartsWith("runlog: ") && Contains("no_such_run"));
}

TEST_CASE("get says how often the log holds the same error, and since when") {
  const History history;
  CHECK_THAT(history.run({"get", "run_0059"}).out,
             Contains("this error    in 6 runs since 2026-10-20 00:09:00.000 UTC"));
}

TEST_CASE("tenants see only their own log") {
  const History history;
  make_log_that_keeps_all(history.data, "acme");
  const CliResult imported = run_cli({"import", "--data", history.data, "--tenant", "acme"},
                                     run_line(1, "acme_flow", 1));
  CHECK(imported.exit_code == kDone);
  CHECK(parse(history.run({"list", "--json", "--tenant", "acme"}).out)["total"].GetInt() == 1);
  CHECK(parse(history.run({"list", "--json"}).out)["total"].GetInt() == 60);
}

TEST_CASE("reading works beside a writer, a second writer is told who holds the log") {
  const CliFolder folder;
  const std::string data = folder.file("history");
  LogOptions options;
  options.retention = RetentionPolicy();
  auto log = Log::open(std::filesystem::path(data) / "default", options);
  REQUIRE(log);
  RunJsonParser parser;
  for (int i = 0; i < 3; ++i) {
    TextArena arena;
    Run run;
    const std::string line = run_line(i, "lead_routing", i);
    REQUIRE(parser.parse(line, arena, run));
    REQUIRE((*log)->append(run));
    const CliResult listed = run_cli({"list", "--json", "--data", data});
    CHECK(listed.exit_code == kDone);
    CHECK(parse(listed.out)["total"].GetInt() == i + 1);
  }
  const CliResult second = run_cli({"import", "--data", data}, run_line(9, "a", 9));
  CHECK(second.exit_code == kBroken);
  CHECK_THAT(second.err, Contains(std::to_string(::getpid())));
  CHECK((*log)->close());
}
