// What the routes of the HTTP door answer, without sockets.
#include <catch2/catch.hpp>

#include <fmt/format.h>
#include <rapidjson/document.h>

#include "log/paused_runs.h"
#include "log/run_json.h"
#include "server/http/run_handlers.h"
#include "server/quantities.h"
#include "tests/log_fixture.h"

using namespace runlog;

namespace {

struct Answer {
  HttpResponse response;
  rapidjson::Document json;
  const rapidjson::Value& data() const { return json["data"]; }
  std::string error_code() const { return json["error"]["code"].GetString(); }
  // "limit:max_value status:invalid_option"
  std::string fields() const {
    std::string text;
    for (const auto& field : json["error"]["details"]["fields"].GetArray()) {
      if (!text.empty()) text += ' ';
      text += std::string(field["field"].GetString()) + ":" + field["code"].GetString();
      CHECK(field["message"].GetStringLength() > 0);
    }
    return text;
  }
};

class Door {
 public:
  Door() : log_(open_log(folder_ / "log")) {}

  Answer ask(const std::string& request) {
    HttpParser parser;
    std::string_view left = request;
    while (!left.empty()) left.remove_prefix(parser.take(std::span(left.data(), left.size())));
    REQUIRE(parser.state() == HttpParser::State::kDone);
    const HttpRequest taken = parser.release();
    auto route = find_route(taken);
    Answer given;
    given.response = std::holds_alternative<HttpRoute>(route)
                         ? answer(std::get<HttpRoute>(route), taken, *log_)
                         : std::get<HttpResponse>(route);
    if (given.response.content_type == "application/json" && !given.response.body.empty()) {
      given.json.Parse(given.response.body.data(), given.response.body.size());
      INFO(given.response.body);
      REQUIRE_FALSE(given.json.HasParseError());
      CHECK(given.json["success"].GetBool() == (given.response.status < 400));
    }
    return given;
  }
  Answer get(const std::string& target, const std::string& fields = "") {
    return ask("GET " + target + " HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n");
  }
  std::vector<std::string> post(const std::string& body, int status = 200) {
    const Answer given = ask(fmt::format(
        "POST /api/v1/runs HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}", body.size(), body));
    INFO(given.response.body);
    CHECK(given.response.status == status);
    std::vector<std::string> lines;
    for (std::string_view left = given.response.body; !left.empty();) {
      const std::size_t end = std::min(left.find('\n'), left.size() - 1);
      lines.emplace_back(left.substr(0, end));
      left.remove_prefix(end + 1);
    }
    return lines;
  }
  void append(const Run& run) { must(log_->append(run)); }
  void pause(const std::string& id) {
    SuspendedRun run;
    run.run_id = id;
    run.flow_name = "lead_routing";
    run.node_id = "approve";
    run.variables_json = R"({"amount":5})";
    run.context_json = R"({"userId":"usr_9","trigger":{"type":"manual"}})";
    run.started_at = 1'792'454'400'000;
    must(log_->paused().save(run));
  }
  Log& log() { return *log_; }

 private:
  TempDir folder_;
  std::shared_ptr<Log> log_;
};

std::string ids(const rapidjson::Value& data, const char* name = "id") {
  std::string text;
  for (const auto& run : data["runs"].GetArray()) {
    if (!text.empty()) text += ' ';
    text += run[name].GetString();
  }
  return text;
}

const std::string kRuns = "/api/v1/automation/lead_routing/runs";

}  // namespace

TEST_CASE("a flow's runs come newest first, whole, in ObjectStack's envelope and shape") {
  Door door;
  door.append(SampleRun("run_1").run());
  door.append(SampleRun("run_2").failed("it broke").run());
  door.append(SampleRun("other", "other_flow").run());
  const Answer page = door.get(kRuns);
  CHECK(page.response.status == 200);
  CHECK(ids(page.data()) == "run_2 run_1");
  CHECK(page.data()["total"].GetInt() == 2);
  CHECK_FALSE(page.data()["hasMore"].GetBool());
  CHECK_FALSE(page.data().HasMember("nextCursor"));
  const auto& run = page.data()["runs"][0];
  CHECK(run["flowName"] == "lead_routing");
  CHECK(run["flowVersion"].GetInt() == 3);
  CHECK(run["status"] == "failed");
  CHECK(run["startedAt"] == "2026-10-20T00:00:00.000Z");
  CHECK(run["completedAt"] == "2026-10-20T00:00:00.120Z");
  CHECK(run["durationMs"].GetInt() == 120);
  CHECK(run["trigger"]["type"] == "api");
  CHECK(run["trigger"]["userId"] == "usr_1");
  CHECK(run["steps"].Size() == 3);
  CHECK(run["steps"][2]["nodeId"] == "update_record");
  CHECK(run["error"]["message"] == "it broke");
  CHECK(run["error"]["code"] == "NODE_FAILURE");
  CHECK(run["error"]["nodeId"] == "update_record");
}

