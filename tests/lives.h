// Model tests live lives of random steps, each from a seed. RUNLOG_TEST_SEED=n repeats one alone,
// RUNLOG_TEST_ROUNDS=n lives n times as many.
#pragma once

#include <catch2/catch.hpp>

#include <cstdint>
#include <cstdlib>

#include "tests/faults/child_process.h"

namespace runlog {

// live(seed) for the seeds from 1 to `lives` and so many rounds of them. A failure prints its seed.
template <typename Live>
void for_each_life(std::uint64_t lives, Live live) {
  const char* const only = std::getenv("RUNLOG_TEST_SEED");
  const std::uint64_t first = only == nullptr ? 1 : std::strtoull(only, nullptr, 10);
  const std::uint64_t last = only == nullptr ? lives * faults::test_rounds() : first;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    INFO("RUNLOG_TEST_SEED=" << seed);
    live(seed);
  }
}

}  // namespace runlog
