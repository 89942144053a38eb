// Whether the log stays as fast as it grows: get, list and append at ten million runs against one
// million, with the default options, merging included.
#include <fmt/format.h>

#include <map>
#include <vector>

#include "bench/figures.h"
#include "bench/measure.h"
#include "bench/runlog_store.h"

namespace runlog::bench {
namespace {

constexpr std::uint64_t kSmall = 1'000'000;
constexpr std::uint64_t kLarge = 10'000'000;
constexpr std::size_t kIds = 50'000;
constexpr std::size_t kAppends = 50'000;
constexpr std::size_t kBatch = 1000;

struct Speeds {
  double get_us = 0;
  double list_us = 0;
  double append_us = 0;  // a run
};

Speeds measure(RunlogStore& store, const Generator& generator, std::uint64_t runs,
               std::uint64_t& next_run, std::size_t rounds) {
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < kIds; ++i)
    ids.push_back(generator.run_id((i * 0x9e3779b97f4a7c15ull >> 11) % runs));
  for (const std::string& id : ids) store.get(id);
  std::vector<double> get, list, append;
  RunBatch batch;
  for (std::size_t round = 0; round < rounds; ++round) {
    get.push_back(median(time_each(kIds, [&](std::size_t i) { keep(store.get(ids[i])); })));
    list.push_back(median(time_each(2000, [&](std::size_t) {
      keep(store.list({generator.busiest_flow(), {}, {}, 50}));
    })));
    generator.fill(next_run, kAppends, batch);
    next_run += kAppends;
    const std::span<const Run> all = batch.runs;
    append.push_back(median(time_each(kAppends / kBatch, [&](std::size_t i) {
                       store.append(all.subspan(i * kBatch, kBatch));
                     })) / double(kBatch));
    store.settle();
  }
  return {median(get), median(list), median(append)};
}

}  // namespace

void measure_growth(const Settings& settings, Report& report) {
  const std::string peer = "at 1 million";
  const std::string get = "get at 10 million runs", list = "list at 10 million runs",
                    append = "append at 10 million runs";
  if (settings.quick) {
    for (const std::string& name : {get, list, append})
      report.missing(name, "≤ 1.3 × " + peer, "left out when quick");
    return;
  }
  const WorkDirectory work(settings.directory, "growth");
  const Generator generator(settings.seed);
  RunlogStore store(work.path(), {});
  std::uint64_t next_run = 0;
  const auto grow_to = [&](std::uint64_t runs) {
    say(fmt::format("growth: storing up to {} million runs", runs / 1'000'000));
    generate(generator, next_run, runs - next_run,
             [&](std::span<const Run> part) { store.load(part); });
    next_run = runs;
    store.settle();
  };
  grow_to(kSmall);
  const Speeds small = measure(store, generator, kSmall, next_run, settings.rounds);
  grow_to(kLarge);
  const Speeds large = measure(store, generator, kLarge, next_run, settings.rounds);
  report.share_at_most(get, large.get_us, "µs", peer, small.get_us, 1.3);
  report.share_at_most(list, large.list_us, "µs", peer, small.list_us, 1.3);
  report.share_at_most(append, large.append_us, "µs/run", peer,
                       small.append_us, 1.3);
}

}  // namespace runlog::bench
