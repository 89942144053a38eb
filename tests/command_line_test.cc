// The real program on small inputs: what it prints, what it refuses, and its exit codes.
#include <map>
#include <sstream>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <rapidjson/document.h>
#include <zlib.h>
#include <zstd.h>

#include "log/log.h"
#include "log/run_json.h"
#include "server/display_text.h"
#include "tests/cli_process.h"

using namespace runlog;
using Catch::Matchers::Contains;

namespace {

constexpr int kDone = 0, kRefused = 1, kUsage = 2, kBroken = 3;

rapidjson::Document parse(const std::string& json) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseFullPrecisionFlag>(json.data(), json.size());
  INFO(json);
  REQUIRE_FALSE(document.HasParseError());
  return document;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// A run that started `minute` minutes after 2026-10-20T00:00Z and took a second.
std::string run_line(int number, const std::string& flow, int minute,
                     const std::string& error = "") {
  const std::string start = format_time(1'792'454'400'000 + minute * 60'000);
  const std::string end = format_time(1'792'454'400'000 + minute * 60'000 + 1000);
  std::string line = fmt::format(
      R"({{"runId":"run_{:04}","flowName":"{}","status":"{}","startedAt":"{}","finishedAt":"{}",)"
      R"("durationMs":1000,"triggerType":"api","userId":"usr_{}")",
      number, flow, error.empty() ? "completed" : "failed", start, end, number % 3);
  if (!error.empty()) line += fmt::format(R"(,"error":"{}","nodeId":"write")", error);
  return line + "}\n";
}

// 60 runs of two flows, every tenth failed.
std::string sixty_runs() {
  std::string text;
  for (int i = 0; i < 60; ++i) {
    text += run_line(i, i % 2 == 0 ? "lead_routing" : "invoice_dunning", i,
                     i % 10 == 9 ? fmt::format("Record {} not found", i) : "");
  }
  return text;
}

// A folder with a log of sixty runs.
struct History {
  CliFolder folder;
  std::string data = folder.file("history");
  explicit History(const std::string& runs = sixty_runs()) {
    const CliResult imported = run_cli({"import", "--data", data, folder.write("in.ndjson", runs)});
    INFO(imported.err);
    REQUIRE(imported.exit_code == kDone);
  }
  CliResult run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--data", data});
    return run_cli(arguments);
  }
};

std::vector<std::string> ids_of(const rapidjson::Value& page) {
  std::vector<std::string> ids;
  for (const auto& run : page["runs"].GetArray()) ids.push_back(run["runId"].GetString());
  return ids;
}

}  // namespace

TEST_CASE("every command has help with an example, and no command prints help") {
  const CliResult plain = run_cli({});
  CHECK(plain.exit_code == kDone);
  for (const char* command :
       {"import", "export", "list", "get", "stats", "groups", "verify", "info"}) {
    CHECK_THAT(plain.out, Contains(command));
    const CliResult help = run_cli({command, "--help"});
    CHECK(help.exit_code == kDone);
    CHECK_THAT(help.out, Contains("Example:\n  runlog ") && Contains("--data DIR"));
    CHECK(run_cli({"help", command}).out == help.out);
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
      {{"list", "--data", "d", "--status", "paused"}, "'paused' is not one of completed"},
      {{"list", "--data", "d", "--record", "r"}, "--object"},
      {{"list", "--data", "d", "--label", "x"}, "'x' is not KEY=VALUE"},
      {{"list", "--data", "d", "--flow", ""}, "empty"},
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

TEST_CASE("import counts what it stored, superseded, knew already and refused") {
  const History history;
  const std::string other = run_line(3, "lead_routing", 3, "changed") +
                            run_line(4, "lead_routing", 4) + run_line(60, "lead_routing", 60) +
                            "nonsense\n";
  const CliResult result = run_cli({"import", "--data", history.data, "-"}, other);
  CHECK(result.exit_code == kRefused);
  CHECK_THAT(result.out, Catch::StartsWith("imported 3 runs ("));
  CHECK_THAT(result.out, Contains(": 1 new, 1 superseding, 1 already there, 1 refused; "
                                  "the log holds 61 runs in "));
  CHECK_THAT(result.err, Catch::StartsWith("<stdin>:4: "));
  CHECK(parse(history.run({"list", "--json"}).out)["total"].GetInt() == 61);
}

TEST_CASE("refused lines are named with line, field and limit, and the others go in") {
  const CliFolder folder;
  const auto with = [](const std::string& member) {
    return R"({"runId":"r","flowName":"f","status":"failed","startedAt":"2026-10-20T00:00:00Z")" +
           (member.empty() ? "" : "," + member) + "}";
  };
  const std::vector<std::pair<std::string, std::string>> refused = {
      {"{not json", ""},
      {"[]", ""},
      {R"({"flowName":"f","status":"failed","startedAt":"2026-10-20T00:00:00Z"})", "runId"},
      {R"({"runId":"r","status":"failed","startedAt":"2026-10-20T00:00:00Z"})", "flowName"},
      {R"({"runId":"r","flowName":"f","startedAt":"2026-10-20T00:00:00Z"})", "status"},
      {R"({"runId":"r","flowName":"f","status":"paused","startedAt":"2026-10-20T00:00:00Z"})",
       "'paused'"},
      {R"({"runId":"r","flowName":"f","status":"failed"})", "startedAt"},
      {R"({"runId":"r","flowName":"f","status":"failed","startedAt":"yesterday"})", "startedAt"},
      {R"({"runId":")" + std::string(2000, 'x') +
           R"(","flowName":"f","status":"failed","startedAt":"2026-10-20T00:00:00Z"})", "1024"},
      {with("\"userId\":\"\xFF\""), ""},
      {with("\"note\":\"" + std::string(9 << 20, 'x') + "\""), "8,388,608"}};
  std::string input;
  for (const auto& [line, field] : refused) input += line + "\n";
  input += with("") + "\n";
  const std::string file = folder.write("in.ndjson", input);
  const CliResult result = run_cli({"import", "--data", folder.file("history"), file});
  CHECK(result.exit_code == kRefused);
  CHECK_THAT(result.out, Contains(fmt::format("1 new, 0 superseding, 0 already there, {} refused",
                                              refused.size())));
  const auto errors = lines_of(result.err);
  REQUIRE(errors.size() == refused.size());
  for (std::size_t i = 0; i < refused.size(); ++i) {
    CHECK_THAT(errors[i], Catch::StartsWith(fmt::format("{}:{}: ", file, i + 1)) &&
                              Contains(refused[i].second));
  }
}

TEST_CASE("a million equal complaints are cut short, but counted") {
  const CliFolder folder;
  std::string input;
  for (int i = 0; i < 250; ++i) input += "nonsense\n";
  const CliResult result = run_cli({"import", "--data", folder.file("history")}, input);
  CHECK(result.exit_code == kRefused);
  CHECK(lines_of(result.err).size() == 101);
  CHECK_THAT(result.err, Contains("... and 150 lines more refused"));
  CHECK_THAT(result.out, Contains("250 refused"));
}

TEST_CASE("import reads zstd, gzip and several files; a missing one does not stop the others") {
  const CliFolder folder;
  std::string packed(10'000, '\0');
  const std::string first = run_line(1, "a", 1), second = run_line(2, "b", 2);
  packed.resize(ZSTD_compress(packed.data(), packed.size(), first.data(), first.size(), 1));
  const std::string zst = folder.write("one.zst", packed), gz = folder.file("two.gz");
  gzFile out = ::gzopen(gz.c_str(), "wb");
  ::gzwrite(out, second.data(), unsigned(second.size()));
  ::gzclose(out);
  const CliResult result = run_cli({"import", "--data", folder.file("history"), zst,
                                    folder.file("missing"), gz});
  CHECK(result.exit_code == kRefused);
  CHECK_THAT(result.err, Contains(folder.file("missing") + " could not be opened"));
  CHECK_THAT(result.out, Contains("2 new"));
}

TEST_CASE("a compressed file that is cut off ends with 3 after what could be read was stored") {
  const CliFolder folder;
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += run_line(i, "a", i);
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 1));
  packed.resize(packed.size() * 9 / 10);
  const CliResult result =
      run_cli({"import", "--data", folder.file("history"), folder.write("cut.zst", packed)});
  CHECK(result.exit_code == kBroken);
  CHECK_THAT(result.err, Contains("it ends within a frame") && Contains("safely stored"));
  const CliResult stored = run_cli({"list", "--json", "--data", folder.file("history")});
  CHECK(parse(stored.out)["total"].GetInt() > 1000);
}

