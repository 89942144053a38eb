#include <catch2/catch.hpp>

#include <thread>

#include "log/run_json.h"
#include "tests/complaints.h"
#include "tests/json_sorted.h"
#include "tests/server_fixture.h"

using namespace runlog;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

TEST_CASE("a remote log stores what it is given, once, and gives it back") {
  ServerFixture fixture;
  const auto log = fixture.connect();
  const std::string one = run_json("run_1"), two = run_json("run_2", "other_flow", "failed");
  auto results = log->append({one, "{\"runId\":", two, R"({"runId":"x"})"});
  must(results);
  REQUIRE(results->size() == 4);
  must((*results)[0]);
  CHECK((*results)[0]->outcome == AppendResult::Outcome::kAppended);
  CHECK((*results)[0]->sequence == 1);
  CHECK((*results)[1].error().code == ErrorCode::InvalidArgument);
  CHECK((*results)[2]->sequence == 2);
  CHECK(!(*results)[3]);
  results = log->append({one});
  must(results);
  CHECK((*results)[0]->outcome == AppendResult::Outcome::kDuplicate);

  CHECK_THAT(log->get_json("run_1").value(), Contains(R"("flowName":"lead_routing")"));
  CHECK(log->get("run_2").value().run.status == RunStatus::kFailed);
  CHECK(log->get("run_3").error().code == ErrorCode::NotFound);
  CHECK(log->get_stored("run_1").value().size() % 8 == 0);

  ListRequest request;
  request.filter.statuses = {RunStatus::kFailed};
  const auto page = log->list(request);
  must(page);
  REQUIRE(page->runs.size() == 1);
  CHECK(page->runs[0].run_id == "run_2");
  CHECK(page->runs[0].flow_name == "other_flow");
  CHECK(page->runs[0].duration_ms == 120);
  CHECK(page->total == 1);
  CHECK(log->count({}).value() == 2);
  request.filter.error_text = "no such text";  // on a worker
  CHECK(log->list(request).value().runs.empty());
  const auto grouped = log->groups(TermKind::kFlow, {}, 1);
  must(grouped);
  CHECK(grouped->groups.size() == 1);
  CHECK(grouped->total_groups == 2);
  CHECK(grouped->grouped_runs == 2);
  CHECK(log->statistics(std::nullopt).value().size() == 3);
  const auto past = log->trend(std::nullopt);
  const auto same_past = trend(*fixture.tenants().open("acme").value(), std::nullopt);
  must(past);
  must(same_past);
  REQUIRE(past->periods.size() == same_past->periods.size());
  for (std::size_t i = 0; i < past->periods.size(); ++i)
    CHECK(past->periods[i].counts == same_past->periods[i].counts);
  REQUIRE(past->history.days.size() == same_past->history.days.size());
  for (std::size_t i = 0; i < past->history.days.size(); ++i)
    CHECK(past->history.days[i].counts == same_past->history.days[i].counts);
  CHECK(past->history.days_from == same_past->history.days_from);
  CHECK(past->runs_from == same_past->runs_from);
  CHECK(log->statistics("nobody").error().code == ErrorCode::NotFound);
  CHECK(log->describe().value().runs == 2);
}

TEST_CASE("an append too long for the loop goes by a worker, one too long for a frame nowhere") {
  ServerFixture fixture;
  const auto log = fixture.connect();
  std::vector<std::string> texts;
  for (int i = 0; i < 1000; ++i) texts.push_back(run_json("run_" + std::to_string(i)));
  const std::vector<std::string_view> runs(texts.begin(), texts.end());
  const auto results = log->append(runs);
  must(results);
  CHECK(results->back().value().sequence == 1000);
  CHECK(log->count({}).value() == 1000);
  const std::string long_text(kMaxRequestBytes, ' ');
  CHECK(log->append({long_text}).error().code == ErrorCode::TooLarge);
  CHECK(log->append({}).value().empty());
}

TEST_CASE("paused runs are saved, claimed by one, and completed over the network") {
  ServerFixture fixture;
  const auto log = fixture.connect();
  must(log->save_paused(R"({"runId":"run_p","flowName":"f","nodeId":"wait","correlation":"c",)"
                        R"("variables":{"a":1}})"));
  const auto loaded = log->load_paused("run_p");
  must(loaded);
  CHECK((*loaded)->node_id == "wait");
  CHECK((*loaded)->suspended().value().run.variables_json == R"({"a":1})");
  CHECK(log->list_paused({}).value().runs.size() == 1);
  CHECK(log->claim_paused("run_p", "wait", "other", "me").value().run == nullptr);
  CHECK_FALSE(log->claim_paused("run_p", "wait", "other", "me").value().lost_because.empty());
  const auto claimed = log->claim_paused("run_p", "wait", "c", "me");
  must(claimed);
  REQUIRE(claimed->run);
  CHECK(claimed->run->owner == "me");
  CHECK(log->claim_paused("run_p", "wait", "c", "you").value().run == nullptr);
  must(log->complete_paused(run_json("run_p", "f")));
  CHECK(log->load_paused("run_p").error().code == ErrorCode::NotFound);
  CHECK(log->get("run_p").value().run.status == RunStatus::kCompleted);
}

