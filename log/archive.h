// The archive of a log: a directory of somebody's choice to which runs are written before retention
// removes them for good. One file for each segment that goes or is merged, with the runs of it that a
// rule hid, and beside it a manifest; log/FORMAT.md has their form. Several logs may share one.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "index/error.h"
#include "log/log_state.h"

namespace runlog {

struct Archived {
  std::uint64_t runs = 0;
  std::uint64_t bytes = 0;  // of files
  Archived& operator+=(const Archived& more) {
    runs += more.runs;
    bytes += more.bytes;
    return *this;
  }
  Archived& operator-=(const Archived& less) {
    runs -= less.runs;
    bytes -= less.bytes;
    return *this;
  }
};

// Makes the directory `archive` for the log in `log`. Errors: InvalidArgument (it lies within the log,
// or cannot be made).
Expected<void> make_archive(const std::string& archive, const std::filesystem::path& log);

// Writes the runs of a sealed segment that a rule hid to the archive of the log's policy, if it has
// one, and reads them back. What an interrupted call for the same segment has left is replaced. Of a
// segment with nothing to archive nothing is written.
// Errors: Corruption (a record; names the place); ArchiveFailed; Closed (`stop` was set).
Expected<Archived> archive_segment(LogState& state, const Snapshot& snapshot, std::size_t position,
                                   const std::atomic<bool>& stop);

}  // namespace runlog
