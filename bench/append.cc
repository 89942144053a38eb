// Durable appends: one appender with batches, many single runs in flight, one single run at a time.
//
// Every store holds the same history before, because nobody appends to an empty table for long.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <semaphore>
#include <thread>
#include <vector>

#include "bench/figures.h"
#include "bench/measure.h"
#include "bench/peer_file.h"
#include "bench/peer_rocksdb.h"
#include "bench/peer_sqlite.h"
#include "bench/runlog_store.h"

namespace runlog::bench {
namespace {

using Submit = std::function<void(std::span<const Run>, std::function<void()>)>;

struct InFlight {
  double runs_per_second = 0;
  std::vector<double> acknowledged_us;  // from before the encoding to the acknowledgement
};

// Appends `runs` in batches so that `in_flight` of them are always on their way.
InFlight append_in_flight(const Submit& submit, std::span<const Run> runs, std::size_t batch,
                          std::size_t in_flight, unsigned producers) {
  std::counting_semaphore<> places{std::ptrdiff_t(in_flight)};
  std::atomic<std::size_t> next{0};
  InFlight result;
  result.acknowledged_us.resize((runs.size() + batch - 1) / batch);
  const auto start = Clock::now();
  const auto produce = [&] {
    for (std::size_t i; (i = next.fetch_add(1)) < result.acknowledged_us.size();) {
      places.acquire();
      const auto begun = Clock::now();
      submit(runs.subspan(i * batch, std::min(batch, runs.size() - i * batch)), [&, i, begun] {
        result.acknowledged_us[i] = micros_since(begun);
        places.release();
      });
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < producers; ++i) threads.emplace_back(produce);
  produce();
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < in_flight; ++i) places.acquire();
  result.runs_per_second = double(runs.size()) / seconds_since(start);
  return result;
}

// Appends `runs` in batches from `threads` threads, each waiting for its own batch, for at most
// `seconds`. Returns runs a second.
template <typename Append>
double append_batches(Append&& append, std::span<const Run> runs, std::size_t batch,
                      unsigned threads, double seconds) {
  std::atomic<std::size_t> next{0}, appended{0};
  const auto start = Clock::now();
  const auto work = [&] {
    while (seconds_since(start) < seconds) {
      const std::size_t i = next.fetch_add(batch);
      if (i >= runs.size()) return;
      const auto part = runs.subspan(i, std::min(batch, runs.size() - i));
      append(part);
      appended += part.size();
    }
  };
  std::vector<std::thread> workers;
  for (unsigned i = 1; i < threads; ++i) workers.emplace_back(work);
  work();
  for (std::thread& worker : workers) worker.join();
  return double(appended) / seconds_since(start);
}

class Appends {
 public:
  Appends(const Settings& settings, Report& report)
      : settings_(settings),
        report_(report),
        generator_(settings.seed),
        work_(settings.directory, "append"),
        runlog_(work_.path(), {}),
        sqlite_(work_.path()),
        rocksdb_(work_.path()),
        file_(work_.path()) {}