TEST_CASE("pins, policy and sweeps work over the network") {
  ServerFixture fixture;
  const auto log = fixture.connect();
  must(log->append({run_json("run_1"), run_json("run_2")}));
  CHECK(log->pin("run_1", "audit", std::nullopt).value().reason == "audit");
  CHECK(log->pins().value().size() == 1);
  RetentionPolicy policy;
  policy.all.max_per_flow = 1;
  policy.flows["lead_routing"].max_age_ms = kNoLimit;
  must(log->set_retention(policy));
  CHECK(log->retention().value() == policy);
  must(log->append({run_json("run_3")}));
  CHECK(log->count({}).value() == 2);
  must(log->unpin("run_1"));
  CHECK(log->hidden_by_retention().value().by_cap == 2);
  CHECK(log->unpin("run_1").error().code == ErrorCode::NotFound);
  CHECK(log->count({}).value() == 1);
  CHECK(log->sweep(true).value().stays.runs == 1);
  must(log->sweep(false));
  must(log->hide_expired());
  policy.all.max_per_flow = 0;
  CHECK(log->set_retention(policy).error().code == ErrorCode::InvalidArgument);
}

TEST_CASE("following gives every run in order, those to come too, over a lost connection") {
  ServerFixture fixture;
  const auto log = fixture.connect();
  must(log->append({run_json("run_1"), run_json("run_2", "other")}));
  std::vector<SequenceNumber> seen;
  FollowRequest request;
  std::thread restart;
  must(log->follow(request, 100ms, [&](const FollowedRuns& runs) {
    for (const FollowedRun& run : runs.runs) seen.push_back(run.sequence);
    if (seen.size() == 2 && !restart.joinable()) {
      restart = std::thread([&fixture] {
        fixture.stop(0ms);
        fixture.start();
        auto opened = fixture.tenants().open("acme");
        if (opened) static_cast<void>((*opened)->append(SampleRun("run_3").run()));
      });
    }
    return seen.size() < 3;
  }));
  restart.join();
  CHECK(seen == std::vector<SequenceNumber>{1, 2, 3});
}

TEST_CASE("following one flow, from now on, with heartbeats") {
  ServerFixture fixture;
  const auto log = fixture.connect();
  must(log->append({run_json("run_1", "a")}));
  FollowRequest request;
  request.from = 0;
  request.flows = {"a"};
  int replies = 0;
  std::vector<SequenceNumber> seen;
  must(log->follow(request, 100ms, [&](const FollowedRuns& runs) {
    if (++replies == 2) {  // the first says that it has begun, the second is a heartbeat
      CHECK(runs.next == 2);
      log->append_async({run_json("run_2", "b"), run_json("run_3", "a")}, [](auto) {});
    }
    for (const FollowedRun& run : runs.runs) seen.push_back(run.sequence);
    return seen.empty();
  }));
  CHECK(seen == std::vector<SequenceNumber>{3});
}

TEST_CASE("a client that lost its server comes back, and what it appends is there once",
          "[threads]") {
  ServerFixture fixture;
  auto options = fixture.client_options();
  options.connections = 2;
  const auto log = std::move(RemoteLog::connect(options).value());
  constexpr int kThreads = 3, kRuns = 40;
  Complaints complaints;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRuns; ++i) {
        const std::string json = run_json("run_" + std::to_string(t) + "_" + std::to_string(i));
        const auto results = log->append({json});
        if (complaints.check(results)) complaints.check(results->front());
      }
    });
  }
  for (int i = 0; i < 3; ++i) {
    fixture.stop(0ms);
    fixture.start();
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(complaints.all() == "");
  CHECK(log->count({}).value() == kThreads * kRuns);
}

TEST_CASE("a client says at once that nobody listens, or that its token is refused") {
  ServerFixture fixture;
  CHECK(RemoteLog::connect(fixture.client_options("rl_wrong")).error().code ==
        ErrorCode::InvalidArgument);
  auto options = fixture.client_options();
  fixture.stop(0ms);
  const auto refused = RemoteLog::connect(options);
  REQUIRE(!refused);
  CHECK_THAT(refused.error().message, Contains("cannot connect to tcp://127.0.0.1"));
}