TEST_CASE("pages of a flow's runs follow their cursors to the last run") {
  Door door;
  for (int i = 0; i < 25; ++i) door.append(SampleRun("run_" + std::to_string(i)).run());
  std::string all, cursor;
  unsigned pages = 0;
  for (bool more = true; more; ++pages) {
    const Answer page = door.get(kRuns + "?limit=10" + (cursor.empty() ? "" : "&cursor=" + cursor));
    REQUIRE(page.response.status == 200);
    CHECK(page.data()["total"].GetInt() == 25);
    all += ids(page.data()) + " ";
    more = page.data()["hasMore"].GetBool();
    if (more) cursor = page.data()["nextCursor"].GetString();
  }
  CHECK(pages == 3);
  CHECK(all.starts_with("run_24 run_23 "));
  CHECK(all.ends_with(" run_1 run_0 "));
  CHECK(door.get(kRuns).data()["runs"].Size() == 20);
}

TEST_CASE("a page of very large runs ends early and says where it goes on") {
  Door door;
  const std::string message(3u << 20, 'x');
  for (int i = 0; i < 4; ++i) {
    door.append(SampleRun("run_" + std::to_string(i)).failed(message).run());
  }
  std::string all, cursor;
  for (bool more = true; more;) {
    const Answer page = door.get(kRuns + (cursor.empty() ? "" : "?cursor=" + cursor));
    REQUIRE(page.response.status == 200);
    CHECK(page.response.body.size() < (14u << 20));
    CHECK(page.data()["total"].GetInt() == 4);
    all += ids(page.data()) + " ";
    more = page.data()["hasMore"].GetBool();
    if (more) cursor = page.data()["nextCursor"].GetString();
  }
  CHECK(all == "run_3 run_2 run_1 run_0 ");
}

TEST_CASE("a page of very long errors ends early and says where it goes on") {
  Door door;
  const std::string message(3u << 20, 'x');
  for (int i = 0; i < 5; ++i) {
    door.append(SampleRun("run_" + std::to_string(i)).failed(message).run());
  }
  std::string all, cursor;
  for (bool more = true; more;) {
    const Answer page = door.get("/api/v1/runs" + (cursor.empty() ? "" : "?cursor=" + cursor));
    REQUIRE(page.response.status == 200);
    CHECK(page.response.body.size() < (12u << 20));
    CHECK(page.data()["total"].GetInt() == 5);
    CHECK(page.data()["runs"][0]["error"]["message"].GetStringLength() == message.size());
    all += ids(page.data(), "runId") + " ";
    more = page.data()["hasMore"].GetBool();
    cursor = page.data()["nextCursor"].GetString();
  }
  CHECK(all == "run_4 run_3 run_2 run_1 run_0 ");
}

TEST_CASE("a run that ended and waits again keeps its whole error in the list") {
  Door door;
  const std::string message(2000, 'x');
  door.append(SampleRun("run_1").failed(message).run());
  door.pause("run_1");
  const Answer page = door.get("/api/v1/runs");
  REQUIRE(ids(page.data(), "runId") == "run_1 run_1");
  CHECK(page.data()["runs"][1]["error"]["message"].GetStringLength() == message.size());
}

TEST_CASE("pages over HTTP of a time that moves with the clock follow each other") {
  Door door;
  std::string all, cursor;
  for (int i = 0; i < 5; ++i) door.append(SampleRun("run_" + std::to_string(i)).run());
  do {
    const Answer page = door.get("/api/v1/runs?since=9000d&limit=1" +
                                 (cursor.empty() ? "" : "&cursor=" + cursor));
    REQUIRE(page.response.status == 200);
    all += ids(page.data(), "runId") + " ";
    cursor = page.data()["nextCursor"].GetString();
    const UnixMs then = now_ms();
    while (now_ms() == then) continue;  // the next page has another bound
  } while (!cursor.empty());
  CHECK(all == "run_4 run_3 run_2 run_1 run_0 ");
}

