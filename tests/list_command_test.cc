// `runlog list`: filters, pages and the table.
#include <algorithm>

#include <catch2/catch.hpp>

#include "server/display_text.h"
#include "tests/cli_history.h"

using namespace runlog;
using Catch::Matchers::Contains;

TEST_CASE("list gives one JSON object, newest first, filtered before the limit") {
  const History history;
  const auto page = parse(history.run({"list", "--json", "--limit", "3"}).out);
  CHECK(ids_of(page) == std::vector<std::string>{"run_0059", "run_0058", "run_0057"});
  CHECK(page["hasMore"].GetBool());
  CHECK(page["total"].GetInt() == 60);
  CHECK(page["runs"][0]["status"] == "failed");
  CHECK(page["runs"][0]["error"]["message"] == "Record 59 not found");
  CHECK_FALSE(page.HasMember("incomplete"));

  const auto all = parse(history.run({"list", "--json", "--limit", "60"}).out);
  CHECK_FALSE(all["hasMore"].GetBool());
  CHECK(all["nextCursor"] == "");

  const auto oldest = parse(history.run({"list", "--json", "--limit", "1", "--oldest-first"}).out);
  CHECK(ids_of(oldest) == std::vector<std::string>{"run_0000"});
}

TEST_CASE("list gives error messages whole, however long, as get does") {
  const std::string message = "起" + std::string(2000, 'x') + " end";
  const History history(run_line(1, "f", 1, message) + run_line(2, "f", 2, "short"));
  const auto page = parse(history.run({"list", "--json"}).out);
  CHECK(page["runs"][0]["error"]["message"] == "short");
  CHECK(page["runs"][1]["error"]["message"] == message.c_str());
}

TEST_CASE("every filter option reaches the query") {
  const History history(
      sixty_runs() +
      R"({"runId":"special","flowName":"f","status":"timed_out",)"
      R"("startedAt":"2026-10-21T00:00:00Z","finishedAt":"2026-10-21T01:00:00Z","triggerType":"schedule","triggerObject":"crm_deal",)"
      R"("triggerRecordId":"rec_1","userId":"usr_x","organizationId":"acme",)"
      R"("error":{"code":"E_TIME","message":"Zeit ist um","nodeId":"wait"}})" "\n");
  const std::vector<std::vector<std::string>> special = {
      {"--flow", "f"}, {"--flow", "f", "--flow", "g"},
      {"--status", "timed_out"}, {"--status", "timed-out,cancelled"},
      {"--trigger-type", "schedule"}, {"--object", "crm_deal"},
      {"--object", "crm_deal", "--record", "rec_1"}, {"--user", "usr_x"},
      {"--organization", "acme"}, {"--node", "wait"}, {"--error-code", "E_TIME"},
      {"--error-text", "zeit IST"}, {"--since", "2026-10-21T01:00:00Z"}, {"--since", "2026-10-21"},
      {"--started-since", "2026-10-21T00:00:00Z"}, {"--error", "Zeit ist um"}};
  for (std::vector<std::string> filter : special) {
    INFO(filter[0] << " " << filter[1]);
    filter.insert(filter.begin(), {"list", "--json"});
    const auto page = parse(history.run(filter).out);
    CHECK(ids_of(page) == std::vector<std::string>{"special"});
    CHECK(page["total"].GetInt() == 1);
  }
  const auto total = [&](std::vector<std::string> filter) {
    filter.insert(filter.begin(), {"list", "--json"});
    return parse(history.run(filter).out)["total"].GetInt();
  };
  CHECK(total({"--until", "2026-10-20T00:00:01Z"}) == 1);  // both ends are inclusive
  CHECK(total({"--until", "2026-10-20"}) == 60);
  CHECK(total({"--started-until", "2026-10-20T00:05:00Z"}) == 6);
  CHECK(total({"--flow", "lead_routing", "--status", "failed"}) == 0);
  CHECK(total({"--flow", "invoice_dunning", "--status", "failed", "--user", "usr_0"}) == 2);
  CHECK(total({"--flow", "no_such_flow"}) == 0);
}

TEST_CASE("a flow whose name has a comma can be asked for") {
  const History history(run_line(1, "orders, monthly", 1) + run_line(2, "orders", 2));
  const auto page = parse(history.run({"list", "--json", "--flow", "orders, monthly"}).out);
  CHECK(ids_of(page) == std::vector<std::string>{"run_0001"});
}

