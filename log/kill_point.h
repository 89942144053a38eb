// Named places at which a crash test lets the process die, as if by kill −9. Compiled to nothing
// unless RUNLOG_KILL_POINTS is defined, as it is in every build but the release.
#pragma once

#ifdef RUNLOG_KILL_POINTS
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>
#endif

namespace runlog {

// Dies here if the environment's RUNLOG_KILL_POINT is `name`, or `name:n` on the nth passage.
inline void kill_point([[maybe_unused]] const char* name) {
#ifdef RUNLOG_KILL_POINTS
  static const char* const wanted = std::getenv("RUNLOG_KILL_POINT");
  if (wanted == nullptr) return;
  const std::size_t length = std::strlen(name);
  if (std::strncmp(wanted, name, length) != 0) return;
  if (wanted[length] != '\0' && wanted[length] != ':') return;
  static int passages = 0;
  const int nth = wanted[length] == ':' ? std::atoi(wanted + length + 1) : 1;
  if (++passages >= nth) ::kill(::getpid(), SIGKILL);
#endif
}

}  // namespace runlog
