// `runlog forget`: what it removes, says, asks and refuses.
#include <catch2/catch.hpp>

#include "tests/cli_history.h"

using namespace runlog;
using Catch::Matchers::Contains;

namespace {

std::uint64_t total(const History& history) {
  return parse(history.run({"list", "--json"}).out)["total"].GetUint64();
}

}  // namespace

TEST_CASE("forget removes a user's runs, and a dry run only says so", "[forget]") {
  const History history;
  const auto planned = parse(history.run({"forget", "--user", "usr_1", "--dry-run", "--json"}).out);
  CHECK(planned["dryRun"].GetBool());
  CHECK(planned["runs"].GetInt() == 20);
  CHECK_THAT(history.run({"forget", "--user", "usr_1", "--dry-run"}).out,
             Contains("would forget 20 runs (20 records, "));
  CHECK(total(history) == 60);
  const CliResult done = history.run({"forget", "--user", "usr_1", "--yes"});
  INFO(done.err);
  CHECK(done.exit_code == kDone);
  CHECK_THAT(done.out, Contains("forgot 20 runs (20 records, ") && Contains("1 segment anew"));
  CHECK(total(history) == 40);
  CHECK(parse(history.run({"list", "--user", "usr_1", "--json"}).out)["total"].GetInt() == 0);
  const CliResult again = history.run({"forget", "--user", "usr_1", "--yes"});
  CHECK(again.exit_code == kDone);
  CHECK(again.out == "the log holds nothing of it\n");
  CHECK(history.run({"verify"}).exit_code == kDone);
}

TEST_CASE("forget takes runs by their ids, by record and by organization", "[forget]") {
  const std::string runs =
      R"({"runId":"a","flowName":"f","status":"completed","startedAt":"2026-10-20T00:00:00Z",)"
      R"("triggerObject":"crm_lead","triggerRecordId":"r/1"})" "\n"
      R"({"runId":"b","flowName":"f","status":"completed","startedAt":"2026-10-20T00:00:00Z",)"
      R"("organizationId":"acme"})" "\n"
      R"({"runId":"c","flowName":"f","status":"completed","startedAt":"2026-10-20T00:00:00Z"})" "\n"
      R"({"runId":"d","flowName":"f","status":"completed","startedAt":"2026-10-20T00:00:00Z"})" "\n";
  const History history(runs);
  const auto forgotten = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "forget");
    arguments.insert(arguments.end(), {"--yes", "--json"});
    const CliResult result = history.run(arguments);
    INFO(result.err);
    REQUIRE(result.exit_code == kDone);
    return parse(result.out)["runs"].GetInt();
  };
  CHECK(forgotten({"--record", "crm_deal/r/1"}) == 0);
  CHECK(forgotten({"--record", "crm_lead/r/1"}) == 1);
  CHECK(forgotten({"--organization", "acme"}) == 1);
  CHECK(forgotten({"--run", "a", "--run", "c", "--run", "d"}) == 2);
  CHECK(total(history) == 0);
}

TEST_CASE("forget asks on a terminal, and is refused elsewhere unless --yes is given", "[forget]") {
  const History history;
  const CliResult refused = history.run({"forget", "--user", "usr_1"});
  CHECK(refused.exit_code == kUsage);
  CHECK_THAT(refused.err, Contains("--yes"));
  for (const bool agree : {false, true}) {
    const std::vector<std::string> command = {"forget", "--user", "usr_1", "--data", history.data};
    const CliResult asked = run_cli_on_terminal(command, 100, {}, agree ? "y\n" : "n\n");
    CHECK_THAT(asked.out, Contains("forget 20 runs (20 records, ") && Contains("for good? [y/N]"));
    CHECK_THAT(asked.out, Contains(agree ? "forgot 20 runs" : "nothing was forgotten"));
    CHECK(asked.exit_code == (agree ? kDone : kRefused));
    CHECK(total(history) == (agree ? 40 : 60));
  }
}

TEST_CASE("forget wants exactly one kind of what to forget", "[forget]") {
  const History history;
  const std::vector<std::vector<std::string>> misused = {
      {},
      {"--user", "a", "--organization", "b"},
      {"--user", "a", "--run", "b"},
      {"--user", ""},
      {"--run", ""},
      {"--record", "crm_lead"},
      {"--record", "/1"},
      {"--record", "crm_lead/"}};
  for (const auto& arguments : misused) {
    std::vector<std::string> command = {"forget", "--yes"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const CliResult result = history.run(command);
    INFO(result.err);
    CHECK(result.exit_code == kUsage);
  }
  CHECK(total(history) == 60);
  CHECK(history.run({"forget", "--user", "a", "--yes", "--tenant", "nobody"}).exit_code == kRefused);
  CHECK_THAT(run_cli({"forget", "--help"}).out,
             Contains("Example:\n  runlog forget ") && Contains("--dry-run"));
}
