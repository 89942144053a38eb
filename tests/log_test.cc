// The log as an embedder sees it: open, append, read, close, and again.
#include "log/log.h"

#include <catch2/catch.hpp>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "log/file_io.h"
#include "query/query.h"
#include "tests/log_fixture.h"

using namespace runlog;
using Outcome = AppendResult::Outcome;

namespace {

std::uint64_t visible(Log& log) { return (*log.snapshot())->live(); }

Expected<OwnedRun> find(Log& log, const std::string& id) { return get(*log.snapshot(), id); }

}  // namespace

TEST_CASE("what was appended is read back at once and after a reopening") {
  TempDir dir;
  {
    auto log = open_log(dir.path());
    auto result = log->append(SampleRun("run_a").run());
    REQUIRE(result);
    CHECK(result->sequence == 1);
    CHECK(result->outcome == Outcome::kAppended);
    REQUIRE(find(*log, "run_a"));
    CHECK(find(*log, "run_a")->run == SampleRun("run_a").run());
    CHECK(find(*log, "run_b").error().code == ErrorCode::NotFound);
  }
  auto log = open_log(dir.path());
  REQUIRE(find(*log, "run_a"));
  CHECK(find(*log, "run_a")->run == SampleRun("run_a").run());
  CHECK(log->append(SampleRun("run_b").run())->sequence == 2);
}

TEST_CASE("the same content again is acknowledged with its first sequence number") {
  TempDir dir;
  auto log = open_log(dir.path());
  CHECK(log->append(SampleRun("run_a").run())->sequence == 1);
  CHECK(log->append(SampleRun("run_b").run())->sequence == 2);
  auto again = log->append(SampleRun("run_a").run());
  CHECK(again->sequence == 1);
  CHECK(again->outcome == Outcome::kDuplicate);
  must(log->seal_now());
  again = log->append(SampleRun("run_a").run());
  CHECK(again->sequence == 1);
  CHECK(again->outcome == Outcome::kDuplicate);
  CHECK(visible(*log) == 2);
}

TEST_CASE("other content supersedes, in the active segment, across segments and after a reopening") {
  TempDir dir;
  {
    auto log = open_log(dir.path());
    REQUIRE(log->append(SampleRun("run_a").run()));
    auto second = log->append(SampleRun("run_a").failed("first").run());
    CHECK(second->outcome == Outcome::kSuperseded);
    CHECK(second->sequence == 2);
    CHECK(visible(*log) == 1);
    must(log->seal_now());
    auto third = log->append(SampleRun("run_a").failed("second").run());
    CHECK(third->outcome == Outcome::kSuperseded);
    CHECK(visible(*log) == 1);
    CHECK(find(*log, "run_a")->run.error->message == "second");
  }
  auto log = open_log(dir.path());
  CHECK(visible(*log) == 1);
  CHECK(find(*log, "run_a")->run.error->message == "second");
  must(log->seal_now());
  CHECK(visible(*log) == 1);
  CHECK(find(*log, "run_a")->run.error->message == "second");
  CHECK(log->append(SampleRun("run_a").failed("second").run())->outcome == Outcome::kDuplicate);
}

TEST_CASE("a batch is stored in order, with duplicates and supersedes inside it") {
  TempDir dir;
  auto log = open_log(dir.path());
  Batch batch = log->make_batch();
  REQUIRE(batch.add(SampleRun("run_a").run()));
  REQUIRE(batch.add(SampleRun("run_b").run()));
  REQUIRE(batch.add(SampleRun("run_a").run()));
  REQUIRE(batch.add(SampleRun("run_b").failed("later").run()));
  REQUIRE(batch.add(SampleRun("run_b").failed("later").run()));
  auto results = log->append(std::move(batch));
  REQUIRE(results);
  REQUIRE(results->size() == 5);
  CHECK((*results)[0].sequence == 1);
  CHECK((*results)[1].sequence == 2);
  CHECK((*results)[2].outcome == Outcome::kDuplicate);
  CHECK((*results)[2].sequence == 1);
  CHECK((*results)[3].outcome == Outcome::kSuperseded);
  CHECK((*results)[3].sequence == 3);
  CHECK((*results)[4].outcome == Outcome::kDuplicate);
  CHECK((*results)[4].sequence == 3);
  CHECK(visible(*log) == 2);
  CHECK(find(*log, "run_b")->run.error->message == "later");
}

TEST_CASE("a batch that another log made is refused") {
  TempDir here, there;
  auto log = open_log(here.path()), other = open_log(there.path());
  const auto make = [&] {
    Batch batch = other->make_batch();
    must(batch.add(SampleRun("run_a").run()));
    return batch;
  };
  CHECK(log->append(make()).error().code == ErrorCode::InvalidArgument);
  ErrorCode code = ErrorCode::Closed;
  log->append_async(make(), [&](auto results) { code = results.error().code; });
  CHECK(code == ErrorCode::InvalidArgument);
  CHECK(visible(*log) == 0);
}

