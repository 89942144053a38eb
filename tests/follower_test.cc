// A log that is read in one process while another one writes it, at the same time.
#include <catch2/catch.hpp>

#include <atomic>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "query/query.h"
#include "tests/log_fixture.h"

using namespace runlog;

namespace {

constexpr int kBatches = 120;
constexpr std::uint64_t kBatchRuns = 10;

// Every third batch replaces the runs of the one before it.
Batch make_numbered(Log& log, int number) {
  Batch batch = log.make_batch();
  for (std::uint64_t i = 0; i < kBatchRuns; ++i)
    must(batch.add(SampleRun("run_" + std::to_string(number % 3 == 2 ? number - 1 : number) + "_" +
                                 std::to_string(i),
                             "flow_" + std::to_string(number))
                       .failed("batch " + std::to_string(number))
                       .run()));
  return batch;
}

std::uint64_t runs_in(const FlowTable& table) {
  std::uint64_t runs = 0;
  for (const auto& [flow, counts] : table)
    for (const std::uint64_t of_status : counts.runs) runs += of_status;
  return runs;
}

// Looks again and again until it sees the last batch. Empty, or what was wrong.
std::string follow(const std::filesystem::path& directory) {
  auto opened = Log::open_read_only(directory);
  if (!opened) return "open: " + opened.error().message;
  Log& log = **opened;
  std::atomic<bool> ended = false;
  std::string wrong_counts;
  std::thread counts([&] {
    while (!ended && wrong_counts.empty()) {
      const auto flows = log.flows();
      if (!flows)
        wrong_counts = "flows: " + flows.error().message;
      else if (runs_in(flows->table) != flows->snapshot->live())
        wrong_counts = "flows count " + std::to_string(runs_in(flows->table)) + " of " +
                       std::to_string(flows->snapshot->live()) + " runs";
    }
  });
  std::string wrong;
  const std::string last = "run_" + std::to_string(kBatches - 2) + "_0";
  for (bool done = false; !done && wrong.empty();) {
    const auto snapshot = log.snapshot();
    if (!snapshot) {
      wrong = "snapshot: " + snapshot.error().message;
      break;
    }
    if ((*snapshot)->live() % kBatchRuns != 0)
      wrong = "half a batch: " + std::to_string((*snapshot)->live()) + " runs";
    const auto page = list(*snapshot, {});
    if (!page) wrong = "list: " + page.error().message;
    const auto run = get(*snapshot, last);
    if (!run && run.error().code != ErrorCode::NotFound) wrong = "get: " + run.error().message;
    done = run && run->run.error->message == "batch " + std::to_string(kBatches - 1);
  }
  ended = true;
  counts.join();
  return wrong.empty() ? wrong_counts : wrong;
}

}  // namespace

TEST_CASE("a follower sees whole batches and true counts while the writer commits, seals and merges") {
  TempDir dir;
  LogOptions options;
  options.segment_runs = 50;
  options.merge_fanout = 2;
  must(open_log(dir.path(), options)->close());  // for the child to open; no thread is left
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const std::string wrong = follow(dir.path());
    if (!wrong.empty()) std::fprintf(stderr, "the follower found: %s\n", wrong.c_str());
    ::_exit(wrong.empty() ? 0 : 1);
  }
  {
    auto log = open_log(dir.path(), options);
    for (int number = 0; number < kBatches; ++number)
      must(log->append(make_numbered(*log, number)));
    must(log->wait_idle());
    must(log->close());
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
