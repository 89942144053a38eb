// The groups of figures that the benchmark knows. Each takes its own work directory, fills its
// stores with the same generated runs, measures peers in turn within each round, and adds the
// medians to the report.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "bench/generator.h"
#include "bench/report.h"
#include "bench/store.h"

namespace runlog::bench {

struct Settings {
  bool quick = false;                // within two minutes; growth is left out
  std::filesystem::path directory;   // where work directories are made, on the disk to measure
  std::filesystem::path shared;      // where the real runs are
  std::uint64_t seed = 20251122;
  std::size_t rounds = 3;
  std::size_t read_runs = 0;         // in the stores that reads are measured on; 0 is the default
};

void measure_append(const Settings& settings, Report& report);
void measure_codec(const Settings& settings, Report& report);
void measure_size(const Settings& settings, Report& report);
void measure_read(const Settings& settings, Report& report);
void measure_open(const Settings& settings, Report& report);
void measure_retention(const Settings& settings, Report& report);
void measure_growth(const Settings& settings, Report& report);

// The count with commas, for the names of figures: what was measured belongs to its name, because a
// quick benchmark measures at another scale.
std::string thousands(std::uint64_t count);

// Says on a terminal what is going on.
void say(const std::string& what);

// Calls `take` with consecutive parts of the runs number `first` … `first + count - 1`.
void generate(const Generator& generator, std::uint64_t first, std::uint64_t count,
              const std::function<void(std::span<const Run>)>& take);

}  // namespace runlog::bench
