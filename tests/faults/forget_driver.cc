// A process that lives the life of forget_plan.h until it is done or dies. It writes a line when a
// round's runs are there, for each segment that was written anew, and when they are forgotten.
//
//   forget_driver LOG ACK_FILE SEED ROUNDS
//
// The file of acknowledgements gets two lines a round. Exit code 1 after an error.
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

#include "tests/faults/forget_plan.h"

int main(int count, char** arguments) {
  using namespace runlog;
  if (count != 5) return 2;
  const int acks = ::open(arguments[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const int rounds = std::atoi(arguments[4]);
  auto log = Log::open(arguments[1], faults::forget_options());
  Expected<void> done = log ? Expected<void>() : tl::unexpected(log.error());
  const auto acknowledge = [](int fd) {
    if (::write(fd, "A\n", 2) < 0) std::exit(3);
  };
  for (int round = 0; done && round < rounds; ++round) {
    done = faults::append_round(**log, round);
    if (!done) break;
    acknowledge(acks);
    acknowledge(STDOUT_FILENO);
    auto forgotten = (*log)->forget(forget_user(faults::user_of(round)),
                                    [&](auto, auto) { acknowledge(STDOUT_FILENO); });
    if (!forgotten) done = tl::unexpected(forgotten.error());
    if (!done) break;
    acknowledge(acks);
    acknowledge(STDOUT_FILENO);
  }
  if (done) done = (*log)->close();
  if (!done) std::fprintf(stderr, "%s\n", done.error().message.c_str());
  return done ? 0 : 1;
}