TEST_CASE("a status is asked for before the limit, and one that is never stored matches nothing") {
  Door door;
  for (int i = 0; i < 30; ++i) {
    SampleRun run("run_" + std::to_string(i));
    if (i == 3) run.failed("x");
    door.append(run.run());
  }
  door.pause("waiting");
  CHECK(ids(door.get(kRuns + "?status=failed&limit=1").data()) == "run_3");
  CHECK(ids(door.get(kRuns + "?status=paused").data()) == "waiting");
  CHECK(door.get(kRuns + "?status=").data()["total"].GetInt() == 31);
  for (const char* status : {"pending", "retrying", "running", "cancelled", "timed_out"}) {
    const Answer none = door.get(kRuns + "?status=" + status);
    CHECK(none.response.status == 200);
    CHECK(none.data()["runs"].Size() == 0);
    CHECK(none.data()["total"].GetInt() == 0);
    CHECK_FALSE(none.data()["hasMore"].GetBool());
  }
}

TEST_CASE("parameters that are wrong are named, each with its code") {
  Door door;
  const auto refused = [&](const std::string& query) {
    const Answer answer = door.get(kRuns + "?" + query);
    CHECK(answer.response.status == 400);
    CHECK(answer.error_code() == "VALIDATION_FAILED");
    return answer.fields();
  };
  CHECK(refused("status=broken") == "status:invalid_option");
  CHECK(refused("status=timed-out") == "status:invalid_option");
  CHECK(refused("limit=0") == "limit:min_value");
  CHECK(refused("limit=101") == "limit:max_value");
  CHECK(refused("limit=ten&status=x") == "status:invalid_option limit:invalid_number");
  CHECK(refused("limit=1&limit=2") == "limit:invalid_type");
  CHECK(refused("status=failed&status=paused") == "status:invalid_type");
  CHECK(refused("cursor=nonsense") == "cursor:invalid_value");
  CHECK(refused("cursor=%zz") == "cursor:invalid_format");
}

TEST_CASE("a run is found by its id under its own flow alone") {
  Door door;
  door.append(SampleRun("run/1 ä").run());
  const Answer found = door.get(kRuns + "/run%2F1%20%C3%A4");
  CHECK(found.response.status == 200);
  CHECK(found.data()["id"] == "run/1 ä");
  CHECK(found.data()["steps"].Size() == 3);
  for (const std::string& missing :
       {kRuns + "/nobody", std::string("/api/v1/automation/other/runs/run%2F1%20%C3%A4")}) {
    const Answer none = door.get(missing);
    CHECK(none.response.status == 404);
    CHECK(none.error_code() == "RESOURCE_NOT_FOUND");
  }
}

TEST_CASE("a paused run has its variables, and none of another flow's") {
  Door door;
  door.pause("waiting");
  const Answer found = door.get(kRuns + "/waiting");
  CHECK(found.data()["status"] == "paused");
  CHECK(found.data()["variables"]["amount"].GetInt() == 5);
  CHECK(found.data()["trigger"]["type"] == "manual");
  CHECK(found.data()["steps"].IsArray());
  CHECK(found.response.headers.empty());
  CHECK(door.get("/api/v1/automation/other/runs/waiting").response.status == 404);
  REQUIRE(door.log().paused().claim("waiting", "approve", std::nullopt, "me"));
  CHECK(door.get(kRuns + "/waiting").data()["status"] == "running");
}

