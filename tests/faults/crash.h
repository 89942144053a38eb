// A driver that is killed while it works on a log, and says on its way which steps are done.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "tests/faults/child_process.h"
#include "tests/log_fixture.h"

namespace runlog::faults {

class Crash {
 public:
  // `driver` is a program that takes the log, the file of acknowledgements, a seed and `steps`.
  Crash(std::string driver, std::size_t steps) : driver_(std::move(driver)), steps_(steps) {}
  std::filesystem::path log() const { return dir_.path() / "log"; }
  std::filesystem::path acks() const { return dir_.path() / "acks"; }

  std::unique_ptr<ChildProcess> start(std::uint64_t seed, const Environment& environment) const {
    return std::make_unique<ChildProcess>(
        driver_,
        std::vector<std::string>{log().string(), acks().string(), std::to_string(seed),
                                 std::to_string(steps_)},
        environment);
  }
  std::size_t acknowledged() const {
    std::ifstream in(acks());
    return std::size_t(
        std::count(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>(), '\n'));
  }

 private:
  TempDir dir_;
  std::string driver_;
  std::size_t steps_;
};

}  // namespace runlog::faults
