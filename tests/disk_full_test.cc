// A disk that is really full: a small file system of the test's own, filled up by the log and by a
// filler, then given room again.
#include <catch2/catch.hpp>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tests/faults/child_process.h"
#include "tests/faults/scenario.h"

using namespace runlog;
using namespace runlog::faults;
namespace fs = std::filesystem;

namespace {

constexpr const char* kSkipped = "skipped: ";

// Gives this process a mount namespace of its own, with a small file system at `path`. Empty on
// success, else why it is not permitted.
std::string mount_small(const fs::path& path, const char* size) {
  if (::geteuid() != 0) {
    const uid_t user = ::geteuid();
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
      return std::string("no user namespace: ") + std::strerror(errno);
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
  } else if (::unshare(CLONE_NEWNS) != 0) {
    return std::string("no mount namespace: ") + std::strerror(errno);
  }
  ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  const std::string options = std::string("size=") + size;
  if (::mount("tmpfs", path.c_str(), "tmpfs", 0, options.c_str()) != 0)
    return std::string("no tmpfs: ") + std::strerror(errno);
  return "";
}

// Appends batches until one is refused; `runs` receives what was acknowledged.
Error fill(Log& log, unsigned thread, VisibleRuns& runs) {
  for (const PlannedBatch& planned : plan_batches(1, thread, 6000)) {
    Batch batch = log.make_batch();
    for (const PlannedAppend& append : planned) {
      const MadeRun made = make_run(append.run_id, append.content);
      if (auto added = batch.add(made.run); !added) return added.error();
    }
    const auto results = log.append(std::move(batch));
    if (!results) return results.error();
    for (const PlannedAppend& append : planned) runs[append.run_id] = append.content;
  }
  return {ErrorCode::NotFound, "the disk was never full"};
}

std::string append_one(Log& log, const std::string& id, VisibleRuns& runs) {
  const MadeRun made = make_run(id, 77);
  const auto result = log.append(made.run);
  if (!result) return "append: " + result.error().message;
  runs[id] = 77;
  return "";
}

// What is wrong with the log's answers; empty if they are `runs`.
std::string compare(Log& log, const VisibleRuns& runs) {
  const FoundRuns found = read_log(log);
  if (!found.wrong.empty()) return found.wrong;
  if (found.runs != runs)
    return std::to_string(found.runs.size()) + " runs are there and " +
           std::to_string(runs.size()) + " were acknowledged";
  return "";
}

std::string fill_and_free(const fs::path& disk, const LogOptions& options) {
  if (std::string why = mount_small(disk, "8m"); !why.empty()) return kSkipped + why;
  const fs::path filler = disk / "filler";
  std::ofstream(filler) << std::string(5u << 20, 'x');
  auto log = Log::open(disk / "log", options);
  if (!log) return "open: " + log.error().message;

  VisibleRuns runs;
  const Error refused = fill(**log, 0, runs);
  if (refused.code != ErrorCode::DiskFull)
    return "the error of a full disk is not DiskFull but " +
           std::to_string(static_cast<int>(refused.code)) + ": " + refused.message;
  if (runs.size() < 100) return "the disk was full after " + std::to_string(runs.size()) + " runs";
  if (std::string wrong = compare(**log, runs); !wrong.empty()) return "while full, " + wrong;
  // A full disk stays full: every further try is refused in the same way.
  for (int i = 0; i < 20; ++i) {
    const MadeRun made = make_run("refused", 5);
    const auto again = (*log)->append(made.run);
    if (again) {
      runs["refused"] = 5;
    } else if (again.error().code != ErrorCode::DiskFull) {
      return "when tried again: " + again.error().message;
    }
  }
  if (std::string wrong = compare(**log, runs); !wrong.empty()) return "after trying, " + wrong;

  fs::remove(filler);
  if (std::string wrong = append_one(**log, "room-again", runs); !wrong.empty())
    return "with room again, " + wrong;
  if (auto idle = (*log)->wait_idle(); !idle) return "wait_idle: " + idle.error().message;
  if (std::string wrong = compare(**log, runs); !wrong.empty()) return "with room again, " + wrong;
  if (auto closed = (*log)->close(); !closed) return "close: " + closed.error().message;
  log->reset();
  ExpectedRuns expected(1, 0, 0);
  expected.set_before(runs);
  return check_after_crash(disk / "log", expected);
}

// Opens a full disk's log: it can be read and appends are refused; then there is room.
std::string reopen_full(const fs::path& disk, const LogOptions& options) {
  if (std::string why = mount_small(disk, "8m"); !why.empty()) return kSkipped + why;
  const fs::path filler = disk / "filler";
  std::ofstream(filler) << std::string(5u << 20, 'x');
  VisibleRuns runs;
  {
    auto log = Log::open(disk / "log", options);
    if (!log) return "open: " + log.error().message;
    fill(**log, 0, runs);
  }
  // What the close still wrote may have left a little room.
  std::ofstream rest(disk / "rest");
  const std::string block(4096, 'x');
  while (rest.write(block.data(), 4096).flush()) {
  }
  rest.close();
  auto reader = Log::open_read_only(disk / "log");
  if (!reader) return "open for reading: " + reader.error().message;
  if (std::string wrong = compare(**reader, runs); !wrong.empty()) return "read only, " + wrong;
  reader->reset();
  {
    // Opening for writing may need room; if it does, it says so.
    auto log = Log::open(disk / "log", options);
    if (!log && log.error().code != ErrorCode::DiskFull) return "open: " + log.error().message;
    if (log)
      if (std::string wrong = compare(**log, runs); !wrong.empty()) return "reopened, " + wrong;
  }
  fs::remove(filler);
  ExpectedRuns expected(1, 0, 0);
  expected.set_before(runs);
  return check_after_crash(disk / "log", expected);
}

void judge(std::string (*scenario)(const fs::path&, const LogOptions&),
           const LogOptions& options) {
  TempDir dir;
  const auto result = run_guarded([&] { return scenario(dir.path(), options); }, 120);
  INFO(result.ending.text());
  REQUIRE(result.ending.exit_code == 0);
  if (result.output.starts_with(kSkipped)) {
    WARN(result.output);
    return;
  }
  CHECK(result.output == "");
}

}  // namespace

TEST_CASE("a full disk refuses appends, loses nothing, and takes them again when there is room",
          "[faults]") {
  SECTION("in the middle of a segment") {
    LogOptions options;
    options.retention = RetentionPolicy();
    options.segment_runs = 100'000;
    judge(fill_and_free, options);
  }
  SECTION("while segments are sealed and merged") {
    LogOptions options;
    options.retention = RetentionPolicy();
    options.segment_runs = 500;
    options.merge_fanout = 3;
    judge(fill_and_free, options);
  }
}

TEST_CASE("a log on a full disk is opened, read, and appended to when there is room", "[faults]") {
  SECTION("in the middle of a segment") {
    LogOptions options;
    options.retention = RetentionPolicy();
    options.segment_runs = 100'000;
    judge(reopen_full, options);
  }
  SECTION("while segments are sealed and merged") {
    LogOptions options;
    options.retention = RetentionPolicy();
    options.segment_runs = 500;
    options.merge_fanout = 3;
    judge(reopen_full, options);
  }
}
