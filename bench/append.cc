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

// It encodes without a dictionary, which the log may have learned meanwhile.
constexpr const char* kPlainFile = "plain file, no dictionary";

using Submit = std::function<void(std::span<const Run>, std::function<void()>)>;

// Appends `runs` in batches so that `in_flight` of them are always on their way, until all are on
// disk. Returns for each batch the microseconds from before the encoding to the acknowledgement.
std::vector<double> append_in_flight(const Submit& submit, std::span<const Run> runs,
                                     std::size_t batch, std::size_t in_flight,
                                     unsigned producers) {
  std::counting_semaphore<> places{std::ptrdiff_t(in_flight)};
  std::atomic<std::size_t> next{0};
  std::vector<double> acknowledged_us((runs.size() + batch - 1) / batch);
  const auto produce = [&] {
    for (std::size_t i; (i = next.fetch_add(1)) < acknowledged_us.size();) {
      places.acquire();
      const auto begun = Clock::now();
      submit(runs.subspan(i * batch, std::min(batch, runs.size() - i * batch)), [&, i, begun] {
        acknowledged_us[i] = micros_since(begun);
        places.release();
      });
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < producers; ++i) threads.emplace_back(produce);
  produce();
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < in_flight; ++i) places.acquire();
  return acknowledged_us;
}

// Appends `runs` in batches from `threads` threads, each waiting for its own batch.
template <typename Append>
void append_batches(Append&& append, std::span<const Run> runs, std::size_t batch,
                    unsigned threads) {
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i; (i = next.fetch_add(batch)) < runs.size();)
      append(runs.subspan(i, std::min(batch, runs.size() - i)));
  };
  std::vector<std::thread> workers;
  for (unsigned i = 1; i < threads; ++i) workers.emplace_back(work);
  work();
  for (std::thread& worker : workers) worker.join();
}

class Appends {
 public:
  Appends(const Settings& settings, Report& report)
      : settings_(settings),
        report_(report),
        history_(settings.quick ? 100'000 : 500'000),
        generator_(settings.seed),
        work_(settings.directory, "append"),
        runlog_(work_.path(), {}),
        sqlite_(work_.path()),
        rocksdb_(work_.path()),
        file_(work_.path()) {}

