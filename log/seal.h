// Sealing: the finished index of a closed segment is written into its own file as flat tables, then
// a footer that says where they are. A crash at any point leaves a segment that is closed, or sealed.
#pragma once

#include <filesystem>

#include "index/error.h"
#include "log/active_segment.h"
#include "log/segment_format.h"

namespace runlog {

// Writes tables and footer of `segment`, to which nothing is appended any more, and syncs the file.
// The result is what the catalog should say. Safe to call again after a crash or a failure.
// `keep_supersedes` is the segment's supersedes table: the hidden sequence numbers that are still to
// be remembered. Errors: DiskFull; IoError; Corruption.
Expected<CatalogEntry> seal_segment(ActiveSegment& segment, std::uint64_t log_id,
                                    const std::vector<SequenceNumber>& keep_supersedes);

// The address and sequence tables of a segment, as sealing writes them. Errors: Corruption.
struct RecordTables {
  std::vector<std::byte> addresses;
  std::vector<std::byte> sequences;  // empty when the sequence numbers have no gaps
};
Expected<RecordTables> record_tables(LmdbEnv& env, SequenceNumber base);

}  // namespace runlog
