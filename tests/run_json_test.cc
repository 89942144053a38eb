#include "log/run_json.h"

#include <simdjson.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "tests/json_sorted.h"
#include "tests/sample_run.h"

namespace runlog {
namespace {

struct Parsed {
  TextArena arena;
  Run run;
  explicit Parsed(std::string_view json) {
    RunJsonParser parser;
    const Expected<void> done = parser.parse(json, arena, run);
    INFO((done ? "" : done.error().message));
    REQUIRE(done);
  }
};

Error refusal(std::string_view json) {
  RunJsonParser parser;
  TextArena arena;
  Run run;
  const Expected<void> done = parser.parse(json, arena, run);
  REQUIRE_FALSE(done);
  return done.error();
}

constexpr std::string_view kRequired =
    R"("runId":"r","flowName":"f","status":"failed","startedAt":"2026-10-20T00:00:00.000Z")";

std::string with(std::string_view members) {
  return "{" + std::string(kRequired) + (members.empty() ? "" : ",") + std::string(members) + "}";
}

// Through the parser, a record and the writer.
std::string through_record(const std::string& json, NameTable& names) {
  const Parsed parsed(json);
  EncodedRun encoded;
  const Expected<void> done = encode_run(parsed.run, names, nullptr, RunLimits(), encoded);
  INFO((done ? "" : done.error().message));
  REQUIRE(done);
  finish_record(encoded.bytes, 1, 0, 0);
  TextArena arena;
  Run run;
  REQUIRE(decode_run(encoded.bytes, 1, names, nullptr, arena, run));
  CHECK(run == parsed.run);
  std::string out;
  write_json(run, out);
  return out;
}

void check_same(const std::string& json) {
  INFO(json);
  NameTable names;
  CHECK(sorted_json(through_record(json, names)) == sorted_json(json));
}

// What comes in with a bare text as the run's error goes out with an object.
std::string normalised(const std::string& in, const std::string& out) {
  simdjson::dom::parser parser;
  simdjson::dom::element run = parser.parse(in).value();
  simdjson::dom::element error;
  if (run["error"].get(error) != simdjson::SUCCESS || !error.is_string()) return in;
  simdjson::dom::parser out_parser;
  const simdjson::dom::element written = out_parser.parse(out)["error"].value();
  CHECK(simdjson::minify(written["message"].value()) == simdjson::minify(error));
  std::string result = in;
  const std::string bare = "\"error\":" + std::string(simdjson::minify(error));
  const std::size_t at = result.find(bare);
  REQUIRE(at != std::string::npos);
  return result.replace(at, bare.size(), "\"error\":" + std::string(simdjson::minify(written)));
}

void check_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  REQUIRE(file);
  NameTable names;
  std::string line;
  std::size_t lines = 0, failed = 0;
  while (std::getline(file, line)) {
    const std::string out = through_record(line, names);
    if (sorted_json(out) != sorted_json(normalised(line, out))) {
      FAIL_CHECK("line " << lines + 1 << ": " << line);
    }
    failed += line.find("\"status\":\"failed\"") != std::string::npos;
    ++lines;
  }
  CHECK(lines >= 250);
  CHECK(failed >= 25);
}

}  // namespace

TEST_CASE("the sample of real runs comes back JSON-equal") {
  check_file(std::filesystem::path(RUNLOG_TEST_DATA_DIR) / "sample-runs.ndjson");
}

TEST_CASE("a bare error becomes an object with the place where the failure began") {
  const Parsed parsed(with(
      R"("error":"Node 'b' failed: no","steps":[
      {"nodeId":"each","status":"failure","error":{"code":"EXECUTION_ERROR","message":"Node 'b' failed: no"}},
      {"nodeId":"b","parentNodeId":"each","status":"failure","error":{"code":"NODE_FAILURE","message":"no"}}])"));
  CHECK(parsed.run.error->message == "Node 'b' failed: no");
  CHECK(parsed.run.error->code == "NODE_FAILURE");
  CHECK(parsed.run.error->node_id == "b");
}