TEST_CASE("real runs come out of export as they went into import") {
  const std::string input =
      read_text(std::filesystem::path(RUNLOG_TEST_DATA_DIR) / "sample-runs.ndjson");
  REQUIRE_FALSE(input.empty());
  const History history(input);
  const CliResult exported = history.run({"export"});
  CHECK(exported.exit_code == kDone);
  const auto before = lines_of(input), after = lines_of(exported.out);
  REQUIRE(before.size() == after.size());
  std::size_t different = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    rapidjson::Document in = parse(before[i]), out = parse(after[i]);
    if (in.HasMember("error") && in["error"].IsString()) {
      // Normalised: a bare string becomes the message of {code, message, nodeId}.
      REQUIRE(out["error"].IsObject());
      CHECK(out["error"]["message"] == in["error"]);
      in.RemoveMember("error");
      out.RemoveMember("error");
    }
    if (in == out) continue;
    if (++different > 3) continue;
    UNSCOPED_INFO("in:  " << before[i] << "\nout: " << after[i]);
  }
  CHECK(different == 0);
}

TEST_CASE("4-byte characters, escapes and unknown fields survive") {
  const std::string line =
      R"({"runId":"r1","flowName":"客户👍","status":"cancelled",)"
      R"("startedAt":"2026-10-20T00:00:00.000Z","future":{"a":[1,null,"\u0000\"\\"]},"userId":null,"steps":[],"nodeId":""})";
  const History history(line + "\n");
  CHECK(parse(history.run({"export"}).out) == parse(line));
  CHECK(parse(history.run({"get", "r1", "--json"}).out) == parse(line));
  CHECK_THAT(history.run({"get", "r1"}).out, Contains("客户👍") && Contains("\"future\""));
}

