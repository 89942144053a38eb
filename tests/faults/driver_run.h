// Starts the append driver on a log of its own and keeps what it said.
#pragma once

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/faults/child_process.h"
#include "tests/faults/scenario.h"
#include "tests/faults/shim_support.h"

namespace runlog::faults {

struct DriverOptions {
  std::uint64_t seed = 1;
  unsigned first_thread = 0;
  unsigned threads = 1;
  std::size_t batches = 50;
  std::vector<std::string> more;
  Environment environment;
};

// A directory with a log, the driver's acknowledgements and, under the shim, its journal.
class DriverRun {
 public:
  std::filesystem::path root() const { return dir_.path() / "root"; }
  std::filesystem::path log() const { return root() / "log"; }
  std::filesystem::path acks() const { return dir_.path() / "acks"; }
  std::filesystem::path journal() const { return dir_.path() / "journal"; }
  std::filesystem::path state() const { return dir_.path() / "state"; }

  std::unique_ptr<ChildProcess> start(const DriverOptions& options) const {
    std::filesystem::create_directories(root());
    std::vector<std::string> arguments{log().string(),
                                       acks().string(),
                                       std::to_string(options.seed),
                                       std::to_string(options.first_thread),
                                       std::to_string(options.threads),
                                       std::to_string(options.batches)};
    arguments.insert(arguments.end(), options.more.begin(), options.more.end());
    return std::make_unique<ChildProcess>(RUNLOG_APPEND_DRIVER_PATH, arguments,
                                          options.environment);
  }
  Ending run(const DriverOptions& options) const { return start(options)->wait(); }
  // The same under the shim.
  Ending record(DriverOptions options) const {
#ifdef RUNLOG_IO_SHIM_PATH
    options.environment.merge(shim_environment(root(), journal(), acks()));
#endif
    return run(options);
  }
  std::string ack_lines() const {
    std::ifstream in(acks());
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

 private:
  TempDir dir_;
};

}  // namespace runlog::faults
