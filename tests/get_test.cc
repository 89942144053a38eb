// One run by its id, decoded or as its stored bytes.
#include <catch2/catch.hpp>
#include <string>

#include "query/query.h"
#include "tests/test_run.h"

namespace runlog {
namespace {

TestRun detailed_run(const std::string& id) {
  TestRun run;
  run.run_id = id;
  run.status = RunStatus::kFailed;
  run.error_message = std::string(2000, 'm');
  run.user = "u";
  run.labels = {{"env", "prod"}};
  run.selected = 4;
  run.steps = 10;
  return run;
}

TEST_CASE("a run comes back whole, from an active and from a sealed segment", "[get]") {
  TempDir files;
  const auto log = *Log::open(files / "log", small_segments());
  for (const char* id : {"run_8c1f6a52-0c0f-4b43-9d0a-5f6b8c9d0e1f", "my own id", "ü"}) {
    REQUIRE(log->append(detailed_run(id).view()));
  }
  for (const bool sealed : {false, true}) {
    if (sealed) REQUIRE(log->seal_now());
    for (const char* id : {"run_8c1f6a52-0c0f-4b43-9d0a-5f6b8c9d0e1f", "my own id", "ü"}) {
      const auto run = get(*log->snapshot(), id);
      REQUIRE(run);
      CHECK(run->run == detailed_run(id).view());
    }
  }
}

TEST_CASE("a run outlives its log and its snapshot", "[get]") {
  TempDir files;
  auto log = *Log::open(files / "log", small_segments());
  REQUIRE(log->append(detailed_run("a").view()));
  const auto run = get(*log->snapshot(), "a");
  REQUIRE(log->close());
  log.reset();
  REQUIRE(run);
  CHECK(run->run == detailed_run("a").view());
}

TEST_CASE("a run that is not there is not found, and the answer names it", "[get]") {
  TempDir files;
  const auto log = *Log::open(files / "log", small_segments());
  CHECK(get(*log->snapshot(), "a").error().code == ErrorCode::NotFound);
  REQUIRE(log->append(detailed_run("a").view()));
  const auto missing = get(*log->snapshot(), "b");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::NotFound);
  CHECK(missing.error().message == "the log has no run 'b'");
  std::vector<std::byte> out;
  CHECK(get_stored(**log->snapshot(), "b", out).error().code == ErrorCode::NotFound);
  CHECK(get_stored(**log->snapshot(), "", out).error().code == ErrorCode::NotFound);
}

TEST_CASE("of a superseded run the newest content comes back", "[get]") {
  TempDir files;
  const auto log = *Log::open(files / "log", small_segments());
  TestRun run = detailed_run("a");
  for (std::int64_t version = 0; version < 100; ++version) {
    run.version = version;
    REQUIRE(log->append(run.view()));
    const auto now = get(*log->snapshot(), "a");
    REQUIRE(now);
    REQUIRE(now->run.flow_version == version);
  }
}

TEST_CASE("an old snapshot has the run as it was then", "[get]") {
  TempDir files;
  const auto log = *Log::open(files / "log", small_segments());
  const auto before = *log->snapshot();
  TestRun run = detailed_run("a");
  REQUIRE(log->append(run.view()));
  const auto first = *log->snapshot();
  run.version = 2;
  REQUIRE(log->append(run.view()));
  CHECK_FALSE(get(before, "a"));
  CHECK_FALSE(get(first, "a")->run.flow_version);
  CHECK(get(*log->snapshot(), "a")->run.flow_version == 2);
}

TEST_CASE("stored bytes decode to the run", "[get]") {
  TempDir files;
  const auto log = *Log::open(files / "log", small_segments());
  REQUIRE(log->append(detailed_run("a").view()));
  for (const bool sealed : {false, true}) {
    if (sealed) REQUIRE(log->seal_now());
    const auto snapshot = *log->snapshot();
    std::vector<std::byte> bytes(3);
    const auto sequence = get_stored(*snapshot, "a", bytes);
    REQUIRE(sequence);
    TextArena arena;
    Run run;
    REQUIRE(decode_run(bytes, *sequence, *snapshot->names, snapshot->dictionaries.get(), arena, run));
    CHECK(run == detailed_run("a").view());
  }
}

}  // namespace
}  // namespace runlog
