// Paused runs: saved, found, claimed, completed; and what the next open makes of what was left.
#include <algorithm>

#include "log/catalog.h"
#include "log/paused_format.h"
#include "log/paused_table.h"
#include "tests/paused_fixture.h"
#include "tests/sample_run.h"

namespace runlog {
namespace {

// How many entries state/ has, looked at while no log is open.
std::uint64_t stored_entries(const std::filesystem::path& directory) {
  auto catalog = Catalog::open(directory, OpenMode::kReadAtRest);
  must(catalog);
  const auto stored = read_paused_runs(**catalog, nullptr);
  must(stored);
  return stored->runs.size();
}

void check_round_trip(const std::vector<std::string>& lines) {
  TempDir dir;
  {
    const auto log = open_log(dir.path());
    RunJsonParser parser;
    for (const std::string& line : lines) {
      TextArena arena;
      SuspendedRun run;
      must(parser.parse_suspended(line, arena, run));
      must(log->paused().save(run));
      const auto back = log->paused().load(run.run_id);
      must(back);
      CHECK(sorted_json(json_of(**back)) == sorted_json(line));
      const auto suspended = (*back)->suspended();
      must(suspended);
      CHECK(suspended->run == run);
    }
    must(log->close());
  }
  const auto log = Log::open_read_only(dir.path());
  must(log);
  for (const std::string& line : lines) {
    TextArena arena;
    SuspendedRun run;
    RunJsonParser parser;
    must(parser.parse_suspended(line, arena, run));
    const auto back = (*log)->paused().load(run.run_id);
    must(back);
    CHECK(sorted_json(json_of(**back)) == sorted_json(line));
  }
}

}  // namespace

// ---- what goes in comes out ------------------------------------------------------------------

TEST_CASE("suspended runs come back JSON-equal, also after the log was opened again") {
  const auto lines =
      lines_of(std::filesystem::path(RUNLOG_TEST_DATA_DIR) / "sample-suspended-runs.ndjson");
  REQUIRE(lines.size() == 12);
  check_round_trip(lines);
}

TEST_CASE("the shared file of suspended runs comes back JSON-equal") {
  const auto file = std::filesystem::path(RUNLOG_SHARED_DIR) / "data/suspended-runs.ndjson.zst";
  if (!std::filesystem::exists(file)) {
    WARN("skipped: " << file.string() << " is not there");
    return;
  }
  check_round_trip(lines_of(file));
}

TEST_CASE("any suspended run comes back as the JSON that it was") {
  TempDir dir;
  const auto log = open_log(dir.path());
  unsigned saved = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    test::SampleRun sample;
    test::RandomRun(sample, seed).make();
    if (!sample.run.consumed_suspension) continue;
    SuspendedRun run = *sample.run.consumed_suspension;
    run.run_id = "run";
    run.flow_name = "flow";
    std::string before;
    write_json(run, before);
    INFO("seed " << seed << ": " << before);
    must(log->paused().save(run));
    const auto back = log->paused().load("run");
    must(back);
    CHECK(sorted_json(json_of(**back)) == sorted_json(before));
    CHECK((*back)->node_id.has_value() == run.node_id.has_value());
    ++saved;
  }
  CHECK(saved > 100);
}

TEST_CASE("a suspended run that cannot be kept is refused, and nothing changes") {
  TempDir dir;
  const auto log = open_log(dir.path());
  Suspended good{"run_1"};
  SuspendedRun run = good.run();
  const auto refused = [&](ErrorCode code, const std::string& words) {
    const auto saved = log->paused().save(run);
    REQUIRE_FALSE(saved);
    CHECK(saved.error().code == code);
    CHECK(saved.error().message.find(words) != std::string::npos);
    run = good.run();
  };
  run.run_id = "";
  refused(ErrorCode::InvalidArgument, "runId");
  run.flow_name = "";
  refused(ErrorCode::InvalidArgument, "flowName");
  run.variables_json = "{not JSON";
  refused(ErrorCode::InvalidArgument, "JSON");
  run.node_id = "\xff";
  refused(ErrorCode::InvalidArgument, "JSON");
  const std::string long_name(1025, 'n'), long_json = "\"" + std::string(9u << 20, 'j') + "\"";
  run.correlation = long_name;
  refused(ErrorCode::TooLarge, "correlation");
  run.screen_json = long_json;
  refused(ErrorCode::TooLarge, "limit");
  CHECK(paused_ids(*log).empty());
}

