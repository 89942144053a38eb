// Readers beside appenders: what a snapshot answers never changes, and at every moment a run that is
// appended again and again is seen exactly once.
#include <atomic>
#include <catch2/catch.hpp>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "query/query.h"
#include "tests/test_run.h"

namespace runlog {
namespace {

constexpr unsigned kAppenders = 3;
constexpr unsigned kReaders = 3;
constexpr unsigned kRounds = 120;
constexpr unsigned kChanging = 4;  // runs that each appender supersedes in turn

// Catch2's assertions are for one thread, so the others write down what went wrong.
class Failures {
 public:
  void add(const std::string& text) {
    const std::lock_guard lock(mutex_);
    if (texts_.size() < 10) texts_.push_back(text);
  }
  template <typename T>
  bool check(const Expected<T>& result) {
    if (!result) add(result.error().message);
    return result.has_value();
  }
  void check(bool holds, const std::string& text) {
    if (!holds) add(text);
  }
  std::string all() const {
    std::string all;
    for (const std::string& text : texts_) all += text + "\n";
    return all;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> texts_;
};

std::string changing_id(unsigned appender, unsigned which) {
  return "changing-" + std::to_string(appender) + "-" + std::to_string(which);
}

TestRun run_of(unsigned appender, std::string id, unsigned round) {
  TestRun run;
  run.run_id = std::move(id);
  run.flow = "flow" + std::to_string(appender);
  run.version = round;
  run.status = RunStatus(round % kRunStatusCount);
  if (run.status == RunStatus::kFailed) run.error_message = "failed in round " + std::to_string(round);
  run.steps = 3;
  return run;
}

// Appends new runs and new content of known ones, each read back at once.
void append(Log& log, unsigned appender, Failures& failures) {
  for (unsigned round = 0; round < kRounds; ++round) {
    Batch batch = log.make_batch();
    for (unsigned i = 0; i < 4; ++i) {
      const std::string id = std::to_string(appender) + "-" + std::to_string(round * 4 + i);
      if (!failures.check(batch.add(run_of(appender, id, round).view()))) return;
    }
    const TestRun again = run_of(appender, changing_id(appender, round % kChanging), round);
    if (!failures.check(batch.add(again.view()))) return;
    if (!failures.check(log.append(std::move(batch)))) return;
    const auto snapshot = log.snapshot();
    if (!failures.check(snapshot)) return;
    const auto back = get(*snapshot, again.run_id);
    if (!failures.check(back)) return;
    failures.check(back->run.flow_version == std::int64_t(round),
                   "an appender did not read its own write of " + again.run_id);
  }
}

using Listed = std::vector<std::pair<SequenceNumber, std::string>>;

Listed list_all(const std::shared_ptr<const Snapshot>& snapshot, const Filter& filter,
                Failures& failures) {
  Listed all;
  ListRequest request;
  request.filter = filter;
  request.limit = 97;
  do {
    const auto page = list(snapshot, request);
    if (!failures.check(page)) return all;
    for (const RunHead& run : page->runs) all.emplace_back(run.sequence, run.run_id);
    request.cursor = page->next_cursor;
    failures.check(page->has_more || page->total == all.size(),
                   "a list has other runs than its total says");
  } while (!request.cursor.empty());
  return all;
}

// What one snapshot says, seen from several sides.
Listed look(const std::shared_ptr<const Snapshot>& snapshot, Failures& failures) {
  const Listed all = list_all(snapshot, {}, failures);
  failures.check(all.size() == snapshot->live(), "a list differs from the snapshot's count");
  std::set<std::string> ids;
  for (const auto& [sequence, id] : all) {
    failures.check(ids.insert(id).second, "run " + id + " is listed twice");
  }
  std::size_t by_status = 0;
  for (unsigned status = 0; status < kRunStatusCount; ++status) {
    Filter filter;
    filter.statuses = {RunStatus(status)};
    by_status += list_all(snapshot, filter, failures).size();
  }
  failures.check(by_status == all.size(), "the statuses of a snapshot do not add up");
  const auto flows = groups(*snapshot, TermKind::kFlow, {});
  if (failures.check(flows)) {
    std::uint64_t sum = 0;
    for (const Group& flow : *flows) sum += flow.count;
    failures.check(sum == all.size(), "the flows of a snapshot do not add up");
  }
  return all;
}

void read(Log& log, const std::atomic<bool>& done, Failures& failures) {
  std::vector<std::int64_t> versions(kAppenders * kChanging, -1);
  std::shared_ptr<const Snapshot> held;
  Listed held_answer;
  for (unsigned round = 0; !done || round < 2; ++round) {
    const auto snapshot = log.snapshot();
    if (!failures.check(snapshot)) return;
    Listed answer = look(*snapshot, failures);
    for (unsigned i = 0; i < versions.size(); ++i) {
      const std::string id = changing_id(i / kChanging, i % kChanging);
      const auto run = get(*snapshot, id);
      if (!run) {
        failures.check(versions[i] < 0, "run " + id + " vanished: " + run.error().message);
        continue;
      }
      const std::int64_t version = run->run.flow_version.value_or(-1);
      failures.check(version >= versions[i], "run " + id + " went back in time");
      versions[i] = version;
    }
    if (held) failures.check(look(held, failures) == held_answer, "a snapshot's answer changed");
    if (round % 3 == 0) {
      held = *snapshot;
      held_answer = std::move(answer);
    }
    const auto flows = statistics(log, std::nullopt);
    if (failures.check(flows)) {
      std::uint64_t sum = 0;
      for (const std::uint64_t runs : flows->front().runs) sum += runs;
      failures.check(sum >= (*snapshot)->live(), "statistics went back in time");
    }
  }
}

}  // namespace

TEST_CASE("snapshots stay as they are while runs are appended, superseded, sealed and merged",
          "[threads][model]") {
  TempDir files;
  LogOptions options = small_segments();
  options.segment_runs = 150;
  const auto log = *Log::open(files / "log", options);
  Failures failures;
  std::atomic<bool> done{false};
  std::vector<std::thread> readers, appenders;
  for (unsigned i = 0; i < kReaders; ++i) {
    readers.emplace_back([&] { read(*log, done, failures); });
  }
  for (unsigned i = 0; i < kAppenders; ++i) {
    appenders.emplace_back([&, i] { append(*log, i, failures); });
  }
  for (std::thread& thread : appenders) thread.join();
  done = true;
  for (std::thread& thread : readers) thread.join();
  CHECK(failures.all() == "");

  const auto snapshot = *log->snapshot();
  CHECK(snapshot->live() == kAppenders * (kRounds * 4 + kChanging));
  for (unsigned appender = 0; appender < kAppenders; ++appender) {
    Filter filter;
    filter.flows = {"flow" + std::to_string(appender)};
    CHECK(count(*snapshot, filter) == kRounds * 4 + kChanging);
  }
}

}  // namespace runlog