  void run() {
    say(fmt::format("append: a history of {} runs", history_));
    generate(generator_, 0, history_, [&](std::span<const Run> part) {
      for (Store* store : {static_cast<Store*>(&runlog_), static_cast<Store*>(&sqlite_),
                           static_cast<Store*>(&rocksdb_)})
        store->load(part);
    });
    sqlite_.settle();
    next_run_ = history_;
    for (std::size_t round = 1; round <= settings_.rounds; ++round) {
      say(fmt::format("append: round {} of {}", round, settings_.rounds));
      measure_batches("1", 1, settings_.quick ? 1'000 : 4'000);
      measure_batches("10", 10, 20'000, true);
      measure_singles();
      measure_batches("100", 100, 40'000);
      measure_two_in_flight();
    }
    report_batches();
    report_singles();
  }

 private:
  double limit_seconds() const { return settings_.quick ? 1.0 : 5.0; }
  void add(const std::string& what, double value) { rates_[what].push_back(value); }
  double rate(const std::string& what) const { return median(rates_.at(what)); }

  // Makes `part` runs at a time, off the clock, and appends them, until it took limit_seconds() or
  // there were `most` runs. Returns runs a second.
  template <typename Append>
  double time_parts(std::size_t part, std::size_t most, Append&& append) {
    begin_with_a_quiet_disk();
    double seconds = 0;
    std::size_t appended = 0;
    while (appended < most && seconds < limit_seconds()) {
      generator_.fill(next_run_ + appended, part, pool_);
      const auto start = Clock::now();
      append(std::span<const Run>(pool_.runs));
      seconds += seconds_since(start);
      appended += part;
    }
    farthest_ = std::max(farthest_, next_run_ + appended);
    return double(appended) / seconds;
  }

  // The parts are so small that each batch is as fresh from memory as an engine's own runs are.
  void measure_batches(const std::string& label, std::size_t batch, std::size_t most,
                       bool peers_only = false) {
    const auto measure = [&](const std::string& name, auto& store) {
      add(name + " " + label, time_parts(500, most, [&](std::span<const Run> runs) {
            append_batches([&](std::span<const Run> part) { store.append(part); }, runs, batch, 1);
          }));
    };
    if (!peers_only) measure("runlog", runlog_);
    measure("SQLite", sqlite_);
    measure("RocksDB", rocksdb_);
    if (!peers_only) measure("file", file_);
    next_run_ = farthest_;
  }

  // What another store still merges, compacts or has left to the system to write is not the burden
  // of the one that is measured next.
  void begin_with_a_quiet_disk() {
    runlog_.wait_idle();
    rocksdb_.wait_idle();
    ::sync();
  }

  // What is in flight at once needs longer parts, at whose end all of it is waited for: their runs
  // come from memory, for every store alike.
  static constexpr std::size_t kLongPart = 20'000;
  static constexpr std::size_t kNoLimit = std::size_t(-1);

  void measure_singles() {
    constexpr std::size_t kInFlight = 256;
    const unsigned producers = std::clamp(std::thread::hardware_concurrency(), 1u, 4u);
    std::vector<double> acknowledged_us;
    const std::size_t most = settings_.quick ? 80'000 : kNoLimit;
    add("runlog singles", time_parts(kLongPart, most, [&](std::span<const Run> runs) {
          const auto part = append_in_flight(submit_to_runlog(), runs, 1, kInFlight, producers);
          acknowledged_us.insert(acknowledged_us.end(), part.begin(), part.end());
        }));
    runlog_.check_async();
    add("runlog p50", percentile(acknowledged_us, 0.5));
    add("runlog p99", percentile(acknowledged_us, 0.99));
    add("file singles", time_parts(kLongPart, most, [&](std::span<const Run> runs) {
          append_in_flight(submit_to_file(), runs, 1, kInFlight, producers);
        }));
    next_run_ = farthest_;
  }

  // SQLite has one writer; RocksDB gets a second thread, so that encoding overlaps its commits too.
  void measure_two_in_flight() {
    const SequenceNumber active = runlog_.active_segment();
    add("runlog 1000", time_parts(kLongPart, kNoLimit, [&](std::span<const Run> runs) {
          append_in_flight(submit_to_runlog(), runs, 1000, 2, 1);
        }));
    runlog_.check_async();
    sealing_included_ |= runlog_.active_segment() != active;
    add("SQLite 1000", time_parts(kLongPart, kNoLimit, [&](std::span<const Run> runs) {
          append_batches([&](std::span<const Run> part) { sqlite_.append(part); }, runs, 1000, 1);
        }));
    add("RocksDB 1000", time_parts(kLongPart, kNoLimit, [&](std::span<const Run> runs) {
          append_batches([&](std::span<const Run> part) { rocksdb_.append(part); }, runs, 1000, 2);
        }));
    add("file 1000", time_parts(kLongPart, kNoLimit, [&](std::span<const Run> runs) {
          append_in_flight(submit_to_file(), runs, 1000, 2, 1);
        }));
    next_run_ = farthest_;
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

  std::string named(const std::string& what) const {
    return fmt::format("append to {} runs, {}", thousands(history_), what);
  }
  void times(const std::string& name, const std::string& ours, const std::string& peer,
             const std::string& peer_key, double at_least) {
    report_.times_better(name, rate(ours), "runs/s", Better::kHigher, peer, rate(peer_key),
                         at_least);
  }

  void report_batches() {
    const std::string hundred = named("batches of 100");
    times(hundred, "runlog 100", "SQLite", "SQLite 100", 12);
    times(hundred, "runlog 100", "RocksDB", "RocksDB 100", 3);
    times(hundred, "runlog 100", kPlainFile, "file 100", 0);
    const std::string thousand =
        named(sealing_included_ ? "batches of 1000, two in flight, sealing included"
                                : "batches of 1000, two in flight, without sealing");
    times(thousand, "runlog 1000", "SQLite", "SQLite 1000", 20);
    times(thousand, "runlog 1000", "RocksDB", "RocksDB 1000", 6);
    times(thousand, "runlog 1000", kPlainFile, "file 1000", 0);
  }

  void report_singles() {
    const std::string many = named("256 single runs in flight");
    times(many, "runlog singles", "SQLite (batches of 10)", "SQLite 10", 25);
    times(many, "runlog singles", "RocksDB (batches of 10)", "RocksDB 10", 7);
    report_.share_at_least(many, rate("runlog singles"), "runs/s", kPlainFile,
                           rate("file singles"), 0.35);
    report_.note(many + ": p50 until acknowledged", rate("runlog p50"), "µs");
    report_.share_at_most(many + ": p99 until acknowledged", rate("runlog p99"), "µs", "its p50",
                          rate("runlog p50"), 4);
    const std::string one = named("one single run in flight");
    times(one, "runlog 1", "SQLite", "SQLite 1", 1.2);
    times(one, "runlog 1", "RocksDB", "RocksDB 1", 0);
    times(one, "runlog 1", kPlainFile, "file 1", 0);
  }

  const Settings& settings_;
  Report& report_;
  const std::uint64_t history_;
  Generator generator_;
  WorkDirectory work_;
  RunlogStore runlog_;
  SqliteStore sqlite_;
  RocksdbStore rocksdb_;
  PlainFile file_;
  RunBatch pool_;
  std::uint64_t next_run_ = 0;   // that no store has yet
  std::uint64_t farthest_ = 0;   // behind the last that any store has
  bool sealing_included_ = false;
  std::map<std::string, std::vector<double>> rates_;  // by store and batch, one value a round
};

}  // namespace

void measure_append(const Settings& settings, Report& report) { Appends(settings, report).run(); }

}  // namespace runlog::bench