// ---- save, load, delete, list ----------------------------------------------------------------

TEST_CASE("a paused run is found until it is deleted, and saving it again replaces it") {
  TempDir dir;
  const auto log = open_log(dir.path());
  CHECK_FALSE(is_paused(*log, "run_1"));
  save(*log, {"run_1"});
  save(*log, {"run_2"});
  CHECK(paused_ids(*log) == std::vector<std::string>{"run_2", "run_1"});
  Suspended again{"run_1"};
  again.node = "second_hold";
  save(*log, again);
  CHECK(paused_ids(*log) == std::vector<std::string>{"run_1", "run_2"});
  CHECK((*log->paused().load("run_1"))->node_id == "second_hold");
  CHECK(*log->paused().erase("run_1"));
  CHECK_FALSE(*log->paused().erase("run_1"));
  CHECK(paused_ids(*log) == std::vector<std::string>{"run_2"});
  CHECK(log->describe().paused == 1);
  must(log->close());
  CHECK(stored_entries(dir.path()) == 1);
}

TEST_CASE("a run's context says what it will be listed under") {
  TempDir dir;
  const auto log = open_log(dir.path());
  save(*log, {"run_1"});
  const auto run = *log->paused().load("run_1");
  CHECK(run->trigger_type == "manual");
  CHECK(run->user_id == "usr_1");
  CHECK(run->organization_id == "acme");
  CHECK(run->trigger_object == "crm_lead");
  CHECK(run->trigger_record_id == "rec_1");
  CHECK(run->started_at == 1'792'454'400'000);
}

TEST_CASE("paused runs are listed by flow and by correlation, page by page, without a cap") {
  TempDir dir;
  const auto log = open_log(dir.path());
  std::vector<std::string> all, of_flow, of_both;
  for (unsigned i = 0; i < 700; ++i) {
    Suspended run{"run_" + std::to_string(i)};
    run.flow = "flow_" + std::to_string(i % 3);
    run.correlation = "c_" + std::to_string(i % 2);
    save(*log, run);
    all.insert(all.begin(), run.run_id);
    if (i % 3 == 1) of_flow.insert(of_flow.begin(), run.run_id);
    if (i % 6 == 4) of_both.insert(of_both.begin(), run.run_id);
  }
  for (const std::size_t limit : {1, 7, 700, 5000}) {
    PausedListRequest request;
    request.limit = limit;
    CHECK(paused_ids(*log, request) == all);
    request.flow = "flow_1";
    CHECK(paused_ids(*log, request) == of_flow);
    request.correlation = "c_0";
    CHECK(paused_ids(*log, request) == of_both);
    request.correlation = "c";
    CHECK(paused_ids(*log, request).empty());
  }
  PausedListRequest nothing;
  nothing.limit = 0;
  CHECK(log->paused().list(nothing).error().code == ErrorCode::InvalidArgument);
}

// ---- claims ----------------------------------------------------------------------------------

