// Runs many small cases in forked processes, so that a case which crashes or hangs is reported with
// its number and the sweep goes on with the next one.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace runlog::faults {

struct SweepComplaint {
  std::size_t number = 0;  // of the case
  std::string text;
};

// Runs cases 0 to `count` − 1 in `workers` processes. `check` gets the case's number and the
// worker's, and returns what is wrong; a case may take `seconds`. Stops after `most` complaints.
std::vector<SweepComplaint> guarded_sweep(
    std::size_t count, unsigned workers, unsigned seconds, std::size_t most,
    const std::function<std::string(std::size_t number, unsigned worker)>& check);

}  // namespace runlog::faults
