// Starts the real `runlog` program for the tests of the command line.
#pragma once

#include <fcntl.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace runlog {

struct CliResult {
  int exit_code = -1;  // 128 + the signal that ended it
  std::string out, err;
};

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A folder that goes away with its content.
class CliFolder {
 public:
  CliFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "runlog_cli_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~CliFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  CliFolder(const CliFolder&) = delete;
  CliFolder& operator=(const CliFolder&) = delete;

  std::filesystem::path path() const { return path_; }
  std::string file(const std::string& name) const { return (path_ / name).string(); }
  // Writes a file and returns its path.
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return file(name);
  }

 private:
  std::filesystem::path path_;
};

namespace cli_process {

inline int exit_code_of_child(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// What exec needs, made before the fork: a child of a program with threads may not allocate.
class Execution {
 public:
  // What the tests expect does not depend on the machine's settings.
  Execution(std::vector<std::string> command, const std::vector<std::string>& settings)
      : command_(std::move(command)),
        settings_{"LC_ALL=C.UTF-8", "TERM=xterm", "PATH=/usr/bin:/bin",
                  std::string("RUNLOG=") + RUNLOG_CLI_PATH} {
    settings_.insert(settings_.end(), settings.begin(), settings.end());
    for (const char* inherited : {"ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}) {
      if (const char* value = std::getenv(inherited)) {
        settings_.push_back(std::string(inherited) + "=" + value);
      }
    }
    for (std::string& argument : command_) arguments_.push_back(argument.data());
    for (std::string& setting : settings_) environment_.push_back(setting.data());
    arguments_.push_back(nullptr);
    environment_.push_back(nullptr);
  }
  [[noreturn]] void run() const {
    ::execve(arguments_[0], arguments_.data(), environment_.data());
    ::_exit(127);
  }

 private:
  std::vector<std::string> command_, settings_;
  std::vector<char*> arguments_, environment_;
};

inline std::vector<std::string> cli_command(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {RUNLOG_CLI_PATH};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

// Files instead of pipes: nobody has to read while the program runs.
inline CliResult run_with_files(const std::vector<std::string>& command, const std::string& input) {
  const CliFolder folder;
  const std::string in = folder.write("in", input), out = folder.file("out"),
                    err = folder.file("err");
  const Execution execution(command, {});
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) {
    ::dup2(::open(in.c_str(), O_RDONLY), STDIN_FILENO);
    ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT, 0600), STDOUT_FILENO);
    ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT, 0600), STDERR_FILENO);
    execution.run();
  }
  CliResult result;
  result.exit_code = exit_code_of_child(child);
  result.out = read_text(out);
  result.err = read_text(err);
  return result;
}

}  // namespace cli_process

// Runs the program with `arguments` and waits for it; `input` is its standard input.
inline CliResult run_cli(const std::vector<std::string>& arguments, const std::string& input = "") {
  return cli_process::run_with_files(cli_process::cli_command(arguments), input);
}

// Runs a shell script in which $RUNLOG is the program.
inline CliResult run_shell(const std::string& script) {
  return cli_process::run_with_files({"/bin/sh", "-c", script}, "");
}

// The same as run_cli on a terminal of `columns`; what both outputs show comes as `out`, with plain
// newlines. `typed` is what somebody types there.
inline CliResult run_cli_on_terminal(const std::vector<std::string>& arguments, unsigned columns,
                                     const std::vector<std::string>& environment = {},
                                     const std::string& typed = "") {
  winsize size{};
  size.ws_col = static_cast<unsigned short>(columns);
  size.ws_row = 50;
  int terminal = -1;
  const cli_process::Execution execution(cli_process::cli_command(arguments), environment);
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, &size);
  if (child < 0) throw std::runtime_error("forkpty failed");
  if (child == 0) execution.run();
  CliResult result;
  // It waits in the terminal until it is asked for.
  if (!typed.empty() && ::write(terminal, typed.data(), typed.size()) < 0)
    throw std::runtime_error("the terminal takes no input");
  char buffer[4096];
  // Reading ends with EIO when the child has closed the other side.
  for (ssize_t n; (n = ::read(terminal, buffer, sizeof buffer)) > 0;) {
    for (ssize_t i = 0; i < n; ++i) {
      if (buffer[i] != '\r') result.out += buffer[i];
    }
  }
  ::close(terminal);
  result.exit_code = cli_process::exit_code_of_child(child);
  return result;
}

}  // namespace runlog