TEST_CASE("a claim compares node and correlation, and only the first one gets the run") {
  TempDir dir;
  const auto log = open_log(dir.path());
  save(*log, {"run_1"});
  const auto lost = [&](OptionalText node, OptionalText correlation, const std::string& why) {
    const auto claim = log->paused().claim("run_1", node, correlation, "engine 2");
    must(claim);
    CHECK(claim->run == nullptr);
    CHECK(claim->lost_because.find(why) != std::string::npos);
  };
  lost("another", "appr_1", "another node");
  lost("hold", "appr_2", "another correlation");
  lost("hold", std::nullopt, "another correlation");
  lost(std::nullopt, "appr_1", "another node");
  CHECK((*log->paused().claim("run_2", "hold", "appr_1", "e")).lost_because == "'run_2' is not paused");

  const auto claim = log->paused().claim("run_1", "hold", "appr_1", "engine 1");
  must(claim);
  REQUIRE(claim->run != nullptr);
  CHECK(claim->run->status() == RunStatus::kRunning);
  CHECK(claim->run->owner == "engine 1");
  CHECK(claim->run->claimed_at > 0);
  lost("hold", "appr_1", "claimed by 'engine 1'");

  // Saved again it can be claimed again.
  save(*log, {"run_1"});
  CHECK((*log->paused().load("run_1"))->status() == RunStatus::kPaused);
  CHECK((*log->paused().claim("run_1", "hold", "appr_1", "engine 2")).run != nullptr);
}

TEST_CASE("absent and empty are different nodes and correlations") {
  TempDir dir;
  const auto log = open_log(dir.path());
  Suspended without{"run_1"};
  SuspendedRun run = without.run();
  run.correlation.reset();
  must(log->paused().save(run));
  CHECK((*log->paused().claim("run_1", "hold", "", "e")).run == nullptr);
  CHECK((*log->paused().claim("run_1", "hold", std::nullopt, "e")).run != nullptr);
}

TEST_CASE("a claim survives the process that made it") {
  TempDir dir;
  {
    const auto log = open_log(dir.path());
    save(*log, {"run_1"});
    REQUIRE((*log->paused().claim("run_1", "hold", "appr_1", "engine 1")).run != nullptr);
    must(log->close());
  }
  const auto log = open_log(dir.path());
  const auto run = *log->paused().load("run_1");
  CHECK(run->owner == "engine 1");
  CHECK((*log->paused().claim("run_1", "hold", "appr_1", "engine 2")).run == nullptr);
}

// ---- the end of a pause ----------------------------------------------------------------------

TEST_CASE("completing a run stores its record and removes its entry") {
  TempDir dir;
  const auto log = open_log(dir.path());
  save(*log, {"run_1"});
  const auto result = log->paused().complete(SampleRun("run_1").run());
  must(result);
  CHECK(result->outcome == AppendResult::Outcome::kAppended);
  CHECK_FALSE(is_paused(*log, "run_1"));
  CHECK((*log->snapshot())->live() == 1);
  // Again, as after a crash: nothing more happens.
  const auto again = log->paused().complete(SampleRun("run_1").run());
  must(again);
  CHECK(again->outcome == AppendResult::Outcome::kDuplicate);
  must(log->close());
  CHECK(stored_entries(dir.path()) == 0);
}

TEST_CASE("a run that was never paused can be completed") {
  TempDir dir;
  const auto log = open_log(dir.path());
  must(log->paused().complete(SampleRun("run_1").run()));
  CHECK((*log->snapshot())->live() == 1);
}

TEST_CASE("a run is not completed by what is no record") {
  TempDir dir;
  const auto log = open_log(dir.path());
  save(*log, {"run_1"});
  const SampleRun sample("run_1");
  Run run = sample.run();
  run.status = RunStatus::kPaused;
  CHECK(log->paused().complete(run).error().code == ErrorCode::InvalidArgument);
  CHECK(is_paused(*log, "run_1"));
}

TEST_CASE("any record that is appended after the save ends the pause") {
  TempDir dir;
  {
    const auto log = open_log(dir.path());
    save(*log, {"run_1"});
    save(*log, {"run_2"});
    must(log->append(SampleRun("run_1").run()));
    CHECK(paused_ids(*log) == std::vector<std::string>{"run_2"});
    must(log->wait_idle());
    must(log->close());
  }
  CHECK(stored_entries(dir.path()) == 1);
  const auto log = open_log(dir.path());
  CHECK(paused_ids(*log) == std::vector<std::string>{"run_2"});
}

