// The commands with --connect, against a server in this process.
#include <catch2/catch.hpp>

#include "tests/cli_process.h"
#include "tests/server_fixture.h"

using namespace runlog;
using Catch::Matchers::Contains;

namespace {

class ConnectFixture {
 public:
  CliResult run(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.end(),
                     {"--connect", server_.address().text(), "--token-file", token_file_});
    return run_cli(arguments, input);
  }
  ServerFixture& server() { return server_; }

 private:
  CliFolder folder_;
  ServerFixture server_;
  std::string token_file_ = folder_.write("token", "rl_example\n");
};

}  // namespace

TEST_CASE("commands do with --connect what they do with --data") {
  ConnectFixture fixture;
  const CliResult imported =
      fixture.run({"import"}, run_json("run_1") + "\n" + run_json("run_2", "other", "failed") +
                                  "\nno json\n");
  CHECK(imported.exit_code == int(ExitCode::kRefused));
  CHECK_THAT(imported.out, Contains("2 new") && Contains("1 refused"));
  CHECK_THAT(imported.err, Contains("<stdin>:3:"));
  CHECK_THAT(fixture.run({"list", "--status", "failed", "--json"}).out,
             Contains("run_2") && Contains(R"("total":1)"));
  CHECK_THAT(fixture.run({"get", "run_1"}).out, Contains("run_1"));
  CHECK_THAT(fixture.run({"groups", "--by", "flow", "--json"}).out, Contains("lead_routing"));
  CHECK_THAT(fixture.run({"info"}).out, Contains("2 runs"));
  CHECK_THAT(fixture.run({"stats"}).out, Contains("lead_routing"));
  CHECK_THAT(fixture.run({"stats", "--flow", "other", "--json"}).out, Contains("trend"));
  const std::string exported = fixture.run({"export"}).out;
  CHECK(std::count(exported.begin(), exported.end(), '\n') == 2);
  CHECK(exported.find("run_1") < exported.find("run_2"));
  CHECK_THAT(fixture.run({"pin", "run_1", "--reason", "audit"}).out, Contains("pinned run_1"));
  CHECK_THAT(fixture.run({"pins"}).out, Contains("audit"));
  CHECK_THAT(fixture.run({"retention", "set", "--max-per-flow", "5"}).out, Contains("5"));
  CHECK_THAT(fixture.run({"retention", "show"}).out, Contains("2 runs visible"));
  CHECK(fixture.run({"unpin", "run_1"}).exit_code == 0);
}

TEST_CASE("forgetting and copying with --connect") {
  ConnectFixture fixture;
  const std::string runs = run_json("run_1") + "\n" + run_json("run_2") + "\n";
  CHECK(fixture.run({"import"}, runs).exit_code == 0);
  CHECK_THAT(fixture.run({"backup", "today"}).err, Contains("backup_dir"));
  const TempDir backups;
  fixture.server().loop().call([&] { fixture.server().server().backups = backups.path(); });
  CHECK_THAT(fixture.run({"backup", "today"}).out, Contains("2 runs"));
  CHECK_THAT(run_cli({"list", "--json", "--data", (backups / "acme").string(), "--tenant", "today"})
                 .out, Contains(R"("total":2)"));
  CHECK_THAT(fixture.run({"backup", "today"}).err, Contains("not an empty directory"));
  CHECK_THAT(fixture.run({"backup", "../other"}).err, Contains("name"));
  CHECK_THAT(fixture.run({"forget", "--run", "run_1", "--dry-run"}).out, Contains("1 run"));
  CHECK(fixture.run({"get", "run_1"}).exit_code == 0);
  CHECK_THAT(fixture.run({"forget", "--run", "run_1", "--yes"}).out, Contains("1 run"));
  CHECK_THAT(fixture.run({"get", "run_1"}).err, Contains("run_1"));
}

TEST_CASE("paused runs with --connect") {
  ConnectFixture fixture;
  CHECK_THAT(fixture.run({"paused", "save"}, R"({"runId":"run_p","flowName":"f"})").out,
             Contains("saved 1 run"));
  CHECK_THAT(fixture.run({"paused", "list"}).out, Contains("run_p"));
  CHECK_THAT(fixture.run({"paused", "get", "run_p", "--json"}).out, Contains("run_p"));
  CHECK_THAT(fixture.run({"paused", "get", "run_p"}).out, Contains("run_p"));
  CHECK_THAT(fixture.run({"get", "run_p"}).out, Contains("paused"));
  CHECK(fixture.run({"paused", "claim", "run_p", "--owner", "me"}).exit_code == 0);
  CHECK_THAT(fixture.run({"paused", "complete"}, run_json("run_p", "f")).out,
             Contains("completed 1 run"));
  CHECK_THAT(fixture.run({"paused", "list"}).out, Contains("no run is paused"));
  // One that ended and waits again is exported as it ended.
  CHECK(fixture.run({"paused", "save"}, R"({"runId":"run_p","flowName":"f"})").exit_code == 0);
  CHECK_THAT(fixture.run({"export"}).out, Contains(R"("status":"completed")"));
}

TEST_CASE("pages with --connect end before a reply is too large") {
  ConnectFixture fixture;
  std::string runs;
  for (int i = 0; i < 30; ++i) {
    runs += R"({"runId":"run_)" + std::to_string(i) +
            R"(","flowName":"f","status":"failed","startedAt":"2026-10-20T00:00:00Z","error":")" +
            std::string(200'000, 'x') + "\"}\n";
  }
  CHECK(fixture.run({"import"}, runs).exit_code == 0);
  const std::string exported = fixture.run({"export"}).out;
  CHECK(std::count(exported.begin(), exported.end(), '\n') == 30);
}

TEST_CASE("nobody who is not there sets an archive") {
  ConnectFixture fixture;
  CHECK(fixture.run({"import"}, run_json("run_1") + "\n").exit_code == 0);
  const TempDir archive;
  CHECK_THAT(fixture.run({"retention", "set", "--archive", archive.path().string()}).err,
             Contains("archive"));
}

TEST_CASE("a connection that cannot be is explained") {
  ConnectFixture fixture;
  CHECK_THAT(fixture.run({"get", "none"}).err, Contains("none"));
  CHECK_THAT(fixture.run({"verify"}).err, Contains("--data"));
  CHECK_THAT(fixture.run({"list", "--tenant", "other"}).err, Contains("token"));
  CHECK_THAT(run_cli({"list", "--connect", "nowhere"}).err, Contains("tcp://HOST:PORT"));
  fixture.server().stop(std::chrono::milliseconds(0));
  CHECK_THAT(fixture.run({"list"}).err, Contains("cannot connect"));
}