TEST_CASE("a refused run leaves its batch as it was") {
  TempDir dir;
  auto log = open_log(dir.path());
  Batch batch = log->make_batch();
  REQUIRE(batch.add(SampleRun("run_a").run()));
  CHECK(batch.add(SampleRun("").run()).error().code == ErrorCode::InvalidArgument);
  CHECK(batch.add(SampleRun(std::string(5000, 'x')).run()).error().code == ErrorCode::TooLarge);
  CHECK(batch.size() == 1);
  REQUIRE(log->append(std::move(batch)));
  CHECK(visible(*log) == 1);
}

TEST_CASE("segments are rolled, sealed and merged, and nothing is lost on the way") {
  TempDir dir;
  LogOptions options;
  options.segment_runs = 10;
  options.merge_fanout = 3;
  constexpr int kRuns = 500;
  {
    auto log = open_log(dir.path(), options);
    for (int i = 0; i < kRuns; ++i)
      REQUIRE(log->append(SampleRun("run_" + std::to_string(i)).run()));
    for (int i = 0; i < kRuns; i += 7)
      REQUIRE(log->append(SampleRun("run_" + std::to_string(i)).failed("later").run()));
    must(log->wait_idle());
    CHECK(visible(*log) == kRuns);
    CHECK(log->describe().segments.size() < 12);
  }
  auto log = open_log(dir.path(), options);
  CHECK(visible(*log) == kRuns);
  for (int i = 0; i < kRuns; ++i) {
    auto run = find(*log, "run_" + std::to_string(i));
    REQUIRE(run);
    CHECK((run->run.status == RunStatus::kFailed) == (i % 7 == 0));
  }
}

TEST_CASE("a second writer is told who holds the log") {
  TempDir dir;
  auto log = open_log(dir.path());
  auto second = Log::open(dir.path());
  REQUIRE(!second);
  CHECK(second.error().code == ErrorCode::Busy);
  CHECK(second.error().message.find(std::to_string(::getpid())) != std::string::npos);
  must(log->close());
  CHECK(Log::open(dir.path()));
}

TEST_CASE("a closed log refuses appends, and its snapshots stay readable") {
  TempDir dir;
  auto log = open_log(dir.path());
  REQUIRE(log->append(SampleRun("run_a").run()));
  auto snapshot = *log->snapshot();
  must(log->close());
  CHECK(log->append(SampleRun("run_b").run()).error().code == ErrorCode::Closed);
  CHECK(get(snapshot, "run_a"));
}

TEST_CASE("interval mode knows duplicates and supersedes, sealed and not") {
  TempDir dir;
  LogOptions options;
  options.durability = LogOptions::Durability::kInterval;
  {
    auto log = open_log(dir.path(), options);
    must(log->append(SampleRun("run_a").run()));
    must(log->append(SampleRun("run_a").run()));
    must(log->append(SampleRun("run_a").failed("first").run()));
    must(log->append(SampleRun("run_b").run()));
    must(log->close());
  }
  auto log = open_log(dir.path(), options);
  must(log->seal_now());
  CHECK((*log->snapshot())->end == 4);
  must(log->append(SampleRun("run_b").run()));
  must(log->append(SampleRun("run_a").failed("second").run()));
  must(log->close());
  log = open_log(dir.path(), options);
  CHECK((*log->snapshot())->end == 5);
  CHECK(visible(*log) == 2);
  CHECK(find(*log, "run_a")->run.error->message == "second");
}

TEST_CASE("interval mode refuses every append to a closed log") {
  TempDir dir;
  LogOptions options;
  options.durability = LogOptions::Durability::kInterval;
  auto log = open_log(dir.path(), options);
  must(log->append(SampleRun("run_a").run()));
  must(log->close());
  for (int i = 0; i < 4; ++i) {
    const auto result = log->append(SampleRun("run_b").run());
    REQUIRE(!result);
    CHECK(result.error().code == ErrorCode::Closed);
  }
}

TEST_CASE("a closed log is neither sealed nor waited for") {
  TempDir dir;
  auto log = open_log(dir.path());
  must(log->append(SampleRun("run_a").run()));
  must(log->close());
  CHECK(log->seal_now().error().code == ErrorCode::Closed);
  CHECK(log->wait_idle().error().code == ErrorCode::Closed);
  auto next = open_log(dir.path());
  CHECK((*next->snapshot())->segments.size() == 1);
}

