// Appends, readers, sweeps and forgets at the same time.
#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "log/verify.h"
#include "tests/complaints.h"
#include "tests/snapshot_agrees.h"
#include "tests/forget_fixture.h"

using namespace runlog;

namespace {

constexpr int kThreads = 2, kRuns = 60;

std::string other(int thread, int i) {
  return "other" + std::to_string(thread) + "." + std::to_string(i);
}

// Runs of others, and now and then one that is to be forgotten.
void append_both(Log& log, int thread, const std::string& word, Complaints& complaints) {
  RunJsonParser parser;
  for (int i = 0; i < kRuns; ++i) {
    TextArena arena;
    Run run;
    const std::string marked = "marked" + std::to_string(i % 20) + word;
    for (const std::string& json : {run_with(other(thread, i), "of others", i),
                                    run_with(marked, word, i)})
      if (complaints.check(parser.parse(json, arena, run))) complaints.check(log.append(run));
    if (i % 10 != 0) continue;
    SuspendedRun paused;
    if (complaints.check(parser.parse_suspended(suspended_with("paused" + word, word), arena, paused)))
      complaints.check(log.paused().save(paused));
  }
}

// What a snapshot lists is what it counts, and each of it can be read, also while it is forgotten.
void look(Log& log, Complaints& complaints) {
  const auto snapshot = log.snapshot();
  if (!complaints.check(snapshot)) return;
  check_agrees(*snapshot, complaints);
}

}  // namespace

TEST_CASE_METHOD(ForgetFixture, "appends, readers, sweeps and forgets go on together",
                 "[forget][threads]") {
  options_.segment_runs = 25;
  options_.merge_fanout = 3;
  options_.sweep_interval = std::chrono::milliseconds(1);
  options_.train_dictionary = false;
  reopen();
  const auto reader = Log::open_read_only(files_.path());
  must(reader);
  std::atomic<bool> stop{false};
  Complaints complaints;
  std::vector<std::thread> others;
  for (Log* const one : {log_.get(), reader->get()})
    others.emplace_back([&, one] {
      while (!stop) look(*one, complaints);
    });
  for (int i = 0; i < 2; ++i)
    others.emplace_back([&] {
      while (!stop) {
        complaints.check(log_->forget(forget_user("user " + word_)));
        complaints.check(log_->plan_forget(forget_user("user " + word_)));
      }
    });
  others.emplace_back([&] {
    while (!stop) complaints.check(log_->sweep());
  });
  std::vector<std::thread> writers;
  for (int thread = 0; thread < kThreads; ++thread)
    writers.emplace_back([&, thread] { append_both(*log_, thread, word_, complaints); });
  for (std::thread& writer : writers) writer.join();
  stop = true;
  for (std::thread& one : others) one.join();
  CHECK(complaints.all() == "");

  forget(forget_user("user " + word_));
  CHECK(traces() == std::set<std::string>());
  const auto ids = visible();
  const std::set<std::string> left(ids.begin(), ids.end());
  CHECK(left.size() == kThreads * kRuns);
  for (int thread = 0; thread < kThreads; ++thread)
    for (int i = 0; i < kRuns; ++i) CHECK(left.count(other(thread, i)) == 1);
  log_.reset();
  CHECK(verify_log(files_.path())->damage.empty());
}