  void run() {
    const std::uint64_t history = settings_.quick ? 100'000 : 500'000;
    say(fmt::format("append: a history of {} runs", history));
    generate(generator_, 0, history, [&](std::span<const Run> part) {
      for (Store* store : {static_cast<Store*>(&runlog_), static_cast<Store*>(&sqlite_),
                           static_cast<Store*>(&rocksdb_)})
        store->load(part);
    });
    sqlite_.settle();
    next_run_ = history;
    for (std::size_t round = 1; round <= settings_.rounds; ++round) {
      say(fmt::format("append: round {} of {}", round, settings_.rounds));
      measure_batches("1", 1, settings_.quick ? 1'000 : 4'000);
      measure_batches("10", 10, 20'000);
      measure_singles();
      measure_batches("100", 100, 40'000);
      measure_two_in_flight();
    }
    report_batches();
    report_singles();
  }

 private:
  std::span<const Run> next_runs(std::size_t count) {
    generator_.fill(next_run_, count, pool_);
    next_run_ += count;
    return pool_.runs;
  }
  double limit_seconds() const { return settings_.quick ? 1.0 : 5.0; }
  void add(const std::string& what, double value) { rates_[what].push_back(value); }
  double rate(const std::string& what) const { return median(rates_.at(what)); }

  // Each batch is as fresh from memory as an engine's own runs are: a part of the runs is made, off
  // the clock, and appended before the next.
  void measure_batches(const std::string& label, std::size_t batch, std::size_t count) {
    constexpr std::size_t kPart = 500;
    const auto measure = [&](const std::string& name, auto& store) {
      begin_with_a_quiet_disk();
      double seconds = 0;
      std::size_t appended = 0;
      while (appended < count && seconds < limit_seconds()) {
        generator_.fill(next_run_ + appended, kPart, pool_);
        const std::span<const Run> runs(pool_.runs);
        const auto start = Clock::now();
        for (std::size_t i = 0; i < kPart; i += batch) store.append(runs.subspan(i, batch));
        seconds += seconds_since(start);
        appended += kPart;
      }
      add(name + " " + label, double(appended) / seconds);
    };
    measure("runlog", runlog_);
    measure("SQLite", sqlite_);
    measure("RocksDB", rocksdb_);
    measure("file", file_);
    next_run_ += count;
  }

  // What another store still merges, compacts or has left to the system to write is not the burden
  // of the one that is measured next.
  void begin_with_a_quiet_disk() {
    runlog_.wait_idle();
    rocksdb_.wait_idle();
    ::sync();
  }

  void measure_singles() {
    constexpr std::size_t kInFlight = 256;
    const unsigned producers = std::clamp(std::thread::hardware_concurrency(), 1u, 4u);
    const auto runs = next_runs(40'000);
    begin_with_a_quiet_disk();
    const InFlight ours = append_in_flight(submit_to_runlog(), runs, 1, kInFlight, producers);
    runlog_.check_async();
    add("runlog singles", ours.runs_per_second);
    add("runlog p50", percentile(ours.acknowledged_us, 0.5));
    add("runlog p99", percentile(ours.acknowledged_us, 0.99));
    begin_with_a_quiet_disk();
    const InFlight plain = append_in_flight(submit_to_file(), runs, 1, kInFlight, producers);
    add("file singles", plain.runs_per_second);
  }

  // SQLite has one writer; RocksDB gets a second thread, so that encoding overlaps its commits too.
  void measure_two_in_flight() {
    const auto runs = next_runs(settings_.quick ? 40'000 : 60'000);
    begin_with_a_quiet_disk();
    const InFlight ours = append_in_flight(submit_to_runlog(), runs, 1000, 2, 1);
    runlog_.check_async();
    add("runlog 1000", ours.runs_per_second);
    begin_with_a_quiet_disk();
    add("SQLite 1000", append_batches([&](std::span<const Run> part) { sqlite_.append(part); },
                                      runs, 1000, 1, limit_seconds()));
    begin_with_a_quiet_disk();
    add("RocksDB 1000", append_batches([&](std::span<const Run> part) { rocksdb_.append(part); },
                                       runs, 1000, 2, limit_seconds()));
    begin_with_a_quiet_disk();
    add("file 1000", append_in_flight(submit_to_file(), runs, 1000, 2, 1).runs_per_second);
  }

  Submit submit_to_runlog() {
    return [this](std::span<const Run> runs, std::function<void()> done) {
      runlog_.append_async(runs, std::move(done));
    };
  }
  Submit submit_to_file() {
    return [this](std::span<const Run> runs, std::function<void()> done) {
      file_.append_async(runs, std::move(done));
    };
  }

  void times(const std::string& name, const std::string& ours, const std::string& peer,
             const std::string& peer_key, double at_least) {
    report_.times_better(name, rate(ours), "runs/s", Better::kHigher, peer, rate(peer_key),
                         at_least);
  }

  void report_batches() {
    const std::string hundred = "append, batches of 100";
    times(hundred, "runlog 100", "SQLite", "SQLite 100", 12);
    times(hundred, "runlog 100", "RocksDB", "RocksDB 100", 3);
    times(hundred, "runlog 100", "plain file", "file 100", 0);
    const std::string thousand = "append, batches of 1000, two in flight";
    times(thousand, "runlog 1000", "SQLite", "SQLite 1000", 20);
    times(thousand, "runlog 1000", "RocksDB", "RocksDB 1000", 6);
    times(thousand, "runlog 1000", "plain file", "file 1000", 0);
  }

  void report_singles() {
    const std::string many = "append, 256 single runs in flight";
    times(many, "runlog singles", "SQLite (batches of 10)", "SQLite 10", 25);
    times(many, "runlog singles", "RocksDB (batches of 10)", "RocksDB 10", 7);
    report_.share_at_least(many, rate("runlog singles"), "runs/s", "plain file",
                           rate("file singles"), 0.35);
    report_.note("append, 256 single runs in flight: p50 until acknowledged", rate("runlog p50"),
                 "µs");
    report_.share_at_most("append, 256 single runs in flight: p99 until acknowledged",
                          rate("runlog p99"), "µs", "its p50", rate("runlog p50"), 4);
    const std::string one = "append, one single run in flight";
    times(one, "runlog 1", "SQLite", "SQLite 1", 1.2);
    times(one, "runlog 1", "RocksDB", "RocksDB 1", 0);
    times(one, "runlog 1", "plain file", "file 1", 0);
  }

  const Settings& settings_;
  Report& report_;
  Generator generator_;
  WorkDirectory work_;
  RunlogStore runlog_;
  SqliteStore sqlite_;
  RocksdbStore rocksdb_;
  PlainFile file_;
  RunBatch pool_;
  std::uint64_t next_run_ = 0;
  std::map<std::string, std::vector<double>> rates_;  // by store and batch, one value a round
};

}  // namespace

void measure_append(const Settings& settings, Report& report) { Appends(settings, report).run(); }

}  // namespace runlog::bench
