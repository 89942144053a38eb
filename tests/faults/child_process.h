// Starts programs as a crash test needs them: with an environment of their own, their output read
// line by line, killed whenever the test likes.
#pragma once

#include <csignal>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

namespace runlog::faults {

using Environment = std::map<std::string, std::string>;

// How a process ended.
struct Ending {
  int exit_code = -1;  // -1 when a signal ended it
  int signal = 0;
  bool killed() const { return signal == SIGKILL; }
  std::string text() const;
};

class ChildProcess {
 public:
  // Starts `program`; `environment` is added to this process's own. Throws std::runtime_error.
  ChildProcess(const std::filesystem::path& program, const std::vector<std::string>& arguments,
               const Environment& environment = {});
  // Kills and reaps it if it still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // The next line of its standard output, without the newline; false at the end.
  bool read_line(std::string& line);
  void kill() { send(SIGKILL); }
  void send(int signal);
  // Reads the rest of the output, so that the process cannot hang on a full pipe, then reaps it.
  Ending wait();

 private:
  pid_t process_ = -1;
  int output_ = -1;
  std::string pending_;
};

// Runs `work` in a forked copy of this process, so that a crash in it is an answer and not the end
// of the test. A copy that takes longer than `seconds` is ended by SIGALRM.
struct GuardedResult {
  Ending ending;
  std::string output;  // what `work` returned, if it came so far
};
GuardedResult run_guarded(const std::function<std::string()>& work, unsigned seconds);

// A directory of this test's own, removed at the end; in memory where the system offers that, since
// the tests write many and what they ask is not the disk's speed.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// How many times longer than usual the randomised tests run: RUNLOG_TEST_ROUNDS, 1 by default.
unsigned test_rounds();

}  // namespace runlog::faults