TEST_CASE("absent, null, zero, empty and unknown come back as they were, at every level") {
  for (const char* field :
       {"flowVersion", "finishedAt", "durationMs", "startTime", "userId", "organizationId",
        "triggerType", "triggerObject", "triggerRecordId", "triggerRecord", "nodeId", "steps",
        "summary", "consumedSuspension", "labels", "error", "newField"}) {
    for (const char* value : {"null", "0", "1.5", "true", "[]", "{}", "[1,{}]", "{\"x\":null}"}) {
      const bool is_time = std::string(field) == "finishedAt" && std::string(value) == "0";
      if (!is_time) check_same(with("\"" + std::string(field) + "\":" + value));
    }
    if (std::string(field) != "error") check_same(with("\"" + std::string(field) + "\":\"\""));
  }
  for (const char* field :
       {"nodeId", "nodeType", "nodeLabel", "status", "startedAt", "completedAt", "durationMs",
        "error", "metrics", "parentNodeId", "regionKind", "iteration", "branch", "retryAttempt",
        "warnings", "skippedBy", "newField"}) {
    for (const char* value : {"null", "0", "-3", "1.0", "true", "\"\"", "\"x\"", "[]", "{}",
                              "[\"w\"]", "{\"selected\":0,\"code\":\"c\",\"nodeId\":\"n\",\"new\":[]}"}) {
      check_same(with("\"steps\":[{\"" + std::string(field) + "\":" + value + "}]"));
    }
  }
}

TEST_CASE("summaries with members missing, of other types or unknown come back as they were") {
  const std::string full =
      R"({"selected":1,"acted":2,"skipped":3,"unmeasured":4,"failed":5,"nodes":[
      {"nodeId":"a","nodeType":"t","nodeLabel":"","status":"skipped","runs":1,"failures":0,"skipped":0,"unmeasured":2}],
      "gates":[{"nodeId":"g","targetNodeId":"a","skipped":1,"label":"L"}],"detailOmitted":false})";
  check_same(with("\"summary\":" + full));
  for (const auto& [from, to] : std::map<std::string, std::string>{
           {"\"unmeasured\":4,", ""}, {"\"failed\":5", "\"failed\":null"},
           {"\"selected\":1", "\"selected\":1.5"}, {"\"runs\":1", "\"runs\":1,\"new\":2"},
           {"\"status\":\"skipped\"", "\"status\":\"odd\""}, {"\"nodeType\":\"t\",", ""},
           {"\"targetNodeId\":\"a\",", ""}, {"\"detailOmitted\":false", "\"detailOmitted\":1"},
           {"\"acted\":2", "\"acted\":2,\"extra\":{}"}}) {
    std::string changed = full;
    changed.replace(changed.find(from), from.size(), to);
    check_same(with("\"summary\":" + changed));
  }
  const Parsed older(with(R"("summary":{"selected":7,"acted":1,"skipped":0,"nodes":[],"gates":[]})"));
  CHECK(older.run.summary->selected == 7);
}

TEST_CASE("a consumed suspension comes back whole") {
  check_same(with(R"("consumedSuspension":{"runId":"r","flowName":"f","flowVersion":2,"nodeId":"n",
    "nodeType":"hold","variables":{"a":null,"$x":[1,2.5,"…"]},"steps":[{"nodeId":"start"}],
    "context":{},"startedAt":"2026-10-19T23:00:00.000Z","startTime":1792454660000,
    "correlation":"c","screen":null,"newer":{"k":1}})"));
  check_same(with(R"("consumedSuspension":{"runId":"other","flowName":"f"})"));
  check_same(with(R"("consumedSuspension":{"runId":5,"flowName":"f"})"));
}

