// The flow table of a segment while it grows: the same sums as a FlowTable, laid out so that adding
// a run costs a few cache lines and no walk through a tree.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "index/index.h"

namespace runlog {

class FlowAccumulators {
 public:
  FlowAccumulators();

  void add(const IndexEntry& entry);
  FlowTable table() const;
  std::size_t memory_bytes() const;

 private:
  using ByStatus = std::array<std::uint64_t, 4>;
  struct Flow {
    std::uint32_t symbol = 0;
    ByStatus runs{};
    std::uint64_t bytes = 0;
    std::int64_t selected = 0, acted = 0, unmeasured = 0;
    std::vector<std::uint32_t> durations;  // by bucket
    std::map<std::int64_t, ByStatus> by_hour;
    // Runs come in the order of their time, so the hour of the last one is nearly always right.
    std::int64_t last_hour = 0;
    ByStatus* last_hour_runs = nullptr;
  };

  Flow& flow_of(std::uint32_t symbol);
  void grow();

  std::vector<Flow> flows_;
  std::vector<std::uint32_t> slots_;  // open addressing: index into flows_ + 1, 0 is empty
};

}  // namespace runlog
