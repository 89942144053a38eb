// A process that saves, claims and completes paused runs until it is done or dies; paused_plan.h says
// what. It writes a line for each step that has returned.
//
//   paused_driver LOG ACK_FILE SEED STEPS
//
// Exit code 1 after an error.
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <unistd.h>

#include "log/log.h"
#include "log/paused_runs.h"
#include "tests/faults/paused_plan.h"
#include "tests/faults/scenario.h"

namespace {

using namespace runlog;
using Kind = faults::PausedStep::Kind;

Run make_record(const faults::PausedStep& step) {
  Run run;
  run.run_id = step.run_id;
  run.flow_name = "approval";
  run.flow_version = step.content;
  run.started_at = 1'792'454'400'000;
  return run;
}

Expected<void> perform(Log& log, const faults::PausedStep& step) {
  switch (step.kind) {
    case Kind::kSave: {
      SuspendedRun run;
      run.run_id = step.run_id;
      run.flow_name = "approval";
      run.flow_version = step.content;
      run.node_id = "hold";
      return log.paused().save(run);
    }
    case Kind::kClaim: {
      const auto claim = log.paused().claim(step.run_id, "hold", std::nullopt, "driver");
      return claim ? Expected<void>() : tl::unexpected(claim.error());
    }
    case Kind::kErase: {
      const auto erased = log.paused().erase(step.run_id);
      return erased ? Expected<void>() : tl::unexpected(erased.error());
    }
    case Kind::kComplete: {
      const auto completed = log.paused().complete(make_record(step));
      return completed ? Expected<void>() : tl::unexpected(completed.error());
    }
    case Kind::kAppend: break;
  }
  const auto appended = log.append(make_record(step));
  return appended ? Expected<void>() : tl::unexpected(appended.error());
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) return 2;
  const int acks = ::open(arguments[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  auto log = Log::open(arguments[1], faults::small_log_options());
  if (!log) {
    std::fprintf(stderr, "%s\n", log.error().message.c_str());
    return 1;
  }
  for (const auto& step : faults::plan_paused(std::strtoull(arguments[3], nullptr, 10),
                                              std::strtoull(arguments[4], nullptr, 10))) {
    if (auto done = perform(**log, step); !done) {
      std::fprintf(stderr, "%s\n", done.error().message.c_str());
      return 1;
    }
    // Acknowledged outside the log first, then told to whoever may kill this process for it.
    for (const int fd : {acks, STDOUT_FILENO})
      if (::write(fd, "A\n", 2) < 0) return 3;
  }
  return (*log)->close() ? 0 : 1;
}
