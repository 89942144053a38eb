// SIGINT and SIGTERM as something to wait for: while this lives, the first of each only makes a
// descriptor readable, so that a command can end what it has begun; another one ends the process.
#pragma once

#include <csignal>

namespace runlog {

// At most one at a time. A signal that the process was started to ignore stays ignored.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Readable once a signal has come; nobody reads it. −1 if the system has no descriptor left: the
  // signals then do what they always do.
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
  struct sigaction interrupt_before_ {}, terminate_before_ {};
};

}  // namespace runlog
