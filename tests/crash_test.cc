// Real processes that die by SIGKILL while they append, at random moments and at named points; what
// they had acknowledged stands in a file outside the log.
#include <catch2/catch.hpp>

#include <fstream>
#include <iterator>
#include <random>
#include <regex>
#include <set>

#include "tests/faults/driver_run.h"
#include "tests/sanitized.h"

using namespace runlog;
using namespace runlog::faults;
namespace fs = std::filesystem;

namespace {

// Every kill point that the log's sources name, but for those of paused_crash_test.cc.
std::set<std::string> kill_points() {
  std::set<std::string> names;
  const fs::path sources = fs::path(RUNLOG_TEST_DATA_DIR).parent_path().parent_path() / "log";
  for (const auto& entry : fs::directory_iterator(sources)) {
    if (entry.path().extension() != ".cc") continue;
    std::ifstream in(entry.path());
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    static const std::regex call("kill_point\\(\"([^\"]+)\"\\)");
    for (std::sregex_iterator match(text.begin(), text.end(), call), end; match != end; ++match)
      if ((*match)[1].str().rfind("paused.", 0) != 0) names.insert((*match)[1]);
  }
  return names;
}

}  // namespace

TEST_CASE("a process killed at random moments, again and again, loses nothing acknowledged",
          "[faults]") {
  std::mt19937_64 random(4711);
  for (unsigned history = 0; history < 3 * test_rounds(); ++history) {
    DriverRun run;
    VisibleRuns before;
    for (unsigned life = 0; life < 6; ++life) {
      DriverOptions options;
      options.seed = 100 * history + life + 1;
      options.threads = 1 + static_cast<unsigned>(random() % 4);
      options.batches = 400;
      if (life % 2 == 1) options.more = {"async"};
      fs::remove(run.acks());
      const auto driver = run.start(options);
      std::string line;
      for (auto wanted = random() % 250; wanted > 0 && driver->read_line(line);) --wanted;
      driver->kill();
      driver->wait();

      ExpectedRuns expected(options.seed, options.threads, options.batches);
      expected.take(run.ack_lines());
      expected.set_before(before);
      INFO("history " << history << ", life " << life << ", " << expected.acknowledged()
                      << " batches acknowledged");
      REQUIRE(check_after_crash(run.log(), expected, &before) == "");
    }
  }
}

TEST_CASE("a process killed at any named point loses nothing acknowledged", "[faults]") {
#ifndef RUNLOG_KILL_POINTS
  WARN("skipped: this build has no kill points");
#else
  for (const std::string& name : kill_points()) {
    // Those stand in sweeps, backups and forgets, which this driver does not make.
    const std::string where = name.substr(0, name.find('.'));
    if (where == "retention" || where == "archive" || where == "backup" || where == "forget")
      continue;
    for (const int passage : {1, 2, 3, 5, 9, 20, 60}) {
      if (one_in(2) != 1 && passage % 4 != 1) continue;
      DriverRun run;
      DriverOptions options;
      options.threads = 2;
      options.batches = 120;
      options.more = {"settle"};  // so that it does not end before what goes on in the background
      options.environment["RUNLOG_KILL_POINT"] = name + ":" + std::to_string(passage);
      const Ending ending = run.run(options);
      INFO("kill point " << name << ", passage " << passage << ", " << ending.text());
      if (passage == 1) CHECK(ending.killed());
      ExpectedRuns expected(options.seed, options.threads, options.batches);
      expected.take(run.ack_lines());
      CHECK(check_after_crash(run.log(), expected) == "");
      if (!ending.killed()) break;
    }
  }
#endif
}
