// What an ActiveIndex consists of; for active_index.cc and the sealed writer only.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

#include "index/chunked_array.h"
#include "index/flow_accumulators.h"
#include "index/hash_chains.h"
#include "index/index.h"
#include "index/posting_list.h"
#include "index/term_table.h"
#include "index/time_zones.h"

namespace runlog {

struct ActiveIndex::Impl {
  struct Times {
    std::int64_t started_at_ms, finished_at_ms;
  };

  // Each part publishes itself well enough to be read at any moment; `published` bounds what
  // answers may show.
  TermTable terms;  // exact keys
  PostingArena arena;
  HashChains hashed_terms;  // by TermKey::bits
  HashChains ids;           // one entry a run
  ChunkedArray<Times> times;
  ChunkedArray<TimeZone> zones;  // complete ones only
  std::atomic<Ordinal> published{0};
  std::atomic<std::size_t> allocated_bytes{0};  // of the parts above, as of the last publish()

  // Writer only.
  Ordinal added = 0;
  TimeZone unfinished_zone;

  mutable std::mutex flows_mutex;  // a leaf: nothing else is locked while it is held
  FlowAccumulators flows;

  // A caller's bound, limited to what was published; everything below it is then visible.
  Ordinal bounded(Ordinal end) const {
    return std::min(end, published.load(std::memory_order_acquire));
  }
  // A zone whose runs are all below `end`, which must be bounded.
  std::optional<TimeZone> complete_zone(std::uint32_t zone, Ordinal end) const {
    if ((std::uint64_t(zone) + 1) * kZoneRuns > end) return std::nullopt;
    return zones[zone];
  }
};

}  // namespace runlog
