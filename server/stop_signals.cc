#include "server/stop_signals.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace runlog {
namespace {

// What the handler writes to; a handler can only reach what is global.
volatile std::sig_atomic_t told_descriptor = -1;

void tell(int) {
  const int saved = errno;
  const std::uint64_t one = 1;
  if (::write(told_descriptor, &one, sizeof one) < 0) errno = saved;
}

void take_over(int signal, struct sigaction& before) {
  if (::sigaction(signal, nullptr, &before) != 0 || before.sa_handler == SIG_IGN) return;
  struct sigaction ours {};
  ours.sa_handler = &tell;
  // Any thread may get the signal, and none of the log's may see a call of its own interrupted.
  ours.sa_flags = SA_RESTART | int(SA_RESETHAND);
  ::sigaction(signal, &ours, nullptr);
}

}  // namespace

StopSignals::StopSignals() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (descriptor_ < 0) return;
  told_descriptor = descriptor_;
  take_over(SIGINT, interrupt_before_);
  take_over(SIGTERM, terminate_before_);
}

StopSignals::~StopSignals() {
  if (descriptor_ < 0) return;
  ::sigaction(SIGINT, &interrupt_before_, nullptr);
  ::sigaction(SIGTERM, &terminate_before_, nullptr);
  ::close(descriptor_);
}

}  // namespace runlog