TEST_CASE("export filters, and writes a file as a whole") {
  const History history;
  const std::string file = history.folder.write("out.ndjson", "before");
  const CliResult result = history.run({"export", "--status", "failed", "--output", file});
  CHECK(result.exit_code == kDone);
  CHECK_THAT(result.out, Contains("exported 6 runs"));
  const auto lines = lines_of(read_text(file));
  REQUIRE(lines.size() == 6);
  CHECK(parse(lines.front())["runId"] == "run_0009");
  CHECK(parse(lines.back())["runId"] == "run_0059");

  const CliResult failed = history.run({"export", "--output", "/nowhere/at/all"});
  CHECK(failed.exit_code == kBroken);
  CHECK_THAT(failed.err, Contains("/nowhere/at/all could not be written"));
}

TEST_CASE("a reader that goes away is no error, a full device is") {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += run_line(i, "a", i);
  const History history(text);
  const CliResult piped = run_shell("\"$RUNLOG\" export --data " + history.data + " | head -n 1");
  CHECK(piped.exit_code == 0);
  CHECK(piped.err.empty());
  CHECK(lines_of(piped.out).size() == 1);
  const CliResult full = run_shell("\"$RUNLOG\" export --data " + history.data + " > /dev/full");
  CHECK(full.exit_code == kBroken);
  CHECK_THAT(full.err, Contains("No space left on device"));
}

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