TEST_CASE("a finished run that is tried again and pauses again is not lost") {
  TempDir dir;
  {
    const auto log = open_log(dir.path());
    must(log->append(SampleRun("run_1").run()));
    save(*log, {"run_1"});
    CHECK(is_paused(*log, "run_1"));
    must(log->close());
  }
  const auto log = open_log(dir.path());
  CHECK(is_paused(*log, "run_1"));
  // It ends exactly as before: no new record, but the pause is over.
  const auto result = log->paused().complete(SampleRun("run_1").run());
  must(result);
  CHECK(result->outcome == AppendResult::Outcome::kDuplicate);
  CHECK_FALSE(is_paused(*log, "run_1"));
  must(log->close());
  CHECK(stored_entries(dir.path()) == 0);
}

TEST_CASE("a snapshot keeps the paused runs of its moment") {
  TempDir dir;
  const auto log = open_log(dir.path());
  save(*log, {"run_1"});
  const auto before = *log->snapshot();
  must(log->paused().complete(SampleRun("run_1").run()));
  REQUIRE(before->paused != nullptr);
  CHECK(before->paused->size() == 1);
  CHECK((*log->snapshot())->paused == nullptr);
}

TEST_CASE("in interval mode a save is newer than what was queued before it") {
  TempDir dir;
  LogOptions options;
  options.durability = LogOptions::Durability::kInterval;
  options.interval = std::chrono::milliseconds(200);
  {
    const auto log = open_log(dir.path(), options);
    must(log->append(SampleRun("run_1").run()));
    save(*log, {"run_1"});
    CHECK(is_paused(*log, "run_1"));
    must(log->close());
  }
  const auto log = open_log(dir.path(), options);
  CHECK(is_paused(*log, "run_1"));
  // What complete returns is on disk in this mode too.
  const auto result = log->paused().complete(SampleRun("run_1").failed("now").run());
  must(result);
  CHECK(result->sequence > 0);
}

// ---- who may do what -------------------------------------------------------------------------

TEST_CASE("a log that is open for reading shows paused runs and changes none") {
  TempDir dir;
  {
    const auto log = open_log(dir.path());
    save(*log, {"run_1"});
    must(log->close());
  }
  const auto log = *Log::open_read_only(dir.path());
  CHECK(is_paused(*log, "run_1"));
  Suspended other{"run_2"};
  CHECK(log->paused().save(other.run()).error().code == ErrorCode::InvalidArgument);
  CHECK(log->paused().erase("run_1").error().code == ErrorCode::InvalidArgument);
  CHECK(log->paused().claim("run_1", "hold", "appr_1", "e").error().code ==
        ErrorCode::InvalidArgument);
  CHECK(log->paused().complete(SampleRun("run_1").run()).error().code ==
        ErrorCode::InvalidArgument);
}

TEST_CASE("a closed log refuses to change paused runs") {
  TempDir dir;
  const auto log = open_log(dir.path());
  save(*log, {"run_1"});
  must(log->close());
  Suspended other{"run_2"};
  CHECK(log->paused().save(other.run()).error().code == ErrorCode::Closed);
  CHECK(log->paused().erase("run_1").error().code == ErrorCode::Closed);
  CHECK(log->paused().claim("run_1", "hold", "appr_1", "e").error().code == ErrorCode::Closed);
  CHECK(log->paused().complete(SampleRun("run_1").run()).error().code == ErrorCode::Closed);
}

TEST_CASE("paused runs stay when segments are sealed and merged") {
  TempDir dir;
  LogOptions options;
  options.segment_runs = 8;
  options.merge_fanout = 3;
  const auto log = open_log(dir.path(), options);
  for (unsigned i = 0; i < 100; ++i) {
    save(*log, {"paused_" + std::to_string(i)});
    must(log->append(SampleRun("done_" + std::to_string(i)).run()));
    if (i % 2 == 0) must(log->append(SampleRun("paused_" + std::to_string(i)).run()));
  }
  must(log->seal_now());
  CHECK(paused_ids(*log).size() == 50);
  must(log->close());
  CHECK(stored_entries(dir.path()) == 50);
  const auto again = open_log(dir.path(), options);
  CHECK(paused_ids(*again).size() == 50);
}

}  // namespace runlog
