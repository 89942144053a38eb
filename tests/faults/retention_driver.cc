// A process that lives the life of retention_plan.h until it is done or dies. It writes a line for
// each step that has returned. What retention removes goes to LOG-archive.
//
//   retention_driver LOG ACK_FILE SEED STEPS
//
// Exit code 1 after an error.
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

#include "tests/faults/retention_plan.h"

int main(int count, char** arguments) {
  using namespace runlog;
  if (count != 5) return 2;
  const int acks = ::open(arguments[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const auto seed = std::strtoull(arguments[3], nullptr, 10);
  const auto steps = faults::plan_retention(seed, std::strtoull(arguments[4], nullptr, 10));
  UnixMs now = steps.front().now;
  auto log = Log::open(arguments[1], faults::retention_options(now, seed));
  if (!log) {
    std::fprintf(stderr, "%s\n", log.error().message.c_str());
    return 1;
  }
  for (auto step : steps) {
    now = step.now;
    if (step.kind == faults::RetentionStep::Kind::kSetPolicy)
      step.policy.archive = std::string(arguments[1]) + "-archive";
    if (auto done = faults::perform(**log, step); !done) {
      std::fprintf(stderr, "%s\n", done.error().message.c_str());
      return 1;
    }
    // Acknowledged outside the log first, then told to whoever may kill this process for it.
    for (const int fd : {acks, STDOUT_FILENO})
      if (::write(fd, "A\n", 2) < 0) return 3;
  }
  return (*log)->close() ? 0 : 1;
}
