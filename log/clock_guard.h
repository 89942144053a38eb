// The time that ages are measured by. A clock that jumps ahead, by a mistake or because nobody looked
// for long, is not believed at once: what it hid would stay hidden. It is believed when it still says
// so, going on from there, after a delay.
#pragma once

#include "log/run.h"

namespace runlog {

class ClockGuard {
 public:
  // A look that finds the clock further ahead of the last one than this is a jump.
  static constexpr UnixMs kLargestStepMs = 24 * 3'600'000;
  // So long the clock must go on from a jump.
  static constexpr UnixMs kConfirmationMs = 10 * 60'000;

  ClockGuard() = default;
  // With what an earlier process knew; 0 for nothing.
  ClockGuard(UnixMs trusted, UnixMs jumped_to) : trusted_(trusted), jumped_to_(jumped_to) {}

  // Takes what the clock says and returns the time to go by.
  UnixMs look(UnixMs now);

  UnixMs trusted() const { return trusted_; }
  // The time of a jump that waits for its confirmation, or 0.
  UnixMs jumped_to() const { return jumped_to_; }

 private:
  UnixMs trusted_ = 0;
  UnixMs jumped_to_ = 0;
};

}  // namespace runlog
