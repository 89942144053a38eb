// `runlog retention`, `pin`, `unpin` and `pins`: what they change, say and refuse.
#include <catch2/catch.hpp>

#include <chrono>

#include "tests/cli_history.h"

using namespace runlog;
using Catch::Matchers::Contains;

namespace {

constexpr std::int64_t kDayMs = 24 * 3'600'000;

// A run that ended so many days before now.
std::string old_run(int number, const std::string& flow, int days, bool failed = false) {
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::system_clock::now().time_since_epoch()).count();
  const std::string time = format_time(now - days * kDayMs - 60'000);
  return fmt::format(
      R"({{"runId":"run_{:04}","flowName":"{}","status":"{}","startedAt":"{}","finishedAt":"{}"}})"
      "\n", number, flow, failed ? "failed" : "completed", time, time);
}

std::uint64_t total(const History& history) {
  return parse(history.run({"list", "--json"}).out)["total"].GetUint64();
}

}  // namespace

TEST_CASE("a new log keeps 30 days and 100 runs a flow, and an import says what that hides") {
  const CliFolder folder;
  const std::string data = folder.file("history");
  std::string runs;
  for (int i = 0; i < 10; ++i) runs += old_run(i, "old", 40);
  for (int i = 10; i < 130; ++i) runs += old_run(i, "busy", 1);
  const CliResult imported = run_cli({"import", "--data", data}, runs);
  CHECK(imported.exit_code == kDone);
  CHECK_THAT(imported.out, Contains("130 new"));
  CHECK_THAT(imported.err, Contains("hides 30 runs: 20 beyond max-per-flow, 10 past max-age"));
  CHECK(parse(run_cli({"list", "--json", "--data", data}).out)["total"].GetInt() == 100);
  const CliResult shown = run_cli({"retention", "show", "--data", data});
  CHECK_THAT(shown.out, Contains("30d") && Contains("100 runs visible; 30 hidden"));
  // The same import again stores and hides nothing.
  const CliResult again = run_cli({"import", "--data", data}, runs);
  CHECK_THAT(again.out, Contains("0 new") && Contains("130 already there"));
  CHECK(again.err.empty());
}

TEST_CASE("retention set changes the rules that it names, on a new log too") {
  const CliFolder folder;
  const std::string data = folder.file("history");
  const auto set = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"retention", "set", "--json", "--data", data});
    const CliResult result = run_cli(arguments);
    INFO(result.err);
    REQUIRE(result.exit_code == kDone);
    return parse(result.out);
  };
  auto answer = set({"--max-age", "7d", "--min-per-flow", "5", "--max-bytes", "10GiB"});
  CHECK(answer["policy"]["maxAgeMs"].GetInt64() == 7 * kDayMs);
  CHECK(answer["policy"]["maxPerFlow"].GetInt64() == 100);
  CHECK(answer["policy"]["minPerFlow"].GetInt64() == 5);
  CHECK(answer["policy"]["maxBytes"].GetInt64() == 10ll << 30);
  set({"--status", "failed", "--max-age", "90d"});
  set({"--flow", "lead_routing", "--max-per-flow", "none"});
  answer = set({"--max-per-flow", "none"});
  CHECK(answer["policy"]["maxPerFlow"].IsNull());
  CHECK(answer["policy"]["failedMaxAgeMs"].GetInt64() == 90 * kDayMs);
  REQUIRE(answer["policy"]["flows"].Size() == 1);
  CHECK(answer["policy"]["flows"][0]["flowName"] == "lead_routing");
  CHECK(answer["policy"]["flows"][0]["maxPerFlow"].IsNull());
  const CliResult shown = run_cli({"retention", "show", "--data", data});
  CHECK_THAT(shown.out, Contains("7d, failed 90d") && Contains("lead_routing") &&
                            Contains("at most 10.7 GB"));
  answer = set({"--flow", "lead_routing", "--max-per-flow", "inherit"});
  CHECK(answer["policy"]["flows"].Size() == 0);
  CHECK(parse(run_cli({"retention", "show", "--json", "--data", data}).out)["policy"] ==
        answer["policy"]);
}

