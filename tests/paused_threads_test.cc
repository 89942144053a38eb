// Many threads on the same paused runs: one claim wins, and no snapshot shows a run twice or loses it.
#include <atomic>
#include <random>
#include <thread>

#include "query/query.h"
#include "tests/complaints.h"
#include "tests/paused_fixture.h"

namespace runlog {
namespace {

std::string id_of(unsigned number) { return "run_" + std::to_string(number); }

}  // namespace

TEST_CASE("of many threads that claim one run exactly one wins", "[threads]") {
  constexpr unsigned kThreads = 6, kRounds = 40;
  TempDir dir;
  const auto log = open_log(dir.path());
  Complaints complaints;
  for (unsigned round = 0; round < kRounds; ++round) {
    save(*log, {"run_1"});
    std::atomic<unsigned> ready{0}, wins{0};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < kThreads; ++i)
      threads.emplace_back([&, i] {
        ready.fetch_add(1);
        while (ready.load() < kThreads) std::this_thread::yield();
        const auto claim =
            log->paused().claim("run_1", "hold", "appr_1", "engine " + std::to_string(i));
        if (complaints.check(claim) && claim->run) wins.fetch_add(1);
      });
    for (std::thread& thread : threads) thread.join();
    REQUIRE(wins.load() == 1);
  }
  CHECK(complaints.all() == "");
}

TEST_CASE("every snapshot shows a run paused or ended, never both and never neither",
          "[threads]") {
  constexpr unsigned kRuns = 120, kEngines = 3;
  TempDir dir;
  LogOptions options;
  options.segment_runs = 32;
  options.merge_fanout = 3;
  const auto log = open_log(dir.path(), options);
  for (unsigned i = 0; i < kRuns; ++i) save(*log, {id_of(i)});
  Complaints complaints;
  std::atomic<unsigned> ended{0};
  std::atomic<bool> done{false};

  // Each engine tries to get every run; who has it ends it, half of them by a plain append.
  const auto resume = [&](unsigned engine) {
    for (unsigned i = 0; i < kRuns; ++i) {
      const std::string id = id_of((i + engine * 40) % kRuns);
      const auto claim =
          log->paused().claim(id, "hold", "appr_1", "engine " + std::to_string(engine));
      if (!complaints.check(claim)) return;
      if (!claim->run) continue;
      const SampleRun sample(id);
      const auto result = i % 2 == 0 ? log->paused().complete(sample.run())
                                     : log->append(sample.run());
      if (!complaints.check(result)) return;
      if (result->outcome != AppendResult::Outcome::kAppended)
        complaints.add(id + " ended twice");
      ended.fetch_add(1);
    }
  };
  const auto read = [&] {
    for (unsigned round = 0; !done || round < 2; ++round) {
      const auto snapshot = log->snapshot();
      if (!complaints.check(snapshot)) return;
      std::vector<unsigned> seen(kRuns);
      ListRequest request;
      request.limit = 50;
      do {
        const auto page = list(*snapshot, request);
        if (!complaints.check(page)) return;
        if (page->total != kRuns) complaints.add("a total is " + std::to_string(page->total));
        for (const RunHead& run : page->runs) ++seen[std::stoul(std::string(run.run_id.substr(4)))];
        request.cursor = page->next_cursor;
      } while (!request.cursor.empty());
      for (unsigned i = 0; i < kRuns; ++i)
        if (seen[i] != 1) complaints.add(id_of(i) + " is seen " + std::to_string(seen[i]) + " times");
    }
  };
  std::vector<std::thread> engines, readers;
  for (unsigned i = 0; i < 2; ++i) readers.emplace_back(read);
  for (unsigned i = 0; i < kEngines; ++i) engines.emplace_back(resume, i);
  for (std::thread& thread : engines) thread.join();
  done = true;
  for (std::thread& thread : readers) thread.join();
  CHECK(complaints.all() == "");
  CHECK(ended == kRuns);
  CHECK((*log->snapshot())->paused == nullptr);
  must(log->wait_idle());
  must(log->close());
  CHECK(paused_ids(*open_log(dir.path(), options)).empty());
}

TEST_CASE("a save that races with the run's record is before it or after it, for good",
          "[threads]") {
  TempDir dir;
  std::vector<bool> was_paused;
  {
    const auto log = open_log(dir.path());
    Complaints complaints;
    for (unsigned i = 0; i < 60; ++i) {
      std::atomic<unsigned> ready{0};
      const auto meet = [&] {
        ready.fetch_add(1);
        while (ready.load() < 2) std::this_thread::yield();
      };
      std::thread other([&] {
        meet();
        Suspended run{id_of(i)};
        complaints.check(log->paused().save(run.run()));
      });
      meet();
      complaints.check(log->append(SampleRun(id_of(i)).run()));
      other.join();
      was_paused.push_back(is_paused(*log, id_of(i)));
    }
    CHECK(complaints.all() == "");
    must(log->close());
  }
  const auto log = open_log(dir.path());
  for (unsigned i = 0; i < was_paused.size(); ++i) CHECK(is_paused(*log, id_of(i)) == was_paused[i]);
}

TEST_CASE("runs that end while they are claimed leave the paused runs whole", "[threads]") {
  constexpr unsigned kRounds = 40;
  TempDir dir;
  Complaints complaints;
  // A claim copies the entry, so that a large one gives its run the time to end.
  std::string variables = "\"";
  std::mt19937 random(1);
  while (variables.size() < 4'000'000) variables += char('a' + random() % 26);
  variables += '"';
  {
    const auto log = open_log(dir.path());
    for (unsigned round = 0; round < kRounds; ++round) {
      const std::string id = id_of(round);
      SuspendedRun paused;
      paused.run_id = id;
      paused.flow_name = "leave_approval";
      paused.node_id = "hold";
      paused.variables_json = variables;
      must(log->paused().save(paused));
      std::atomic<unsigned> ready{0};
      const auto together = [&] {
        ready.fetch_add(1);
        while (ready.load() < 2) std::this_thread::yield();
      };
      std::thread ending([&] {
        const SampleRun run(id, "leave_approval");
        together();
        complaints.check(log->append(run.run()));
      });
      together();
      // Each round a little later, so that some claim meets the commit's end.
      for (unsigned turn = 0; turn < round * 20; ++turn) std::this_thread::yield();
      complaints.check(log->paused().claim(id, "hold", std::nullopt, "engine"));
      ending.join();
    }
    must(log->close());
  }
  CHECK(complaints.all() == "");
  const auto log = Log::open_read_only(dir.path());
  must(log);
  CHECK((*log)->describe().paused == 0);
}

}  // namespace runlog
