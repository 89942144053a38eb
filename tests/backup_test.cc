// Copies of a log that is in use.
#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "log/verify.h"
#include "query/query.h"
#include "tests/cli_process.h"
#include "tests/complaints.h"
#include "tests/faults/child_process.h"
#include "tests/paused_fixture.h"
#include "tests/retention_fixture.h"

using namespace runlog;

namespace {

constexpr int kFlows = 4;
constexpr int kPerFlow = 40;

std::vector<std::string> ids_in(Log& log) {
  ListRequest request;
  request.limit = 1000;
  request.direction = Direction::kOldestFirst;
  const auto snapshot = log.snapshot();
  must(snapshot);
  const auto page = list(*snapshot, request);
  must(page);
  std::vector<std::string> ids;
  for (const RunHead& run : page->runs) ids.emplace_back(run.run_id);
  return ids;
}

// Runs are appended in turn to each flow, of which the newest kPerFlow stay: what is visible says how
// many there were.
void check_prefix(const std::filesystem::path& backup, int acknowledged_before) {
  const auto report = verify_log(backup);
  must(report);
  CHECK(report->damage == std::vector<std::string>());
  CHECK(report->notes == std::vector<std::string>());
  const auto log = Log::open_read_only(backup);
  must(log);
  const auto ids = ids_in(**log);
  const int runs = ids.empty() ? 0 : std::stoi(ids.back().substr(3)) + 1;
  CHECK(runs >= acknowledged_before);
  CHECK(ids == names(std::max(0, runs - kFlows * kPerFlow), runs, "run"));
}

void append_until(Log& log, const std::atomic<bool>& stop, std::atomic<int>& acknowledged,
                  Complaints& complaints) {
  for (int i = 0; !stop; ++i) {
    const SampleRun run("run" + std::to_string(i), "flow" + std::to_string(i % kFlows));
    complaints.check(log.append(run.run()));
    acknowledged = i + 1;
  }
}

// A log of three sealed segments and an active one, closed.
void make_log(const std::filesystem::path& directory) {
  LogOptions options;
  options.segment_runs = 20;
  const auto log = open_log(directory, options);
  for (int i = 0; i < 70; ++i) must(log->append(SampleRun("run" + std::to_string(i)).run()));
  must(log->wait_idle());
}

}  // namespace

TEST_CASE("a backup holds a prefix of a log that is appended to, sealed, merged and swept",
          "[backup][threads]") {
  TempDir files;
  LogOptions options;
  options.segment_runs = 25;
  options.merge_fanout = 3;
  options.sweep_interval = std::chrono::milliseconds(1);
  const auto log = open_log(files / "log", options);
  must(log->set_retention(cap(kPerFlow)));
  const auto reader = Log::open_read_only(files / "log");
  must(reader);
  std::atomic<bool> stop{false};
  std::atomic<int> acknowledged{0};
  Complaints complaints;
  std::thread writer([&] { append_until(*log, stop, acknowledged, complaints); });
  std::vector<std::pair<std::filesystem::path, int>> backups;
  for (int i = 0; i < 12; ++i) {
    const auto target = files.path() / ("backup" + std::to_string(i));
    const int before = acknowledged;
    const auto copied = (i % 2 == 0 ? *log : **reader).backup(target);
    if (complaints.check(copied)) backups.emplace_back(target, before);
  }
  stop = true;
  writer.join();
  CHECK(complaints.all() == "");
  for (const auto& [backup, before] : backups) check_prefix(backup, before);
  CHECK(!backups.empty());
}

TEST_CASE("a backup can be written to like the log that it was made of", "[backup]") {
  TempDir files;
  make_log(files / "log");
  {
    const auto log = open_log(files / "log");
    save(*log, Suspended{"paused1"});
    must(log->pin("run3", "kept"));
    std::uint64_t done = 0, all = 0;
    const auto copied = log->backup(files / "backup", [&](std::uint64_t now, std::uint64_t total) {
      CHECK(now >= done);
      done = now;
      all = total;
    });
    must(copied);
    CHECK(copied->runs == 70);
    CHECK(copied->segments == 4);
    CHECK(all > 0);
    CHECK(done == all);
  }
  for (int i = 0; i < 2; ++i) {
    const auto copy = open_log(files / "backup");
    CHECK(copy->describe().runs == std::uint64_t(70 + i));
    CHECK(copy->describe().paused == 1);
    CHECK(copy->pins()->size() == 1);
    const auto appended = copy->append(SampleRun("new" + std::to_string(i)).run());
    must(appended);
    CHECK(appended->sequence == SequenceNumber(71 + i));
  }
  CHECK(verify_log(files / "backup")->damage.empty());
  CHECK(open_log(files / "log")->describe().runs == 70);
}

TEST_CASE("a backup of an empty log is an empty log", "[backup]") {
  TempDir files;
  const auto log = open_log(files / "log");
  std::filesystem::create_directory(files / "backup");  // an empty one will do
  must(log->backup(files / "backup"));
  const auto copy = open_log(files / "backup");
  CHECK(copy->describe().runs == 0);
  must(copy->append(SampleRun("run0").run()));
  CHECK(ids_in(*copy) == names(0, 1, "run"));
  CHECK(ids_in(*log).empty());
}

TEST_CASE("a backup goes nowhere where something is", "[backup]") {
  TempDir files;
  make_log(files / "log");
  const auto log = Log::open_read_only(files / "log");
  must(log);
  const auto refused = [&](const std::filesystem::path& target) {
    const auto copied = (*log)->backup(target);
    return !copied && copied.error().code == ErrorCode::InvalidArgument;
  };
  CHECK(refused(files / "log"));
  CHECK(refused(files.path() / "log" / "segments" / "backup"));
  std::filesystem::create_directories(files.path() / "full" / "inner");
  CHECK(refused(files / "full"));
  std::ofstream(files / "file") << "text";
  CHECK(refused(files / "file"));
  std::filesystem::create_directory(files / "other.partial");
  std::ofstream(files.path() / "other.partial" / "mine") << "text";
  CHECK(refused(files / "other"));
  CHECK(std::filesystem::exists(files.path() / "other.partial" / "mine"));
  CHECK(verify_log(files / "log")->notes.empty());
}

TEST_CASE("a backup that dies leaves nothing under its name, and another one takes its place",
          "[backup][faults]") {
#ifndef RUNLOG_KILL_POINTS
  WARN("skipped: this build has no kill points");
#else
  TempDir files;
  make_log(files.path() / "data" / "default");
  const auto backup = [&](const faults::Environment& environment) {
    return faults::ChildProcess(RUNLOG_CLI_PATH,
                                {"backup", (files / "backup").string(), "--data",
                                 (files / "data").string()},
                                environment)
        .wait();
  };
  for (const char* point : {"backup.after_state", "backup.after_segment:2", "backup.before_rename"}) {
    INFO(point);
    CHECK(backup({{"RUNLOG_KILL_POINT", point}}).killed());
    CHECK(!std::filesystem::exists(files / "backup"));
    CHECK(std::filesystem::exists(files / "backup.partial"));
  }
  CHECK(backup({}).exit_code == 0);
  CHECK(!std::filesystem::exists(files / "backup.partial"));
  const auto log = Log::open_read_only(files / "backup");
  must(log);
  CHECK(ids_in(**log) == names(0, 70, "run"));
  CHECK(run_cli({"backup", (files / "backup").string(), "--data", (files / "data").string()})
            .exit_code == 1);
#endif
}
