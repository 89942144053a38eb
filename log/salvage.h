// Finds what can still be read in a damaged segment or catalog file. Everything that a log stores
// carries a checksum over its content and its key, so each piece proves itself, wherever it is found.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "index/error.h"
#include "log/file_io.h"
#include "log/lmdb_env.h"
#include "log/segment_format.h"

namespace runlog {

// Calls `visit` for whatever looks like an entry with a 64-bit key in a leaf page, in the order of
// the file, without regard to the tree: also for entries that were replaced long ago.
void scan_lmdb_leaves(Bytes file,
                      const std::function<void(std::uint64_t key, Bytes value)>& visit);

// Calls `keep` for each entry of the catalog's file in `state_directory`: those of its newest
// transaction, and if they are not whole then whatever scan_lmdb_leaves finds too. `keep` says false
// to an entry that it knows and cannot read. True if the tree was sound and `keep` content.
bool salvage_state(const std::filesystem::path& state_directory,
                   const std::function<bool(std::uint64_t key, Bytes value)>& keep);

// The readable content of one segment. All bytes point into `mapping`.
struct SalvagedSegment {
  std::unique_ptr<FileMapping> mapping;
  bool tree_is_sound = false;
  std::optional<SegmentHeader> header;
  std::optional<SegmentFooter> footer;
  std::uint64_t footer_offset = 0;
  std::map<SequenceNumber, Bytes> records;       // exactly the record's bytes, both parts verified
  std::map<std::uint64_t, Bytes> names;          // as stored, by symbol
  std::map<std::uint64_t, Bytes> dictionaries;   // as stored, by number
};

// Errors: NotFound; IoError.
Expected<SalvagedSegment> salvage_segment(const std::filesystem::path& directory);

// What a damaged catalog still tells.
struct SalvagedCatalog {
  std::optional<LogIdentity> identity;
  std::uint64_t generation = 0;       // the highest found
  std::uint64_t next_segment_id = 1;  // likewise
};
SalvagedCatalog salvage_catalog(const std::filesystem::path& directory);

}  // namespace runlog
