#include "tests/faults/guarded_sweep.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/child_process.h"

namespace runlog::faults {
namespace {

// Where a worker is and what it found, in memory that outlives it.
struct Progress {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> complained{false};
  char complaint[4000] = {};
};

Progress* shared_progress() {
  void* memory = ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("cannot map shared memory");
  return new (memory) Progress;
}

// Every `stride`-th case from where the worker before left off; ends after a complaint.
[[noreturn]] void work(Progress& progress, std::size_t count, std::size_t stride, unsigned worker,
                       unsigned seconds,
                       const std::function<std::string(std::size_t, unsigned)>& check) {
  for (int number : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM, SIGTERM, SIGINT})
    ::signal(number, SIG_DFL);
  for (std::size_t number = progress.next; number < count; number += stride) {
    progress.next = number;
    ::alarm(seconds);
    const std::string wrong = check(number, worker);
    if (!wrong.empty()) {
      std::strncpy(progress.complaint, wrong.c_str(), sizeof progress.complaint - 1);
      progress.complained = true;
      ::_exit(0);
    }
  }
  progress.next = count;
  ::_exit(0);
}

std::string ending_text(int status) {
  if (!WIFSIGNALED(status)) return "exit code " + std::to_string(WEXITSTATUS(status));
  if (WTERMSIG(status) == SIGALRM) return "it hangs";
  return std::string("it crashes: ") + ::strsignal(WTERMSIG(status));
}

}  // namespace

std::vector<SweepComplaint> guarded_sweep(
    std::size_t count, unsigned workers, unsigned seconds, std::size_t most,
    const std::function<std::string(std::size_t number, unsigned worker)>& check) {
  std::vector<SweepComplaint> complaints;
  std::vector<Progress*> progress;
  std::vector<pid_t> processes(workers);
  const auto start = [&](unsigned worker) {
    processes[worker] = ::fork();
    if (processes[worker] == 0) work(*progress[worker], count, workers, worker, seconds, check);
    if (processes[worker] < 0) throw std::runtime_error("cannot fork");
  };
  for (unsigned worker = 0; worker < workers; ++worker) {
    progress.push_back(shared_progress());
    progress.back()->next = worker;
    start(worker);
  }
  for (unsigned worker = 0; worker < workers;) {
    int status = 0;
    while (::waitpid(processes[worker], &status, 0) < 0 && errno == EINTR) {
    }
    Progress& own = *progress[worker];
    const std::size_t number = own.next;
    const bool crashed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    if (crashed || own.complained) {
      complaints.push_back({number, crashed ? ending_text(status) : std::string(own.complaint)});
      own.complained = false;
      own.next = number + workers;
      if (complaints.size() < most) {
        start(worker);
        continue;
      }
    }
    ++worker;
  }
  for (Progress* own : progress) ::munmap(own, sizeof(Progress));
  return complaints;
}

}  // namespace runlog::faults