TEST_CASE("characters of four bytes, escapes and NUL survive") {
  check_same(with(R"("userId":"𝄞 \"q\" \\ \/ \b\f\n\r\t \u0000 \u001f \ud834\udd1e 邮件",
    "new\u0000\"key":"\u0000","labels":{"k":"=\u0000"})"));
}

TEST_CASE("step times with digits below a millisecond or an offset are kept") {
  check_same(with(R"("steps":[{"startedAt":"2026-10-20T00:00:00.123456Z","completedAt":"yesterday"}])"));
  const Parsed parsed(with(R"("steps":[{"startedAt":"2026-10-20T02:00:00.5+02:00"}])"));
  CHECK(parsed.run.steps->front().started_at == parsed.run.started_at + 500);
  CHECK(parsed.run.steps->front().extra_json.empty());
}

TEST_CASE("a run's own times may be milliseconds since 1970") {
  const Parsed parsed(
      R"({"runId":"r","flowName":"f","status":"timed_out","startedAt":1000,"finishedAt":2000})");
  CHECK(parsed.run.started_at == 1000);
  CHECK(parsed.run.finished_at == 2000);
  CHECK(parsed.run.status == RunStatus::kTimedOut);
}

TEST_CASE("labels are an object of texts and anything else is kept beside") {
  const Parsed parsed(with(R"("labels":{"env":"prod","team":"","env":"test"})"));
  REQUIRE(parsed.run.labels.size() == 2);
  CHECK(parsed.run.labels[0] == std::pair<Text, Text>("env", "test"));
  CHECK(Parsed(with(R"("labels":{"a=b":"c"})")).run.labels.empty());
  check_same(with(R"("labels":{"a=b":"c"})"));
  check_same(with(R"("labels":{"a":1})"));
}

TEST_CASE("of a name that stands twice in an object the last value counts") {
  const Parsed parsed(with(
      R"("userId":null,"userId":"second","durationMs":1,"durationMs":null,"steps":[{"nodeId":"a","nodeId":"b"}])"));
  CHECK(parsed.run.user_id == "second");
  CHECK_FALSE(parsed.run.duration_ms);
  CHECK(parsed.run.extra_json == R"({"durationMs":null})");
  CHECK(parsed.run.steps->front().node_id == "b");
}

TEST_CASE("half a surrogate pair, which UTF-8 cannot say, becomes the replacement character") {
  NameTable names;
  const std::string json = with(R"("userId":"cut \ud83d","x":["\udc00","\ud83d\u0041","\ud83d\ude00",)"
                                R"("\\ud83d"],"\ud83d":1)");
  CHECK(sorted_json(through_record(json, names)) ==
        sorted_json(with(R"("userId":"cut \ufffd","x":["\ufffd","\ufffd\u0041","\ud83d\ude00",)"
                    R"("\\ud83d"],"\ufffd":1)")));
  for (const char* half : {R"("x\udc00")", R"("\ud83dx")", R"("\ud83d\u0041")", R"("\ud83d")"}) {
    INFO(half);
    const std::string alone = with("\"userId\":" + std::string(half));
    CHECK_THAT(through_record(alone, names), Catch::Contains("\xEF\xBF\xBD"));
  }
}

TEST_CASE("an integer beyond 64 bits becomes a double, a number beyond a double is refused") {
  NameTable names;
  const std::string json = with(
      R"("x":[123456789012345678901234,-9223372036854775809,18446744073709551615,1e-400],)"
      R"("durationMs":100000000000000000000)");
  CHECK(sorted_json(through_record(json, names)) ==
        sorted_json(with(R"("x":[1.2345678901234568e23,-9223372036854775808.0,18446744073709551615,0.0],)"
                    R"("durationMs":1e20)")));
  CHECK(refusal(with(R"("x":{"y":1,"z":[{"w":2},1e400]})")).message ==
        "field 'z' is 1e400, beyond the limit of a number, 1.8e308");
  CHECK(refusal(with("\"x\":1" + std::string(400, '0'))).message ==
        "field 'x' is 10000000000000000000…, beyond the limit of a number, 1.8e308");
}

TEST_CASE("a refusal names the field and what was wrong with it") {
  CHECK(refusal(R"({"flowName":"f","status":"failed","startedAt":0})").message ==
        "field 'runId' is missing");
  CHECK(refusal(R"({"runId":"r","status":"failed","startedAt":0})").message ==
        "field 'flowName' is missing");
  CHECK(refusal(R"({"runId":"r","flowName":"f","startedAt":0})").message ==
        "field 'status' is missing");
  CHECK(refusal(R"({"runId":"r","flowName":"f","status":"failed"})").message ==
        "field 'startedAt' is missing");
  CHECK(refusal(R"({"runId":"r","flowName":"f","status":"paused","startedAt":0})").message ==
        "field 'status' is 'paused', which is not terminal (completed, failed, cancelled, timed_out)");
  CHECK(refusal(R"({"runId":"","flowName":"f","status":"failed","startedAt":0})").message ==
        "field 'runId' is '', which is not a text of at least one character");
  CHECK(refusal(R"({"runId":7,"flowName":"f","status":"failed","startedAt":0})").message ==
        "field 'runId' is 7, which is not a text of at least one character");
  CHECK(refusal(R"({"runId":"r","flowName":"f","status":"failed","startedAt":"soon"})").message ==
        "field 'startedAt': 'soon' is not a time in ISO 8601 such as 2026-10-20T00:00:03.630Z");
  CHECK(refusal(R"({"runId":"r","flowName":"f","status":"failed","startedAt":null})").message ==
        "field 'startedAt': null is neither a time in ISO 8601 nor milliseconds since 1970");
}

TEST_CASE("what is not one JSON object is refused") {
  for (const char* text : {"", "{", "[]", "7", "\"x\"", "null", "{} {}", "{\"runId\":\"\xff\"}",
                           "{\"a\":01}", "{'a':1}", "{\"a\":\"\n\"}"}) {
    INFO(text);
    CHECK(refusal(text).code == ErrorCode::InvalidArgument);
  }
}

TEST_CASE("JSON that is too long or too deep is refused with its limit") {
  const std::string deep = with("\"x\":" + std::string(200, '[') + std::string(200, ']'));
  CHECK(refusal(deep).code == ErrorCode::TooLarge);
  CHECK(refusal(deep).message == "the JSON nests deeper than the limit, 128 levels");
  const std::string large = with("\"x\":\"" + std::string(200'000, 'x') + "\"");
  RunJsonParser parser;
  TextArena arena;
  Run run;
  CHECK(parser.parse(large, arena, run));
  CHECK_FALSE(parser.parse(deep, arena, run));
  const std::string too_large(kMaxRunJsonBytes + 1, ' ');
  CHECK(refusal(too_large).code == ErrorCode::TooLarge);
}

TEST_CASE("a paused run comes back JSON-equal and needs its id and flow") {
  const std::string json =
      R"({"runId":"r","flowName":"f","nodeId":null,"variables":{},"steps":[],"startTime":1.5,"new":1})";
  RunJsonParser parser;
  TextArena arena;
  SuspendedRun run;
  REQUIRE(parser.parse_suspended(json, arena, run));
  std::string out;
  write_json(run, out);
  CHECK(sorted_json(out) == sorted_json(json));
  CHECK(parser.parse_suspended(R"({"runId":"r"})", arena, run).error().message ==
        "field 'flowName' is missing");
}

TEST_CASE("a list's summary of a run is JSON with the run's field names") {
  test::SampleRun sample;
  make_failed_run(sample);
  NameTable names;
  EncodedRun encoded;
  REQUIRE(encode_run(sample.run, names, nullptr, RunLimits(), encoded));
  finish_record(encoded.bytes, 1, 0, 0);
  RunHead head;
  REQUIRE(decode_head(*HeadView::open(encoded.bytes, 1), 1, names, head));
  std::string out;
  write_json(head, out);
  simdjson::dom::parser parser;
  const simdjson::dom::element json = parser.parse(out).value();
  CHECK(std::string_view(json["runId"]) == sample.run.run_id);
  CHECK(std::string_view(json["error"]["nodeId"]) == "body_1");
  CHECK(std::string_view(json["startedAt"]) == "2026-10-20T00:00:03.630Z");
}

TEST_CASE("random runs come back through JSON") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    test::SampleRun sample;
    test::RandomRun(sample, seed).make();
    std::string first, second;
    write_json(sample.run, first);
    const Parsed parsed(first);
    write_json(parsed.run, second);
    INFO("seed " << seed);
    // Random labels may repeat a key; the error may gain what its steps tell.
    if (sample.run.labels.empty() && !sample.run.error) CHECK(sorted_json(first) == sorted_json(second));
  }
}

}  // namespace runlog
