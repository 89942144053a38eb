#include "tests/faults/child_process.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

extern char** environ;

namespace runlog::faults {
namespace {

Ending reap(pid_t process) {
  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  Ending ending;
  if (WIFEXITED(status)) ending.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) ending.signal = WTERMSIG(status);
  return ending;
}

void make_pipe(int ends[2]) {
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("cannot make a pipe");
}

}  // namespace

std::string Ending::text() const {
  if (signal != 0) return std::string("ended by ") + ::strsignal(signal);
  return "exit code " + std::to_string(exit_code);
}

ChildProcess::ChildProcess(const std::filesystem::path& program,
                           const std::vector<std::string>& arguments,
                           const Environment& environment) {
  std::vector<std::string> argument_texts{program.string()};
  argument_texts.insert(argument_texts.end(), arguments.begin(), arguments.end());
  std::vector<char*> argument_pointers;
  for (std::string& text : argument_texts) argument_pointers.push_back(text.data());
  argument_pointers.push_back(nullptr);
  std::vector<std::string> added;
  for (const auto& [name, value] : environment) added.push_back(name + "=" + value);
  std::vector<char*> variables;
  for (std::string& text : added) variables.push_back(text.data());
  for (char** variable = environ; *variable != nullptr; ++variable) variables.push_back(*variable);
  variables.push_back(nullptr);

  int ends[2];
  make_pipe(ends);
  process_ = ::fork();
  if (process_ == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::execve(program.c_str(), argument_pointers.data(), variables.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  output_ = ends[0];
  if (process_ < 0) throw std::runtime_error("cannot fork");
}

ChildProcess::~ChildProcess() {
  if (process_ > 0) {
    kill();
    wait();
  }
  ::close(output_);
}

bool ChildProcess::read_line(std::string& line) {
  for (;;) {
    if (const std::size_t end = pending_.find('\n'); end != std::string::npos) {
      line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      return true;
    }
    char buffer[4096];
    const ssize_t count = ::read(output_, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    pending_.append(buffer, static_cast<std::size_t>(count));
  }
}

void ChildProcess::send(int signal) {
  if (process_ > 0) ::kill(process_, signal);
}

Ending ChildProcess::wait() {
  std::string line;
  while (read_line(line)) {
  }
  return reap(std::exchange(process_, -1));
}

GuardedResult run_guarded(const std::function<std::string()>& work, unsigned seconds) {
  int ends[2];
  make_pipe(ends);
  const pid_t process = ::fork();
  if (process < 0) throw std::runtime_error("cannot fork");
  if (process == 0) {
    ::signal(SIGALRM, SIG_DFL);
    ::alarm(seconds);
    // The test framework's own handlers would report the crash as this test's failure.
    for (int number : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTERM, SIGINT})
      ::signal(number, SIG_DFL);
    const std::string text = work();
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t count = ::write(ends[1], text.data() + at, text.size() - at);
      if (count <= 0) break;
      at += static_cast<std::size_t>(count);
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  GuardedResult result;
  char buffer[4096];
  for (;;) {
    const ssize_t count = ::read(ends[0], buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    result.output.append(buffer, static_cast<std::size_t>(count));
  }
  ::close(ends[0]);
  result.ending = reap(process);
  return result;
}

TempDir::TempDir() {
  std::error_code error;
  const std::filesystem::path memory = "/dev/shm";
  const bool in_memory =
      std::filesystem::is_directory(memory, error) && ::access(memory.c_str(), W_OK) == 0;
  const auto parent = in_memory ? memory : std::filesystem::temp_directory_path();
  std::string name = (std::filesystem::canonical(parent) / "runlog-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    throw std::runtime_error("cannot make a directory in '" + parent.string() + "'");
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

unsigned test_rounds() {
  const char* text = std::getenv("RUNLOG_TEST_ROUNDS");
  const int rounds = text == nullptr ? 1 : std::atoi(text);
  return rounds < 1 ? 1u : static_cast<unsigned>(rounds);
}

}  // namespace runlog::faults
