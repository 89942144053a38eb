// Weeks of a log's life: after each sweep its files take at most twice what the visible runs need, and
// the active segment.
#include <catch2/catch.hpp>

#include <algorithm>
#include <random>
#include <string>

#include "log/verify.h"
#include "query/query.h"
#include "tests/faults/child_process.h"
#include "tests/log_fixture.h"

using namespace runlog;

namespace {

constexpr UnixMs kHour = 3'600'000;
constexpr std::uint32_t kSegmentRuns = 1000;

struct DiskUse {
  std::uint64_t sealed_bytes = 0;  // of all segments but the active one
  double live_bytes = 0;           // the visible runs' share of them
  std::uint64_t sealed = 0;
};

// What the visible runs of one segment account for: their records, and their share of what else the
// file has.
double live_bytes(const Snapshot& snapshot, std::size_t position, std::uint64_t file_bytes) {
  const SegmentView& view = snapshot.segments[position];
  RecordReader records(snapshot);
  double all = 0, live = 0;
  for (Ordinal ordinal = 0; ordinal < view.end; ++ordinal) {
    const auto head = HeadView::open(*records.read(position, ordinal), view.sequence(ordinal));
    must(head);
    all += double(head->record_bytes());
    if (!view.is_dead(ordinal)) live += double(head->record_bytes());
  }
  return live + (double(file_bytes) - all) * double(view.live()) / std::max(view.end, 1u);
}

DiskUse disk_use(Log& log) {
  DiskUse use;
  const LogInfo info = log.describe();
  const auto snapshot = *log.snapshot();
  for (std::size_t i = 0; i < info.segments.size(); ++i) {
    if (info.segments[i].state == "active") continue;
    ++use.sealed;
    use.sealed_bytes += info.segments[i].file_bytes;
    use.live_bytes += live_bytes(*snapshot, i, info.segments[i].file_bytes);
  }
  return use;
}

// Counters apart.
std::uint64_t segment_bytes(Log& log) {
  std::uint64_t bytes = 0;
  for (const SegmentInfo& segment : log.describe().segments) bytes += segment.file_bytes;
  return bytes;
}

std::uint64_t files_in(const std::filesystem::path& directory) {
  std::uint64_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory / "segments"))
    files += entry.is_directory() && entry.path().filename() != "quarantine";
  return files;
}

// A hundred flows, most of whose runs go soon, and a rare one that is kept.
void append_hour(Log& log, std::mt19937_64& random, UnixMs now, std::uint64_t& made) {
  Batch batch = log.make_batch();
  for (int i = 0; i < 120; ++i, ++made) {
    SampleRun run("run_" + std::to_string(made),
                  made % 97 == 0 ? "rare" : "flow" + std::to_string(random() % 100));
    run.started(now - 120);
    if (random() % 10 == 0) run.failed("it broke in " + std::to_string(random() % 7));
    must(batch.add(run.run()));
  }
  must(log.append(std::move(batch)));
}

void churn(const RetentionPolicy& policy, int pin_every_hours) {
  TempDir files;
  UnixMs now = 1'792'454'400'000;
  LogOptions options;
  options.segment_runs = kSegmentRuns;
  options.sweep_interval = std::chrono::milliseconds(0);
  options.now = [&] { return now; };
  options.retention = policy;
  auto log = Log::open(files.path(), options);
  must(log);
  std::mt19937_64 random(7);
  std::uint64_t made = 0;
  for (int hour = 0; hour < int(24 * 14 * faults::test_rounds()); ++hour) {
    now += kHour;
    append_hour(**log, random, now, made);
    if (pin_every_hours > 0 && hour % pin_every_hours == 0)
      must((*log)->pin("run_" + std::to_string(made - 1), "kept"));
    if (hour % 6 != 5) continue;
    must((*log)->sweep());
    const DiskUse use = disk_use(**log);
    INFO("hour " << hour << ": " << use.sealed_bytes << " B in " << use.sealed << " segments, "
                 << use.live_bytes << " B of them visible");
    CHECK(double(use.sealed_bytes) <= 2 * use.live_bytes);
    CHECK(use.sealed <= 40);
    CHECK(files_in(files.path()) == use.sealed + 1);
    if (hour % 60 == 59) {
      log->reset();
      log = Log::open(files.path(), options);
      must(log);
    }
  }
  // The same runs in a log of their own take no less than half.
  TempDir fresh_files;
  LogOptions keep = keep_all(options);
  const auto fresh = open_log(fresh_files.path(), keep);
  const auto snapshot = *(*log)->snapshot();
  RecordReader reader(*snapshot);
  std::uint64_t copied = 0;
  Batch batch = fresh->make_batch();
  for (std::size_t i = 0; i < snapshot->segments.size(); ++i)
    for (Ordinal ordinal = 0; ordinal < snapshot->segments[i].end; ++ordinal) {
      if (snapshot->segments[i].is_dead(ordinal)) continue;
      TextArena arena;
      Run run;
      must(decode_run(*reader.read(i, ordinal), snapshot->segments[i].sequence(ordinal),
                      *snapshot->names, snapshot->dictionaries.get(), arena, run));
      must(batch.add(run));
      ++copied;
    }
  must(fresh->append(std::move(batch)));
  must(fresh->seal_now());
  CHECK((*fresh->snapshot())->live() == copied);
  CHECK(copied < made / 2);
  std::uint64_t active = 0;
  for (const SegmentInfo& segment : (*log)->describe().segments)
    if (segment.state == "active") active += segment.file_bytes;
  CHECK(segment_bytes(**log) <= 2 * segment_bytes(*fresh) + active);
  must((*log)->close());
  CHECK(verify_log(files.path())->damage.empty());
}

}  // namespace

TEST_CASE("disk use stays bounded while all flows are at their cap", "[retention]") {
  RetentionPolicy policy;
  policy.all.max_per_flow = 40;
  policy.flows["rare"].max_per_flow = kNoLimit;
  churn(policy, 0);
}

TEST_CASE("disk use stays bounded by ages, a rare flow that is kept, and pins", "[retention]") {
  RetentionPolicy policy;
  policy.all.max_age_ms = 30 * kHour;
  policy.all.max_age_by_status_ms[std::size_t(RunStatus::kFailed)] = 96 * kHour;
  policy.flows["rare"].max_age_ms = kNoLimit;
  policy.flows["rare"].max_age_by_status_ms[std::size_t(RunStatus::kFailed)] = kNoLimit;
  churn(policy, 5);
}