TEST_CASE("every filter option reaches the query") {
  const History history(
      sixty_runs() +
      R"({"runId":"special","flowName":"f","status":"timed_out",)"
      R"("startedAt":"2026-10-21T00:00:00Z","finishedAt":"2026-10-21T01:00:00Z","triggerType":"schedule","triggerObject":"crm_deal",)"
      R"("triggerRecordId":"rec_1","userId":"usr_x","organizationId":"acme",)"
      R"("error":{"code":"E_TIME","message":"Zeit ist um","nodeId":"wait"}})" "\n");
  const std::vector<std::vector<std::string>> special = {
      {"--flow", "f"}, {"--flow", "f,g"}, {"--flow", "f", "--flow", "g"},
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

TEST_CASE("a list without runs says why") {
  const History history;
  const CliResult unknown = history.run({"list", "--flow", "lead_routing,lead_ruting"});
  CHECK_THAT(unknown.out, !Contains("no run of the flow"));
  const auto answer = [&](std::vector<std::string> filter) {
    filter.insert(filter.begin(), "list");
    const CliResult result = history.run(filter);
    CHECK(result.exit_code == kDone);
    return result.out;
  };
  CHECK(answer({"--flow", "lead_ruting"}) == "no run of the flow 'lead_ruting' is in the log\n");
  CHECK_THAT(answer({"--since", "2030-01-01"}),
             Contains("no run matches; the newest of all 60 runs started 2026-10-20 00:59:00.000"));
  const CliFolder folder;
  CHECK(run_cli({"import", "--data", folder.file("history")}).exit_code == kDone);
  CHECK(run_cli({"list", "--data", folder.file("history")}).out == "the log holds no runs\n");
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

TEST_CASE("tenants see only their own log") {
  const History history;
  const CliResult imported = run_cli({"import", "--data", history.data, "--tenant", "acme"},
                                     run_line(1, "acme_flow", 1));
  CHECK(imported.exit_code == kDone);
  CHECK(parse(history.run({"list", "--json", "--tenant", "acme"}).out)["total"].GetInt() == 1);
  CHECK(parse(history.run({"list", "--json"}).out)["total"].GetInt() == 60);
}

TEST_CASE("reading works beside a writer, a second writer is told who holds the log") {
  const CliFolder folder;
  const std::string data = folder.file("history");
  auto log = Log::open(std::filesystem::path(data) / "default");
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

TEST_CASE("verify finds a sound log sound and a damaged one damaged, and repairs it") {
  const History history;
  const CliResult sound = history.run({"verify"});
  INFO(sound.out << sound.err);
  CHECK(sound.exit_code == kDone);
  CHECK_THAT(sound.out, Contains("no damage: 1 segment, 60 records"));

  std::filesystem::path file;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(history.data)) {
    if (entry.path().filename() == "data.mdb" &&
        entry.path().string().find("/segments/") != std::string::npos) {
      file = entry.path();
    }
  }
  REQUIRE_FALSE(file.empty());
  std::string bytes = read_text(file);
  const std::size_t at = bytes.find("Record 59 not found");
  REQUIRE(at != std::string::npos);
  bytes[at] = 'X';
  std::ofstream(file, std::ios::binary) << bytes;
  const CliResult damaged = history.run({"verify"});
  CHECK(damaged.exit_code == kBroken);
  CHECK_THAT(damaged.out, Contains("damage: ") && Contains("data.mdb"));
  CHECK(history.run({"list", "--status", "failed"}).exit_code == kBroken);

  const CliResult repaired = history.run({"verify", "--repair"});
  INFO(repaired.out << repaired.err);
  CHECK(repaired.exit_code == kDone);
  CHECK_THAT(repaired.out, Contains("repair: ") && Contains("repaired: "));
  CHECK(history.run({"verify"}).exit_code == kDone);
  // What is gone is gone, and every answer says so.
  const auto page = parse(history.run({"list", "--json"}).out);
  CHECK(page["total"].GetInt() == 59);
  CHECK(page["incomplete"].GetBool());
  CHECK(history.run({"export"}).exit_code == kBroken);
}
