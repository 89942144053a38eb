// Appends, readers, sweeps, pins and changes of the policy at the same time.
#include <catch2/catch.hpp>

#include <atomic>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "log/verify.h"
#include "query/query.h"
#include "tests/complaints.h"
#include "tests/snapshot_agrees.h"
#include "tests/log_fixture.h"

using namespace runlog;

namespace {

constexpr UnixMs kStart = 1'792'454'400'000;
constexpr int kFlows = 4;

RetentionPolicy policy_of(std::int64_t most_per_flow) {
  RetentionPolicy policy;
  policy.all.max_per_flow = most_per_flow;
  policy.all.max_age_ms = 3'600'000;
  return policy;
}

void append_some(Log& log, int thread, int runs, std::atomic<UnixMs>& now,
                 Complaints& complaints) {
  for (int i = 0; i < runs; ++i) {
    // Every fifth run is one of before that ends again, which moves its pin.
    const int number = i % 5 == 4 ? i - 3 : i;
    SampleRun run("run" + std::to_string(thread) + "." + std::to_string(number),
                  "flow" + std::to_string(i % kFlows));
    run.started(now += 1000);
    if (i % 5 == 4) run.failed("again " + std::to_string(i));
    complaints.check(log.append(run.run()));
  }
}

// Each snapshot holds each run once, what it lists is what it counts, and it stays so.
void look(Log& log, Complaints& complaints) {
  const auto snapshot = log.snapshot();
  if (!complaints.check(snapshot)) return;
  check_agrees(*snapshot, complaints);
  const auto flows = log.flows();
  if (!complaints.check(flows)) return;
  std::uint64_t counted = 0;
  for (const auto& [flow, counts] : flows->table)
    for (const std::uint64_t runs : counts.runs) counted += runs;
  if (counted != flows->snapshot->live()) complaints.add("flows count other runs than are visible");
}

}  // namespace

TEST_CASE("appends, readers, sweeps and new policies go on together", "[threads]") {
  TempDir files;
  std::atomic<UnixMs> now{kStart};
  LogOptions options;
  options.segment_runs = 25;
  options.merge_fanout = 3;
  options.sweep_interval = std::chrono::milliseconds(1);
  options.now = [&] { return now.load(); };
  auto log = open_log(files.path(), options);
  must(log->set_retention(policy_of(30)));
  const auto reader = Log::open_read_only(files.path());
  must(reader);

  std::atomic<bool> stop{false};
  std::vector<std::thread> others;
  Complaints complaints;
  for (Log* const one : {log.get(), reader->get()})
    others.emplace_back([&, one] {
      while (!stop) look(*one, complaints);
    });
  others.emplace_back([&] {
    for (int i = 0; !stop; ++i) {
      complaints.check(log->set_retention(policy_of(20 + i % 15)));
      complaints.check(log->sweep());
      const std::string id = "run0." + std::to_string(i % 200);
      if (log->pin(id, "looked at") && i % 2 == 0) complaints.check(log->unpin(id));
      complaints.check(log->plan_sweep());
    }
  });
  std::vector<std::thread> writers;
  for (int thread = 0; thread < 2; ++thread)
    writers.emplace_back([&, thread] { append_some(*log, thread, 300, now, complaints); });
  for (std::thread& writer : writers) writer.join();
  stop = true;
  for (std::thread& other : others) other.join();
  CHECK(complaints.all() == "");

  must(log->set_retention(policy_of(10)));
  must(log->sweep());
  const auto pins = log->pins();
  must(pins);
  std::set<std::string> pinned;
  for (const Pin& pin : *pins) pinned.insert(pin.run_id);
  std::map<std::string, int> runs_of;
  ListRequest request;
  request.limit = 1000;
  const auto left = list(*log->snapshot(), request);
  must(left);
  for (const RunHead& run : left->runs) {
    pinned.erase(std::string(run.run_id));
    ++runs_of[std::string(run.flow_name)];
  }
  CHECK(pinned.empty());
  for (const auto& [flow, runs] : runs_of) CHECK(runs <= 10 + int(pins->size()));
  for (int i = 0; i < kFlows; ++i) CHECK(runs_of["flow" + std::to_string(i)] >= 10);
  const auto expected = left->runs.size();
  log.reset();
  log = open_log(files.path(), options);
  CHECK((*log->snapshot())->live() == expected);
  log.reset();
  CHECK(verify_log(files.path())->damage.empty());
}