TEST_CASE("a policy that makes no sense is refused with a reason, and the old one stays") {
  const History history;
  const std::string before = history.run({"retention", "show", "--json"}).out;
  const std::vector<std::pair<std::vector<std::string>, std::string>> refused = {
      {{"--max-per-flow", "3", "--min-per-flow", "4"}, "above the maximum of 3"},
      {{"--max-age", "0d"}, "at least 1, or none"},
      {{"--max-bytes", "0"}, "at least 1, or none"},
      {{"--max-per-flow=-5"}, "at least 1, or none"}};
  for (const auto& [arguments, why] : refused) {
    std::vector<std::string> command = {"retention", "set"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const CliResult result = history.run(command);
    INFO(arguments.front());
    CHECK(result.exit_code == kRefused);
    CHECK_THAT(result.err, Contains(why));
  }
  const std::vector<std::pair<std::vector<std::string>, std::string>> misused = {
      {{}, "no rule is given"},
      {{"--max-age", "30"}, "'30' is not an age"},
      {{"--max-per-flow", "many"}, "'many' is not a number of runs"},
      {{"--max-bytes", "10 parsec"}, "'10 parsec' is not a size"},
      {{"--max-bytes", "1GB", "--flow", "a"}, "--max-bytes is the log's"},
      {{"--max-per-flow", "1", "--status", "failed"}, "only --max-age"},
      {{"--max-age", "1d", "--status", "good"}, "'good' is not one of"},
      {{"--colour", "red"}, "--colour"}};
  for (const auto& [arguments, why] : misused) {
    std::vector<std::string> command = {"retention", "set"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const CliResult result = history.run(command);
    INFO(why);
    CHECK(result.exit_code == kUsage);
    CHECK_THAT(result.err, Contains(why));
  }
  CHECK(history.run({"retention", "show", "--json"}).out == before);
  CHECK(history.run({"retention"}).exit_code == kUsage);
  CHECK(history.run({"retention", "show", "--tenant", "nobody"}).exit_code == kRefused);
  CHECK(history.run({"retention", "sweep", "--tenant", "nobody"}).exit_code == kRefused);
}

TEST_CASE("a dry run says what would go and what would stay, and a sweep does it") {
  const History history;
  CHECK_THAT(history.run({"retention", "set", "--max-per-flow", "10"}).out,
             Contains("hid 40 runs: 40 beyond max-per-flow"));
  CHECK(total(history) == 20);
  const CliResult dry = history.run({"retention", "sweep", "--dry-run"});
  CHECK(dry.exit_code == kDone);
  CHECK_THAT(dry.out, Contains("hidden before") && Contains("a sweep would be"));
  const auto planned = parse(history.run({"retention", "sweep", "--dry-run", "--json"}).out);
  CHECK(planned["dryRun"].GetBool());
  CHECK(planned["hiddenBefore"]["runs"].GetInt() == 40);
  CHECK(planned["hiddenBefore"]["bytes"].GetInt() > 0);
  CHECK(planned["stays"]["runs"].GetInt() == 20);
  const auto swept = parse(history.run({"retention", "sweep", "--json"}).out);
  CHECK_FALSE(swept["dryRun"].GetBool());
  CHECK(swept["stays"]["runs"].GetInt() == 20);
  CHECK(total(history) == 20);
  CHECK(history.run({"verify"}).exit_code == kDone);
}

TEST_CASE("a pinned run stays until it is unpinned") {
  const History history;
  const CliResult pinned = history.run({"pin", "run_0001", "--reason", "an audit", "--until", "30d"});
  CHECK(pinned.exit_code == kDone);
  CHECK_THAT(pinned.out, Contains("pinned run_0001 until "));
  CHECK(history.run({"pin", "run_0003", "--reason", "another"}).out ==
        "pinned run_0003 until it is unpinned\n");
  CHECK_THAT(history.run({"pins"}).out, Contains("run_0001") && Contains("an audit"));
  const auto pins = parse(history.run({"pins", "--json"}).out);
  REQUIRE(pins["pins"].Size() == 2);
  CHECK(pins["pins"][0]["reason"] == "an audit");
  CHECK(pins["pins"][0].HasMember("until"));
  CHECK_FALSE(pins["pins"][1].HasMember("until"));
  history.run({"retention", "set", "--max-per-flow", "1"});
  CHECK(total(history) == 4);
  CHECK_THAT(history.run({"retention", "show"}).out, Contains("2 pinned runs"));
  CHECK_THAT(history.run({"unpin", "run_0001"}).out, Contains("unpinned run_0001\nhid 1 run"));
  CHECK(total(history) == 3);
  CHECK(history.run({"unpin", "run_0001"}).exit_code == kRefused);
  CHECK(history.run({"pin", "run_0001", "--reason", "too late"}).exit_code == kRefused);
  CHECK(history.run({"pin", "run_0003"}).exit_code == kUsage);
  CHECK(history.run({"pin", "run_0003", "--reason", "x", "--until", "soon"}).exit_code == kUsage);
  CHECK(history.run({"pin", "run_0003", "--reason", "x", "--until", "2020-01-01"}).exit_code ==
        kRefused);
  CHECK(history.run({"unpin", "run_0003", "--json"}).exit_code == kDone);
  CHECK(history.run({"pins"}).err == "no run is pinned\n");
}

TEST_CASE("an archive is set, shown and taken back") {
  const History history;
  const CliFolder folder;
  const CliResult set = history.run({"retention", "set", "--archive", folder.file("old")});
  CHECK(set.exit_code == kDone);
  CHECK_THAT(set.out, Contains("what goes is written to " + folder.file("old") + " first"));
  CHECK(std::filesystem::is_directory(folder.file("old")));
  const auto shown = parse(history.run({"retention", "show", "--json"}).out);
  CHECK(shown["policy"]["archive"] == folder.file("old").c_str());
  CHECK_THAT(history.run({"info"}).out, Contains("archive: " + folder.file("old")));
  CHECK(parse(history.run({"info", "--json"}).out)["archive"] == folder.file("old").c_str());
  const CliResult flow = history.run({"retention", "set", "--archive", "x", "--flow", "f"});
  CHECK(flow.exit_code == kUsage);
  CHECK_THAT(flow.err, Contains("--archive is the log's"));
  folder.write("file", "text");
  const CliResult bad = history.run({"retention", "set", "--archive", folder.file("file")});
  CHECK(bad.exit_code == kRefused);
  CHECK_THAT(bad.err, Contains("the archive cannot be used"));
  history.run({"retention", "set", "--archive", "none"});
  CHECK_FALSE(parse(history.run({"retention", "show", "--json"}).out)["policy"].HasMember("archive"));
}

TEST_CASE("a backup says what it copied, and can be read like any log", "[backup]") {
  const History history;
  const CliFolder folder;
  const CliResult copied = history.run({"backup", folder.file("copy")});
  CHECK(copied.exit_code == kDone);
  CHECK_THAT(copied.out, Contains("backed up 60 runs, ") && Contains(", to " + folder.file("copy")));
  CHECK(copied.err.empty());
  const std::vector<std::string> place = {"--data", folder.path().string(), "--tenant", "copy"};
  std::vector<std::string> read = {"list", "--json"};
  read.insert(read.end(), place.begin(), place.end());
  CHECK(parse(run_cli(read).out)["total"].GetInt() == 60);
  const CliResult again = history.run({"backup", folder.file("copy")});
  CHECK(again.exit_code == kRefused);
  CHECK_THAT(again.err, Contains("not an empty directory"));
  const auto answer = parse(history.run({"backup", folder.file("second"), "--json"}).out);
  CHECK(answer["runs"].GetInt() == 60);
  CHECK(answer["bytes"].GetInt() > 0);
}

TEST_CASE("retention's commands have help with an example each") {
  for (const char* command : {"show", "set", "sweep"}) {
    const CliResult help = run_cli({"retention", command, "--help"});
    CHECK(help.exit_code == kDone);
    CHECK_THAT(help.out, Contains("Example:\n  runlog retention ") && Contains("--data DIR"));
    CHECK(run_cli({"help", "retention", command}).out == help.out);
  }
}
