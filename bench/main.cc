// runlog_bench: measures runlog against SQLite, RocksDB and a plain file in one invocation, and
// says which of the project's bars hold.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "bench/figures.h"

namespace {

using namespace runlog::bench;

struct Group {
  const char* name;
  void (*measure)(const Settings&, Report&);
};
constexpr std::array kGroups = {
    Group{"append", measure_append}, Group{"codec", measure_codec}, Group{"size", measure_size},
    Group{"read", measure_read},     Group{"open", measure_open},
    Group{"retention", measure_retention}, Group{"growth", measure_growth}};

std::filesystem::path beside_this_program() {
  return std::filesystem::canonical("/proc/self/exe").parent_path() / "bench-data";
}

std::vector<std::string> group_names() {
  std::vector<std::string> names;
  for (const Group& group : kGroups) names.emplace_back(group.name);
  return names;
}

void measure(const Settings& settings, const std::vector<std::string>& only, Report& report) {
  for (const Group& group : kGroups) {
    const bool asked = std::find(only.begin(), only.end(), group.name) != only.end();
    if (only.empty() || asked) group.measure(settings, report);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  settings.directory = beside_this_program();
  settings.shared = "../shared/data";
  std::string json;
  std::vector<std::string> only;

  CLI::App app{"Measures runlog against SQLite, RocksDB and a plain file, in turn, on the same "
               "runs and the same disk.\nExample: runlog_bench --quick --only read append"};
  app.add_flag("--quick", settings.quick, "Smaller counts, within two minutes; growth is left out");
  app.add_option("--json", json, "Write every figure to this file");
  app.add_option("--only", only, "Measure these groups only")
      ->check(CLI::IsMember(group_names()));
  app.add_option("--dir", settings.directory,
                 "Where data goes for the while: a folder on the disk to measure");
  app.add_option("--shared", settings.shared, "The folder that holds terminal-runs.ndjson.zst")
      ->capture_default_str();
  app.add_option("--runs", settings.read_runs,
                 "Runs in the stores that reads are measured on (2,000,000; 200,000 when quick)");
  app.add_option("--rounds", settings.rounds, "Rounds of which the median counts")
      ->capture_default_str()
      ->check(CLI::Range(1, 99));
  CLI11_PARSE(app, argc, argv);

  try {
    Report report;
    measure(settings, only, report);
    std::error_code ignored;  // it stays where something else is in it
    std::filesystem::remove(beside_this_program(), ignored);
    report.print();
    if (!json.empty()) report.write_json(json);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "The benchmark stopped: %s.\n", error.what());
    return 3;
  }
  return 0;
}
