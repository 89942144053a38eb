#include "log/clock_guard.h"

namespace runlog {

UnixMs ClockGuard::look(UnixMs now) {
  // The first look has nothing to compare with; and a clock that went back expires nothing.
  const bool is_step = trusted_ == 0 || now <= trusted_ + kLargestStepMs;
  if (is_step) {
    trusted_ = now;
    jumped_to_ = 0;
    return trusted_;
  }
  if (jumped_to_ == 0 || now < jumped_to_) {
    jumped_to_ = now;
  } else if (now >= jumped_to_ + kConfirmationMs) {
    trusted_ = jumped_to_;
    jumped_to_ = 0;
    return look(now);
  }
  return trusted_;
}

}  // namespace runlog
