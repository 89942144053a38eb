// A verification in the form that a repair starts from. The private half of log/verify.h.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "index/error.h"
#include "log/entry_source.h"
#include "log/segment_format.h"
#include "log/verify.h"
#include "log/verify_segment.h"

namespace runlog {

struct CatalogState {
  LogIdentity identity;
  CatalogGeneration generation;
  std::vector<CatalogEntry> segments;  // by base, then id
  std::uint64_t paused_changes = 0;    // see PausedHeader
  std::set<std::uint64_t> damaged_paused_keys;
  bool is_paused_damaged = false;
  std::set<std::uint64_t> damaged_retention_keys;  // see log/retention_state.h
  std::set<std::uint64_t> damaged_counter_keys;
};

struct Verification {
  VerifyReport report;
  std::optional<CatalogState> catalog;   // nullopt if it cannot be read
  std::vector<SegmentVerdict> segments;  // that answers come from, by base
  // Segments that were begun and hold runs of their own, though the catalog does not count on them.
  std::vector<SegmentVerdict> forgotten;
  bool overlaps = false;  // the catalog's segments claim the same sequence numbers
};

using VerifyProgress = std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)>;

// Looks at everything once. Errors: NotFound; IoError; Busy (see read_entries).
Expected<Verification> verify_files(const std::filesystem::path& log, Writer writer,
                                    const VerifyProgress& progress);

// Mends what `found` says, under the writer's lock, and tells in its report what was done.
// Errors: IoError; DiskFull.
Expected<void> repair_files(const std::filesystem::path& log, Verification& found);

}  // namespace runlog