TEST_CASE("cursors lead through all pages once, and one of another filter is refused") {
  const History history;
  std::vector<std::string> seen;
  std::string cursor;
  do {
    std::vector<std::string> arguments = {"list",   "--json", "--limit", "7",
                                          "--flow", "lead_routing"};
    if (!cursor.empty()) arguments.insert(arguments.end(), {"--cursor", cursor});
    const auto page = parse(history.run(arguments).out);
    CHECK(page["total"].GetInt() == 30);
    for (const std::string& id : ids_of(page)) seen.push_back(id);
    cursor = page["nextCursor"].GetString();
    CHECK(page["hasMore"].GetBool() == !cursor.empty());
    if (seen.size() == 7) {
      const CliResult foreign =
          history.run({"list", "--json", "--flow", "invoice_dunning", "--cursor", cursor});
      CHECK(foreign.exit_code == kRefused);
      CHECK_THAT(foreign.err, Contains("cursor"));
    }
  } while (!cursor.empty());
  REQUIRE(seen.size() == 30);
  CHECK(std::is_sorted(seen.rbegin(), seen.rend()));
  CHECK(seen.front() == "run_0058");
  CHECK(history.run({"list", "--cursor", "garbage"}).exit_code == kRefused);
}

TEST_CASE("pages of a time that moves with the clock follow each other") {
  const History history;
  std::size_t seen = 0, pages = 0;
  for (std::string cursor; pages < 4 && (pages == 0 || !cursor.empty()); ++pages) {
    std::vector<std::string> arguments = {"list", "--json", "--limit", "25", "--since", "9000d"};
    if (!cursor.empty()) arguments.insert(arguments.end(), {"--cursor", cursor});
    const CliResult result = history.run(arguments);
    REQUIRE(result.exit_code == kDone);
    const auto page = parse(result.out);
    seen += ids_of(page).size();
    cursor = page["nextCursor"].GetString();
  }
  CHECK(pages == 3);
  CHECK(seen == 60);
}

TEST_CASE("the table's last line is the command for the next page") {
  const History history;
  const CliResult first = run_cli_on_terminal(
      {"list", "--data", history.data, "--limit", "2", "--error-text", "not found"}, 200);
  CHECK(first.exit_code == kDone);
  const std::string marker = "the next: ";
  const auto at = first.out.find(marker);
  REQUIRE(at != std::string::npos);
  CHECK_THAT(first.out, Contains("2 of 6 matching runs"));
  std::string command = first.out.substr(at + marker.size());
  command.resize(command.find_first_of("\x1b\n"));
  const CliResult next = run_shell(command);
  CHECK(next.exit_code == kDone);
  CHECK_THAT(next.out, Contains("run_0039") && Contains("run_0029") && !Contains("run_0049"));
}

TEST_CASE("tables fit every terminal, coloured there and plain in a pipe") {
  std::string runs = sixty_runs();
  runs += run_line(60, "客户跟进流程", 60, "连接超时 " + std::string(300, 'x'));
  const History history(runs);
  for (const unsigned columns : {60u, 80u, 100u, 120u, 160u, 240u}) {
    INFO(columns);
    const CliResult shown =
        run_cli_on_terminal({"list", "--data", history.data}, columns, {"NO_COLOR=1"});
    CHECK(shown.out.find('\x1b') == std::string::npos);
    const auto lines = lines_of(shown.out);
    REQUIRE(lines.size() > 20);
    // The last line holds a command to copy, which may be longer than the terminal.
    for (std::size_t i = 0; i + 1 < lines.size(); ++i) CHECK(display_width(lines[i]) <= columns);
    CHECK_THAT(shown.out, Contains("run_0060"));
  }
  CHECK_THAT(run_cli_on_terminal({"list", "--data", history.data}, 120).out, Contains("\x1b[31m"));
  const CliResult piped = history.run({"list"});
  CHECK(piped.out.find('\x1b') == std::string::npos);
  CHECK_THAT(piped.out, Contains(std::string(300, 'x')));
}

TEST_CASE("a list without runs says why") {
  const History history;
  const CliResult unknown =
      history.run({"list", "--flow", "lead_routing", "--flow", "lead_ruting"});
  CHECK_THAT(unknown.err, !Contains("no run of the flow"));
  const auto answer = [&](std::vector<std::string> filter) {
    filter.insert(filter.begin(), "list");
    const CliResult result = history.run(filter);
    CHECK(result.exit_code == kDone);
    CHECK(result.out.empty());  // a pipe gets rows only
    return result.err;
  };
  CHECK(answer({"--flow", "lead_ruting"}) == "no run of the flow 'lead_ruting' is in the log\n");
  CHECK_THAT(answer({"--since", "2030-01-01"}),
             Contains("no run matches; the newest of all 60 runs started 2026-10-20 00:59:00.000"));
  const CliFolder folder;
  CHECK(run_cli({"import", "--data", folder.file("history")}).exit_code == kDone);
  CHECK(run_cli({"list", "--data", folder.file("history")}).err == "the log holds no runs\n");
  CHECK_THAT(run_cli_on_terminal({"list", "--data", folder.file("history")}, 80).out,
             Contains("the log holds no runs"));
}