TEST_CASE("a log opened for reading follows what the writer commits, seals and merges") {
  TempDir dir;
  LogOptions options;
  options.segment_runs = 10;
  options.merge_fanout = 2;
  auto writer = open_log(dir.path(), options);
  auto opened = Log::open_read_only(dir.path());
  REQUIRE(opened);
  Log& reader = **opened;
  CHECK(visible(reader) == 0);
  for (int i = 0; i < 100; ++i) {
    REQUIRE(writer->append(SampleRun("run_" + std::to_string(i)).run()));
    REQUIRE(visible(reader) == std::uint64_t(i + 1));
    if (i % 13 == 0) {
      REQUIRE(writer->append(SampleRun("run_0").failed(std::to_string(i)).run()));
      CHECK(visible(reader) == std::uint64_t(i + 1));
      CHECK(find(reader, "run_0")->run.error->message == std::to_string(i));
    }
    if (i % 25 == 0) {
      must(writer->seal_now());
      CHECK(visible(reader) == std::uint64_t(i + 1));
    }
  }
  CHECK(reader.append(SampleRun("run_x").run()).error().code == ErrorCode::InvalidArgument);
}

TEST_CASE("a reader that may not write the lock file is refused by its name") {
  TempDir dir;
  std::filesystem::permissions(dir.path(), std::filesystem::perms(0755));
  must(open_log(dir.path())->close());
  std::filesystem::permissions(dir / "state/lock.mdb", std::filesystem::perms(0444));
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
    const auto log = Log::open_read_only(dir.path());
    ::_exit(!log && log.error().code == ErrorCode::IoError &&
                    log.error().message.find("lock.mdb") != std::string::npos
                ? 0
                : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("there is no log in an empty directory to read") {
  TempDir dir;
  CHECK(Log::open_read_only(dir.path()).error().code == ErrorCode::NotFound);
  CHECK(Log::open_read_only(dir.path() / "missing").error().code == ErrorCode::NotFound);
}

TEST_CASE("many threads append at once, each run exactly once", "[threads]") {
  TempDir dir;
  LogOptions options;
  options.segment_runs = 100;
  options.merge_fanout = 2;
  auto log = open_log(dir.path(), options);
  constexpr int kThreads = 8, kEach = 60;
  std::vector<std::thread> threads;
  std::vector<std::vector<SequenceNumber>> given(kThreads);
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        // Half of the runs are appended by every thread.
        const bool shared = i % 2 == 0;
        const std::string id = "run_" + std::to_string(shared ? 1000 : t) + "_" + std::to_string(i);
        auto result = log->append(SampleRun(id).run());
        if (!result) continue;
        given[std::size_t(t)].push_back(result->sequence);
        // Who was acknowledged reads its own write.
        if (!get(*log->snapshot(), id)) given[std::size_t(t)].clear();
      }
    });
  for (auto& thread : threads) thread.join();
  for (const auto& sequences : given) CHECK(sequences.size() == kEach);
  CHECK(visible(*log) == kEach / 2 + kThreads * kEach / 2);
}

TEST_CASE("appends that nobody waits for are committed, and their callbacks come", "[threads]") {
  TempDir dir;
  auto log = open_log(dir.path());
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t called = 0, stored = 0;
  constexpr std::size_t kBatches = 20, kEach = 10;
  for (std::size_t i = 0; i < kBatches; ++i) {
    Batch batch = log->make_batch();
    for (std::size_t j = 0; j < kEach; ++j)
      REQUIRE(batch.add(SampleRun("run_" + std::to_string(i * kEach + j)).run()));
    log->append_async(std::move(batch), [&](auto results) {
      std::lock_guard lock(mutex);
      ++called;
      if (results) stored += results->size();
      changed.notify_one();
    });
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return called == kBatches; });
  CHECK(stored == kBatches * kEach);
  CHECK(visible(*log) == kBatches * kEach);
}

TEST_CASE("interval mode stores what it took by the time of the close") {
  TempDir dir;
  LogOptions options;
  options.durability = LogOptions::Durability::kInterval;
  {
    auto log = open_log(dir.path(), options);
    for (int i = 0; i < 50; ++i)
      REQUIRE(log->append(SampleRun("run_" + std::to_string(i)).run()));
    must(log->close());
  }
  auto log = open_log(dir.path(), options);
  CHECK(visible(*log) == 50);
}

TEST_CASE("options out of range are refused by name") {
  TempDir dir;
  LogOptions options;
  options.merge_fanout = 1;
  auto log = Log::open(dir.path(), options);
  REQUIRE(!log);
  CHECK(log.error().code == ErrorCode::InvalidArgument);
  CHECK(log.error().message.find("merge_fanout") != std::string::npos);
}

TEST_CASE("statistics count what is visible, whatever the segment") {
  TempDir dir;
  auto log = open_log(dir.path());
  for (int i = 0; i < 10; ++i) REQUIRE(log->append(SampleRun("run_" + std::to_string(i)).run()));
  must(log->seal_now());
  for (int i = 0; i < 5; ++i)
    REQUIRE(log->append(SampleRun("run_" + std::to_string(i)).failed("no").run()));
  auto flows = log->flows();
  REQUIRE(flows);
  REQUIRE(flows->table.size() == 1);
  const auto& runs = flows->table.begin()->second.runs;
  CHECK(runs[unsigned(RunStatus::kCompleted)] == 5);
  CHECK(runs[unsigned(RunStatus::kFailed)] == 5);
}
