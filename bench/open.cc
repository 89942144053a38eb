// How long a log of half a million runs takes to open, active and sealed, and what the index of its
// active segment takes in memory.
#include <stdexcept>
#include <vector>

#include "bench/figures.h"
#include "bench/measure.h"
#include "bench/runlog_store.h"

namespace runlog::bench {
namespace {

constexpr std::uint32_t kRuns = 500'000;

LogOptions one_active_segment() {
  LogOptions options;
  options.segment_runs = kRuns + 1;
  options.segment_bytes = std::uint64_t(1) << 30;
  return options;
}

std::vector<double> time_opening(const std::filesystem::path& directory, std::size_t rounds) {
  std::vector<double> seconds;
  for (std::size_t i = 0; i < rounds; ++i) {
    const auto start = Clock::now();
    const auto log = take(Log::open(directory / "log", one_active_segment()));
    seconds.push_back(seconds_since(start));
    if (take(log->snapshot())->live() != kRuns)
      throw std::runtime_error("a reopened log does not hold all its runs");
    take(log->close());
  }
  return seconds;
}

}  // namespace

void measure_open(const Settings& settings, Report& report) {
  const WorkDirectory work(settings.directory, "open");
  const Generator generator(settings.seed);
  double index_bytes = 0;
  {
    say("open: storing 500,000 runs in one active segment");
    RunlogStore store(work.path(), one_active_segment());
    generate(generator, 0, kRuns, [&](std::span<const Run> part) { store.load(part); });
    index_bytes = double(store.log().describe().index_memory_bytes);
  }
  say("open: with an active segment");
  const std::vector<double> active = time_opening(work.path(), settings.rounds);
  {
    say("open: sealing");
    RunlogStore store(work.path(), one_active_segment());
    store.settle();
  }
  const std::vector<double> sealed = time_opening(work.path(), settings.rounds);
  report.at_most("open, 500,000 runs in the active segment", median(active), "s", 0.5);
  report.at_most("open, 500,000 runs sealed", median(sealed) * 1000, "ms", 20);
  report.at_most("memory of the active segment's index", index_bytes / kRuns, "B/run", 125);
}

}  // namespace runlog::bench
