// `runlog paused …` as people and scripts meet it.
#include <catch2/catch.hpp>

#include <simdjson.h>

#include "tests/cli_process.h"
#include "tests/json_sorted.h"

namespace runlog {
namespace {

const std::string kPaused =
    R"({"runId":"run_1","flowName":"approval","nodeId":"hold","correlation":"c_1",)"
    R"("variables":{"a":[null,0,""]},"context":{"event":"manual","userId":"usr_1"},"odd":null})";
const std::string kOther = R"({"runId":"run_2","flowName":"other","nodeId":"hold"})";
const std::string kEnded =
    R"({"runId":"run_1","flowName":"approval","status":"completed",)"
    R"("startedAt":"2026-10-20T00:00:00.000Z"})";

CliResult paused(const CliFolder& folder, std::vector<std::string> arguments,
                 const std::string& input = "") {
  arguments.insert(arguments.begin(), "paused");
  arguments.insert(arguments.end(), {"--data", folder.file("data")});
  return run_cli(arguments, input);
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("paused runs can be saved, listed, shown, claimed, completed and deleted", "[cli]") {
  const CliFolder folder;
  const CliResult saved = paused(folder, {"save"}, kPaused + "\n" + kOther + "\n");
  CHECK(saved.err == "");
  CHECK(saved.out == "saved 2 runs, 0 refused\n");

  const CliResult listed = paused(folder, {"list"});
  CHECK(listed.exit_code == 0);
  CHECK(listed.out.find("run_2") < listed.out.find("run_1"));
  const CliResult shown = paused(folder, {"get", "run_1"});
  CHECK(has(shown.out, "at hold for c_1"));
  CHECK(has(shown.out, R"(variables: {"a":[null,0,""]})"));
  const CliResult json = paused(folder, {"get", "run_1", "--json"});
  CHECK(sorted_json(json.out) == sorted_json(kPaused));

  const std::vector<std::string> claim = {"claim", "run_1", "--node", "hold", "--correlation",
                                          "c_1", "--owner", "engine"};
  CHECK(paused(folder, claim).exit_code == 0);
  const CliResult lost = paused(folder, claim);
  CHECK(lost.exit_code == 1);
  CHECK(has(lost.err, "claimed by 'engine'"));

  CHECK(paused(folder, {"complete"}, kEnded).out == "completed 1 run, 0 refused\n");
  CHECK(paused(folder, {"complete"}, kEnded).exit_code == 0);
  const CliResult gone = paused(folder, {"get", "run_1"});
  CHECK(gone.exit_code == 1);
  CHECK(has(gone.err, "not paused"));
  CHECK(paused(folder, {"delete", "run_2"}).exit_code == 0);
  CHECK(paused(folder, {"delete", "run_2"}).exit_code == 1);
  CHECK(paused(folder, {"list"}).out == "no run is paused\n");
}

TEST_CASE("list and get show paused and running runs first", "[cli]") {
  const CliFolder folder;
  const std::string data = folder.file("data");
  CHECK(paused(folder, {"complete"}, kEnded).exit_code == 1);  // there is no log yet
  REQUIRE(paused(folder, {"save"}, kPaused + "\n" + kOther).exit_code == 0);
  std::string ended = kEnded;
  ended.replace(ended.find("run_1"), 5, "run_3");
  REQUIRE(run_cli({"import", "--data", data}, ended).exit_code == 0);
  REQUIRE(paused(folder, {"claim", "run_2", "--node", "hold", "--owner", "e"}).exit_code == 0);

  const auto ids = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"list", "--data", data, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const CliResult result = run_cli(arguments);
    CHECK(result.exit_code == 0);
    simdjson::dom::parser parser;
    std::string found;
    const simdjson::dom::element answer = parser.parse(result.out).value();
    const simdjson::dom::array runs = answer["runs"];
    for (const simdjson::dom::element run : runs)
      found += std::string(std::string_view(run["runId"])) + " ";
    return found;
  };
  CHECK(ids({}) == "run_2 run_1 run_3 ");
  CHECK(ids({"--status", "paused"}) == "run_1 ");
  CHECK(ids({"--status", "running,completed"}) == "run_2 run_3 ");
  CHECK(ids({"--user", "usr_1"}) == "run_1 ");
  CHECK(ids({"--since", "2020-01-01"}) == "run_3 ");
  CHECK(has(run_cli({"get", "run_1", "--data", data}).out, "paused"));
  // An export is what can be imported again.
  const CliResult exported = run_cli({"export", "--data", data});
  CHECK(has(exported.out, "run_3"));
  CHECK_FALSE(has(exported.out, "run_1"));
  CHECK(run_cli({"export", "--data", data, "--status", "paused"}).exit_code == 2);
}

TEST_CASE("a list of paused runs goes on where a page ended", "[cli]") {
  const CliFolder folder;
  std::string lines;
  for (int i = 0; i < 7; ++i)
    lines += R"({"runId":"run_)" + std::to_string(i) + R"(","flowName":"f"})" + "\n";
  REQUIRE(paused(folder, {"save"}, lines).exit_code == 0);
  std::string cursor, seen;
  simdjson::dom::parser parser;
  do {
    std::vector<std::string> arguments = {"list", "--json", "--limit", "3"};
    if (!cursor.empty()) arguments.insert(arguments.end(), {"--cursor", cursor});
    const CliResult page = paused(folder, arguments);
    REQUIRE(page.exit_code == 0);
    const simdjson::dom::element answer = parser.parse(page.out).value();
    const simdjson::dom::array runs = answer["runs"];
    for (const simdjson::dom::element run : runs)
      seen += std::string_view(run["runId"]).back();
    cursor = std::string(std::string_view(answer["nextCursor"]));
    CHECK(bool(answer["hasMore"]) == !cursor.empty());
  } while (!cursor.empty());
  CHECK(seen == "6543210");
}

TEST_CASE("what the paused commands cannot do they say, with the right exit code", "[cli]") {
  const CliFolder folder;
  CHECK(paused(folder, {"list"}).exit_code == 1);
  CHECK(paused(folder, {"claim", "run_1", "--owner", "e"}).exit_code == 1);
  CHECK(paused(folder, {"delete", "run_1"}).exit_code == 1);
  CHECK_FALSE(std::filesystem::exists(folder.file("data")));
  CHECK(paused(folder, {"claim", "run_1"}).exit_code == 2);
  CHECK(paused(folder, {"frobnicate"}).exit_code == 2);
  CHECK(paused(folder, {"list", "--cursor", "x"}).exit_code == 2);
  const CliResult refused = paused(folder, {"save"}, "{\"runId\":\"r\"}\n" + kPaused + "\nnot JSON\n");
  CHECK(refused.exit_code == 1);
  CHECK(has(refused.err, "<stdin>:1: field 'flowName' is missing"));
  CHECK(has(refused.err, "<stdin>:3: "));
  CHECK(refused.out == "saved 1 run, 2 refused\n");
  CHECK(paused(folder, {"save", folder.file("nothing")}).exit_code != 0);
  const CliResult help = run_cli({"paused", "claim", "--help"});
  CHECK(help.exit_code == 0);
  CHECK(has(help.out, "runlog paused claim run_"));
}

}  // namespace runlog
