// Reads of a warm log in 30 sealed segments: get, list and count, against peers that hold the
// same runs. Before anything is timed, every store must give the same answers.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <stdexcept>
#include <vector>

#include "bench/figures.h"
#include "bench/measure.h"
#include "bench/peer_rocksdb.h"
#include "bench/peer_sqlite.h"
#include "bench/runlog_store.h"

namespace runlog::bench {
namespace {

constexpr std::uint32_t kSegments = 30;
constexpr std::uint32_t kPage = 50;

// Spread over the runs without a pattern, the same in every invocation.
std::uint64_t scattered(std::uint64_t i, std::uint64_t count) {
  std::uint64_t z = (i + 1) * 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 29)) * 0xbf58476d1ce4e5b9ull;
  return (z ^ (z >> 32)) % count;
}

LogOptions thirty_segments(std::size_t runs) {
  LogOptions options;
  options.segment_runs = std::uint32_t((runs + kSegments - 1) / kSegments);
  options.segment_bytes = std::uint64_t(1) << 30;
  options.merge = false;
  return options;
}

class Reads {
 public:
  Reads(const Settings& settings, Report& report)
      : settings_(settings),
        report_(report),
        runs_(settings.read_runs ? settings.read_runs : settings.quick ? 200'000 : 2'000'000),
        generator_(settings.seed),
        work_(settings.directory, "read"),
        runlog_(work_.path(), thirty_segments(runs_)),
        sqlite_(work_.path()),
        rocksdb_(work_.path()),
        stores_{&runlog_, &sqlite_, &rocksdb_} {}

  void run() {
    fill();
    check_answers();
    for (std::size_t round = 1; round <= settings_.rounds; ++round) {
      say(fmt::format("read: round {} of {}", round, settings_.rounds));
      for (Store* store : stores_) measure(*store);
    }
    report_all();
  }

 private:
  // Where pages of a flow begin, as a store names the place.
  struct Place {
    std::string_view flow;
    std::string cursor;
  };

  void fill() {
    say(fmt::format("read: storing {} runs", runs_));
    generate(generator_, 0, runs_, [&](std::span<const Run> part) {
      for (Store* store : stores_) store->load(part);
    });
    say("read: sealing, compacting and analyzing");
    for (Store* store : stores_) store->settle();
    const std::size_t count = settings_.quick ? 20'000 : 100'000;
    for (std::size_t i = 0; i < count; ++i)
      ids_.push_back(generator_.run_id(scattered(i, runs_)));
    say("read: finding places for cursors");
    for (Store* store : stores_) find_places(*store);
  }

  // Walks through the largest flows in long pages and keeps every cursor.
  void find_places(Store& store) {
    constexpr std::size_t kFlows = 20;
    constexpr std::size_t kMostPlaces = 2000;
    std::vector<Place> found;
    for (std::size_t i = 0; i < kFlows; ++i) {
      PageRequest request{generator_.flow(i), {}, {}, settings_.quick ? 100u : 1000u};
      for (;;) {
        store.list(request);
        request.cursor = store.next_cursor();
        if (request.cursor.empty()) break;
        found.push_back({request.flow, request.cursor});
      }
    }
    if (found.empty()) throw std::runtime_error("too few runs for a second page");
    std::vector<Place>& places = places_[&store];
    for (std::size_t i = 0; i < std::min(kMostPlaces, found.size()); ++i)
      places.push_back(found[scattered(i, found.size())]);
  }

  PageRequest newest() const { return {generator_.busiest_flow(), {}, {}, kPage}; }
  PageRequest newest_failed() const {
    return {generator_.rarely_failing_flow(), RunStatus::kFailed, {}, kPage};
  }

  static std::string ids_of(std::span<const RunHead> heads) {
    std::string ids;
    for (const RunHead& head : heads) ids.append(head.run_id).append(" ");
    return ids;
  }

  // All that will be timed, as text.
  std::string answers(Store& store) {
    std::string text = ids_of(store.list(newest())) + ids_of(store.list(newest_failed()));
    const std::vector<Place>& places = places_[&store];
    for (std::size_t i = 0; i < std::min<std::size_t>(100, places.size()); ++i)
      text += ids_of(store.list({places[i].flow, {}, places[i].cursor, kPage}));
    for (std::size_t i = 0; i < 200; ++i) {
      const Run& run = store.get(ids_[i]);
      text += fmt::format("{} {} {} {} {} ", run.run_id, run.flow_name, run.steps->size(),
                          run.summary->nodes.size(), run.steps->back().completed_at.value_or(0));
    }
    return text + fmt::format("{} {}", store.count_flow(generator_.busiest_flow()),
                              store.count_status(RunStatus::kFailed));
  }

  void check_answers() {
    say("read: comparing answers");
    const std::string expected = answers(runlog_);
    for (Store* store : stores_) {
      if (answers(*store) != expected)
        throw std::runtime_error(fmt::format("{} and runlog answer differently", store->name()));
      for (const std::string& id : ids_) store->get(id);  // warms caches alike
    }
  }

  template <typename Call>
  void time(const Store& store, const char* what, std::size_t count, Call&& call) {
    const double limit = settings_.quick ? 0.3 : 3.0;
    std::vector<double> micros;
    micros.reserve(count);
    const auto start = Clock::now();
    for (std::size_t i = 0; i < count && seconds_since(start) < limit; ++i) {
      const auto begun = Clock::now();
      call(i);
      micros.push_back(micros_since(begun));
    }
    medians_[{store.name(), what}].push_back(median(micros));
  }

  void measure(Store& store) {
    time(store, "stored", ids_.size(), [&](std::size_t i) { keep(store.get_stored(ids_[i])); });
    time(store, "get", ids_.size(), [&](std::size_t i) { keep(store.get(ids_[i])); });
    time(store, "hot", 2000, [&](std::size_t) { keep(store.list(newest())); });
    const std::vector<Place>& places = places_[&store];
    time(store, "cursor", places.size(), [&](std::size_t i) {
      keep(store.list({places[i].flow, {}, places[i].cursor, kPage}));
    });
    time(store, "failed", 2000, [&](std::size_t) { keep(store.list(newest_failed())); });
    time(store, "total of flow", 2000,
         [&](std::size_t) { keep(store.count_flow(generator_.busiest_flow())); });
    time(store, "total of failed", 2000,
         [&](std::size_t) { keep(store.count_status(RunStatus::kFailed)); });
  }

  double result(const Store& store, const char* what) const {
    return median(medians_.at({store.name(), what}));
  }

  void report_one(const std::string& what_for, const char* what, double at_most_us,
                  double times_sqlite, double times_rocksdb) {
    const std::string name = fmt::format("{}; {} runs", what_for, thousands(runs_));
    const double ours = result(runlog_, what);
    report_.at_most(name, ours, "µs", at_most_us);
    report_.times_better(name, ours, "µs", Better::kLower, "SQLite", result(sqlite_, what),
                         times_sqlite);
    report_.times_better(name, ours, "µs", Better::kLower, "RocksDB", result(rocksdb_, what),
                         times_rocksdb);
  }

  void report_all() {
    report_one("get by run id, stored bytes, verified", "stored", 2.2, 0, 3);
    report_one("get by run id, full run decoded", "get", 5, 2, 0);
    report_one("list newest 50 of one flow, hot", "hot", 2, 15, 50);
    report_one("list 50 of one flow, at a random cursor", "cursor", 8, 15, 50);
    report_one("list newest 50 failed of a flow that rarely fails", "failed", 8, 5, 5);
    report_one("exact total of one flow", "total of flow", 3, 0, 0);
    report_one("exact total of all failed", "total of failed", 15, 0, 0);
  }

  const Settings& settings_;
  Report& report_;
  const std::size_t runs_;
  Generator generator_;
  WorkDirectory work_;
  RunlogStore runlog_;
  SqliteStore sqlite_;
  RocksdbStore rocksdb_;
  std::array<Store*, 3> stores_;
  std::vector<std::string> ids_;
  std::map<const Store*, std::vector<Place>> places_;
  std::map<std::pair<std::string_view, std::string_view>, std::vector<double>> medians_;
};

}  // namespace

void measure_read(const Settings& settings, Report& report) { Reads(settings, report).run(); }

}  // namespace runlog::bench
