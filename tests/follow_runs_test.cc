// The live tail of a log, piece by piece.
#include <catch2/catch.hpp>

#include "server/follow_runs.h"
#include "tests/damaged_log.h"

using namespace runlog;
using Catch::Matchers::Contains;

namespace {

std::shared_ptr<const Snapshot> snapshot_of(Log& log) {
  auto snapshot = log.snapshot();
  must(snapshot);
  return *snapshot;
}

void append_failed(Log& log, const std::string& id, const std::string& message) {
  must(log.append(SampleRun(id).failed(message).run()));
}

}  // namespace

TEST_CASE("a run that is too large for whoever follows comes as its head, between the others") {
  const TempDir folder;
  const auto log = open_log(folder / "log");
  append_failed(*log, "first", "x");
  append_failed(*log, "large", std::string(100'000, 'x'));
  append_failed(*log, "last", "x");
  FollowRequest request;
  request.largest_run = 50'000;
  const auto read = follow_runs(*snapshot_of(*log), request);
  must(read);
  REQUIRE(read->runs.size() == 3);
  CHECK_FALSE(read->has_more);
  CHECK(read->next == 4);
  CHECK(read->runs[1].sequence == 2);
  CHECK(read->runs[1].json.size() < 10'000);
  CHECK_THAT(read->runs[1].json, Contains("\"runId\":\"large\"") && !Contains("\"steps\""));
  CHECK_THAT(read->runs[0].json, Contains("\"steps\""));
}

TEST_CASE("a piece ends before the run that would make it too large") {
  const TempDir folder;
  const auto log = open_log(folder / "log");
  for (int i = 0; i < 5; ++i) append_failed(*log, std::to_string(i), std::string(100'000, 'x'));
  append_failed(*log, "5", std::string(600'000, 'x'));
  append_failed(*log, "6", "x");
  std::vector<std::size_t> pieces;
  FollowRequest request;
  for (bool has_more = true; has_more;) {
    const auto read = follow_runs(*snapshot_of(*log), request);
    must(read);
    std::size_t bytes = 0;
    for (const FollowedRun& run : read->runs) bytes += run.json.size();
    CHECK((bytes <= request.max_bytes || read->runs.size() == 1));
    pieces.push_back(read->runs.size());
    request.from = read->next;
    has_more = read->has_more;
  }
  CHECK(pieces == std::vector<std::size_t>{2, 2, 1, 1, 1});
}

TEST_CASE("whoever follows gets the runs in front of a damaged one, then the failure") {
  const TempDir folder;
  const auto log = open_log(folder / "log");
  for (const char* message : {"first", "second", "it broke here", "last"})
    append_failed(*log, message, message);
  damage_text_below(folder / "log", "it broke here");
  const auto read = follow_runs(*snapshot_of(*log), {.from = 1, .flows = {}});
  must(read);
  CHECK(read->runs.size() == 2);
  CHECK(read->has_more);
  CHECK(read->next == 3);
  const auto failed = follow_runs(*snapshot_of(*log), {.from = 3, .flows = {}});
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == ErrorCode::Corruption);
}
