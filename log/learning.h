// A log learns a compression dictionary from its own payloads, once it has enough of them.
#pragma once

#include "log/log_state.h"
#include "log/snapshot.h"

namespace runlog {

// Trains a dictionary from the runs of segments[position], if the log has none yet, and takes it if
// that pays. The dictionary reaches the disk with the first record that uses it. A failure changes
// nothing: the log just goes on without.
void learn_dictionary(LogState& state, const Snapshot& snapshot, std::size_t position);

}  // namespace runlog
