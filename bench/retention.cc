// What retention costs: giving back the space of old runs, whole segments of them and with a few that
// stay between them, and what appends notice of it.
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <future>
#include <vector>

#include "bench/figures.h"
#include "bench/measure.h"
#include "bench/peer_rocksdb.h"
#include "bench/peer_sqlite.h"
#include "bench/runlog_store.h"

namespace runlog::bench {
namespace {

constexpr std::uint64_t kSegments = 10;
constexpr std::size_t kBatch = 100;
constexpr const char* kKept = "kept";

struct Cost {
  double seconds = 0;
  double given_back = 0;              // bytes
  std::optional<double> handed_over;  // bytes that the process wrote
};

template <typename Expire>
Cost measure_expiry(const std::filesystem::path& directory, Expire&& expire) {
  const auto before = disk_bytes(directory);
  const DeviceMeter meter(directory);
  const auto start = Clock::now();
  expire();
  Cost cost;
  cost.seconds = seconds_since(start);
  cost.given_back = double(before) - double(disk_bytes(directory));
  if (const auto bytes = meter.handed_over()) cost.handed_over = double(*bytes);
  return cost;
}

// The log's clock stands still, so that how old runs are does not depend on the machine.
LogOptions options_at(UnixMs now, std::uint64_t runs) {
  LogOptions options;
  options.segment_runs = std::uint32_t(runs / kSegments);
  options.sweep_interval = std::chrono::milliseconds(0);
  options.now = [now] { return now; };
  return options;
}

UnixMs finish_of(const Generator& generator, std::uint64_t n) {
  RunBatch batch;
  generator.fill(n, 1, batch);
  return batch.runs.front().finished_at.value_or(batch.runs.front().started_at);
}

// Hides all runs of the log, but those of the flow kKept, whose recordedAt is not after `until`.
void expire(Log& log, UnixMs now, UnixMs until) {
  RetentionPolicy policy;
  policy.all.max_age_ms = now - until;
  policy.flows[kKept].max_age_ms = kNoLimit;
  take(log.set_retention(policy));
}

// ---- whole segments --------------------------------------------------------------------------

void report_expiry(std::uint64_t runs, const Cost& ours, const char* peer, const Cost& theirs,
                   double must_be_faster, Report& report) {
  const std::string what = fmt::format("{} expired runs: ", thousands(runs));
  report.times_better(what + "until their space is free", ours.seconds * 1e3, "ms", Better::kLower,
                      peer, theirs.seconds * 1e3, must_be_faster);
  report.times_better(what + "given back", ours.given_back / 1e6, "MB", Better::kHigher, peer,
                      theirs.given_back / 1e6, 0);
  if (ours.handed_over && theirs.handed_over)
    report.times_better(what + "written", *ours.handed_over / 1e6, "MB", Better::kLower, peer,
                        *theirs.handed_over / 1e6, 0);
}

// As many runs as expire and a tenth more, which stay.
void measure_dropping(const Settings& settings, std::uint64_t expired, Report& report) {
  const std::uint64_t count = expired + expired / 10;
  say(fmt::format("retention: storing {} runs", count));
  const WorkDirectory work(settings.directory, "retention");
  const auto make = [&](const char* name) {
    const auto directory = work.path() / name;
    std::filesystem::create_directories(directory);
    return directory;
  };
  const Generator generator(settings.seed);
  std::vector<std::string> flows;
  for (std::size_t i = 0; i < Generator::kFlows; ++i) flows.emplace_back(generator.flow(i));
  const UnixMs now = finish_of(generator, count) + 3'600'000;
  const UnixMs until = finish_of(generator, expired - 1);

  Cost ours, sqlite, rocksdb;
  {
    const auto directory = make("runlog");
    RunlogStore store(directory, options_at(now, expired));
    generate(generator, 0, count, [&](std::span<const Run> part) { store.load(part); });
    store.settle();
    ours = measure_expiry(directory, [&] {
      expire(store.log(), now, until);
      take(store.log().sweep());
    });
  }
  {
    const auto directory = make("sqlite");
    SqliteStore store(directory, true);
    generate(generator, 0, count, [&](std::span<const Run> part) { store.load(part); });
    store.settle();
    say("retention: SQLite deletes and vacuums");
    sqlite = measure_expiry(directory, [&] { store.expire(until); });
  }
  {
    const auto directory = make("rocksdb");
    RocksdbStore store(directory);
    generate(generator, 0, count, [&](std::span<const Run> part) { store.load(part); });
    store.settle();
    say("retention: RocksDB deletes and compacts");
    rocksdb = measure_expiry(directory, [&] { store.expire(expired, flows); });
  }
  report_expiry(expired, ours, "SQLite", sqlite, 100, report);
  report_expiry(expired, ours, "RocksDB", rocksdb, 0, report);
}

// ---- survivors between expired runs ----------------------------------------------------------

// Every hundredth run is of a flow that keeps its runs.
void load_interleaved(const Generator& generator, std::uint64_t first, std::uint64_t count,
                      RunlogStore& store) {
  std::uint64_t n = first;
  std::vector<Run> runs;
  generate(generator, first, count, [&](std::span<const Run> part) {
    runs.assign(part.begin(), part.end());
    for (Run& run : runs)
      if (n++ % 100 == 0) run.flow_name = kKept;
    store.load(runs);
  });
}

void measure_merging(const Settings& settings, std::uint64_t count, Report& report) {
  const std::string name =
      fmt::format("rewritten for each of {} expired runs, 1 % survivors between them",
                  thousands(count));
  say(fmt::format("retention: {} runs of which one in a hundred stays", count));
  const WorkDirectory work(settings.directory, "retention");
  const Generator generator(settings.seed);
  const UnixMs now = finish_of(generator, count) + 3'600'000;
  RunlogStore store(work.path(), options_at(now, count));
  load_interleaved(generator, 0, count, store);
  store.settle();
  const double before = double(disk_bytes(work.path()));
  SweepReport swept;
  const Cost cost = measure_expiry(work.path(), [&] {
    expire(store.log(), now, now - 1);
    swept = take(store.log().sweep());
  });
  const double expired = double(count - swept.stays.runs);
  report.share_at_most(name, cost.handed_over.value_or(double(swept.written_bytes)) / expired,
                       "B/run", "its bytes on disk", before / double(count), 0.05);
  report.note("that sweep", cost.seconds * 1e3, "ms");
  report.note("that sweep: given back", cost.given_back / 1e6, "MB");
}

// ---- appends meanwhile -----------------------------------------------------------------------

struct Appending {
  double rate = 0;     // runs/s
  double p99_us = 0;   // of a batch
};

// Appends batches for as long as `go_on` says so.
template <typename GoOn>
Appending append_while(RunlogStore& store, const Generator& generator, std::uint64_t& next_run,
                       GoOn&& go_on) {
  std::vector<double> micros;
  RunBatch batch;
  do {
    generator.fill(next_run, kBatch, batch);
    next_run += kBatch;
    const auto start = Clock::now();
    store.append(batch.runs);
    micros.push_back(micros_since(start));
  } while (go_on());
  double total = 0;
  for (const double one : micros) total += one;
  return {double(micros.size() * kBatch) / total * 1e6, percentile(micros, 0.99)};
}

void measure_appends(const Settings& settings, std::uint64_t count, Report& report) {
  std::vector<double> rate, rate_without, p99, p99_without;
  const Generator generator(settings.seed);
  const UnixMs now = finish_of(generator, count * 2) + 3'600'000;
  for (std::size_t round = 1; round <= settings.rounds; ++round) {
    say(fmt::format("retention: appends during a sweep, round {} of {}", round, settings.rounds));
    const WorkDirectory work(settings.directory, "retention");
    RunlogStore store(work.path(), options_at(now, count));
    load_interleaved(generator, 0, count, store);
    store.settle();
    std::uint64_t next_run = count;
    const auto start = Clock::now();
    const auto without = append_while(store, generator, next_run,
                                      [&] { return seconds_since(start) < 1.0; });
    auto sweep = std::async(std::launch::async, [&] {
      expire(store.log(), now, finish_of(generator, count - 1));
      take(store.log().sweep());
    });
    const auto during = append_while(store, generator, next_run, [&] {
      return sweep.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
    });
    sweep.get();
    rate.push_back(during.rate);
    rate_without.push_back(without.rate);
    p99.push_back(during.p99_us);
    p99_without.push_back(without.p99_us);
  }
  const std::string what =
      fmt::format("append in batches of {} while {} runs expire", kBatch, thousands(count));
  report.share_at_least(what, median(rate), "runs/s", "before", median(rate_without), 0.8);
  report.share_at_most(what + ", p99", median(p99), "µs/batch", "before", median(p99_without), 2);
}

}  // namespace

void measure_retention(const Settings& settings, Report& report) {
  const std::uint64_t expired = settings.quick ? 200'000 : 1'000'000;
  measure_dropping(settings, expired, report);
  measure_merging(settings, expired, report);
  measure_appends(settings, expired, report);
}

}  // namespace runlog::bench
