// A pin: somebody's wish that one run stays, whatever the retention policy says.
#pragma once

#include <optional>
#include <string>

#include "log/run.h"

namespace runlog {

inline constexpr std::size_t kMaxPinReasonBytes = 1024;

struct Pin {
  std::string run_id;
  std::string reason;
  UnixMs pinned_at = 0;
  std::optional<UnixMs> until;  // the pin ends then
  SequenceNumber sequence = 0;  // of the run's visible record

  friend bool operator==(const Pin&, const Pin&) = default;
};

}  // namespace runlog
