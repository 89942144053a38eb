// Shortens a step log that is over the limits of one run.
#pragma once

#include "log/record.h"

namespace runlog {

// Fills `kept` with the steps to store, in their order; returns how many were left out. Over a
// limit, failures and the containers around them come first, then top-level steps, then the rest;
// among equals, the newest.
std::size_t choose_steps(const std::vector<Step>& steps, const RunLimits& limits,
                         std::vector<const Step*>& kept);

}  // namespace runlog