TEST_CASE("a run that is large when it is decoded is left to whoever may take longer") {
  Door door;
  door.append(SampleRun("small").run());
  door.append(SampleRun("large").failed(std::string(20'000, 'x')).run());  // small in the files
  door.pause("waiting");
  const HttpRequest request;
  const auto answered = [&](const std::string& id, std::size_t most_bytes) {
    const HttpRoute route{HttpRoute::Kind::kFlowRun, "lead_routing", id};
    return answer_small_run(route, request, door.log(), most_bytes).has_value();
  };
  for (const char* id : {"small", "waiting", "none"}) CHECK(answered(id, 5'000));
  CHECK_FALSE(answered("large", 5'000));
  CHECK_FALSE(answered("waiting", 5));
  CHECK(answered("large", 50'000));
}

TEST_CASE("a run that has ended need not be sent twice") {
  Door door;
  door.append(SampleRun("run_1").run());
  const auto etag = [&] {
    const Answer found = door.get(kRuns + "/run_1");
    REQUIRE(found.response.headers.size() == 1);
    CHECK(found.response.headers[0].first == "ETag");
    return found.response.headers[0].second;
  };
  const std::string first = etag();
  const auto again = [&](const std::string& tags) {
    return door.get(kRuns + "/run_1", "If-None-Match: " + tags + "\r\n").response;
  };
  CHECK(again(first).status == 304);
  CHECK(again("\"x\", " + first).status == 304);
  CHECK(again(first).body.empty());
  door.append(SampleRun("run_1").failed("it ended again").run());
  CHECK(etag() != first);
  CHECK(again(first).status == 200);
}

TEST_CASE("runs of all flows are listed by the filters of the command line") {
  Door door;
  door.append(SampleRun("run_1").run());
  door.append(SampleRun("run_2", "b").failed("Zeit ist um").run());
  CHECK(ids(door.get("/api/v1/runs").data(), "runId") == "run_2 run_1");
  CHECK(ids(door.get("/api/v1/runs?oldest-first&limit=1").data(), "runId") == "run_1");
  for (const char* filter : {"flow=b", "status=failed", "status=failed&status=timed-out&flow=b&flow=c",
                             "status=failed,cancelled",
                             "error-text=zeit", "error-code=NODE_FAILURE", "node=update_record",
                             "flow=b&since=2026-10-20&until=2026-10-20"}) {
    INFO(filter);
    const Answer page = door.get(std::string("/api/v1/runs?") + filter);
    REQUIRE(page.response.status == 200);
    CHECK(ids(page.data(), "runId") == "run_2");
    CHECK(page.data()["total"].GetInt() == 1);
  }
  CHECK(door.get("/api/v1/runs?user=nobody").data()["total"].GetInt() == 0);
  const auto refused = [&](const std::string& query) {
    const Answer answer = door.get("/api/v1/runs?" + query);
    CHECK(answer.response.status == 400);
    return answer.fields();
  };
  CHECK(refused("staus=failed") == "staus:unknown_field");
  CHECK(refused("status=pending") == "status:invalid_option");
  CHECK(refused("status=failed,,x") == "status:invalid_option");
  CHECK(refused("flow=") == "flow:required");
  CHECK(refused("record=1") == "object:required");
  CHECK(refused("since=yesterday") == "since:invalid_date");
  CHECK(refused("since=2026-10-21&until=2026-10-20") == "since:invalid_value");
  CHECK(refused("label=x") == "label:invalid_format");
  CHECK(refused("oldest-first=1") == "oldest-first:invalid_boolean");
  CHECK(refused("limit=1001") == "limit:max_value");
}

TEST_CASE("groups and flows are counted") {
  Door door;
  door.append(SampleRun("run_1").failed("Record 1 not found").run());
  door.append(SampleRun("run_2").failed("Record 2 not found").run());
  door.append(SampleRun("run_3", "b").run());
  const Answer errors = door.get("/api/v1/runs/groups");
  REQUIRE(errors.data()["groups"].Size() == 1);
  CHECK(errors.data()["groups"][0]["count"].GetInt() == 2);
  const Answer flows = door.get("/api/v1/runs/groups?by=flow&limit=1");
  CHECK(flows.data()["groups"][0]["name"] == "lead_routing");
  CHECK(flows.data()["hasMore"].GetBool());
  CHECK(door.get("/api/v1/runs/groups?by=colour").fields() == "by:invalid_option");

  const Answer all = door.get("/api/v1/flows");
  REQUIRE(all.data()["flows"].Size() == 3);
  CHECK(all.data()["flows"][0]["runs"]["failed"].GetInt() == 2);
  CHECK(door.get("/api/v1/flows?flow=b").data()["flows"][0]["total"].GetInt() == 1);
  CHECK(door.get("/api/v1/flows?flow=nobody").response.status == 404);
}

TEST_CASE("a flow of which only counters are left still has its statistics") {
  Door door;
  door.append(SampleRun("run_1", "gone").run());
  ForgetRequest forgotten;
  forgotten.values = {"run_1"};
  must(door.log().forget(forgotten));
  const Answer gone = door.get("/api/v1/flows?flow=gone");
  REQUIRE(gone.response.status == 200);
  CHECK(gone.data()["flows"].Size() == 0);
  CHECK(gone.data()["trend"]["byDay"][0]["total"].GetInt() == 1);
}

TEST_CASE("posted runs are answered line by line, and a refused one stops no other") {
  Door door;
  const auto line = [](const char* id, const char* status) {
    return fmt::format(R"({{"runId":"{}","flowName":"f","status":"{}",)"
                       R"("startedAt":"2026-10-20T00:00:00.000Z","durationMs":1}})", id, status);
  };
  const auto lines = door.post(line("a", "completed") + "\n\nnonsense\r\n" + line("b", "failed") +
                               "\r\n" + line("a", "completed"));
  REQUIRE(lines.size() == 4);
  CHECK(lines[0] == R"({"line":1,"runId":"a","outcome":"appended","sequence":1})");
  CHECK(lines[1].starts_with(R"({"line":3,"error":{"code":"VALIDATION_FAILED","message":")"));
  CHECK(lines[2] == R"({"line":4,"runId":"b","outcome":"appended","sequence":2})");
  CHECK(lines[3] == R"({"line":5,"runId":"a","outcome":"duplicate","sequence":1})");

  const auto array = door.post(" [" + line("a", "cancelled") + ", " + line("c", "timed_out") + "]\n");
  REQUIRE(array.size() == 2);
  CHECK(array[0] == R"({"line":1,"runId":"a","outcome":"superseded","sequence":3})");
  CHECK(array[1] == R"({"line":2,"runId":"c","outcome":"appended","sequence":4})");
  CHECK(door.get("/api/v1/runs").data()["total"].GetInt() == 3);
}

TEST_CASE("a body that is no list of runs stores nothing") {
  Door door;
  const std::string run = R"({"runId":"a","flowName":"f","status":"completed",)"
                          R"("startedAt":"2026-10-20T00:00:00.000Z"})";
  for (const std::string& body : {std::string(), std::string(" \n"), "[" + run, "[" + run + " 1]",
                                  "[" + run + "] x", "[" + run + ",]", std::string("[1]"),
                                  "[" + run + ",[" + run + "]]"}) {
    INFO(body);
    door.post(body, 400);
  }
  CHECK(door.get("/api/v1/runs").data()["total"].GetInt() == 0);
  CHECK(door.post("[]").empty());
}

TEST_CASE("of too many runs in one request none is stored") {
  Door door;
  const std::string run = R"({"runId":"a","flowName":"f","status":"completed",)"
                          R"("startedAt":"2026-10-20T00:00:00.000Z"})";
  std::string lines = run + "\n", array = "[" + run;
  for (int i = 0; i < 200'000; ++i) lines += "x\n", array += ",{}";
  door.post(lines, 413);
  door.post(array + "]", 413);
  CHECK(door.get("/api/v1/runs").data()["total"].GetInt() == 0);
}

TEST_CASE("paths and methods that are not there are told apart") {
  Door door;
  for (const char* path : {"/api", "/api/v1/automation", "/api/v1/automation//runs",
                           "/api/v1/automation/f/runs/", "/api/v1/automation/f/runs/a/b", "//",
                           "/api/v1/automation/f", "/api/v1/runs/", "/healthz/"}) {
    INFO(path);
    const Answer none = door.get(path);
    CHECK(none.response.status == 404);
    CHECK(none.error_code() == "ENDPOINT_NOT_FOUND");
  }
  CHECK(door.get("/api/v1/automation/%ff/runs").response.status == 400);
  const Answer wrong = door.ask("DELETE /api/v1/runs HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(wrong.response.status == 405);
  CHECK(wrong.error_code() == "METHOD_NOT_ALLOWED");
  REQUIRE(wrong.response.headers.size() == 1);
  CHECK(wrong.response.headers[0].second == "GET, HEAD, POST");
}
