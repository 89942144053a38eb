// Checks an LMDB file before LMDB itself may touch it. LMDB 0.9 trusts its pages: a damaged one
// makes it read outside the map or abort the process. This walk proves, for a file that nobody
// writes to at the moment (or for one pinned by a read transaction), that every page which a read
// or a write of LMDB could reach is well-formed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>

#include "index/error.h"

namespace runlog {

struct LmdbFileState {
  std::uint64_t transaction = 0;                  // id of the newest committed transaction
  std::uint64_t used_bytes = 0;                   // the file is at least this long
  std::map<std::string, std::uint64_t> entries;   // by table name, as of the newest transaction
  // As of the transaction before it; empty where there is none. A log's tables only grow from one
  // commit to the next, so a table with more entries here betrays a damaged transaction number.
  std::map<std::string, std::uint64_t> previous_entries;
};

// Checks the file `path` (a data.mdb). Both meta pages, the tree of every table and the free list:
// page numbers and kinds, bounds, node sizes, key order, depths, entry and page counts, overflow
// chains, that no page is used twice, and that no free page is used.
//
// For a file that no process has open for writing.
// Errors: NotFound; IoError; Corruption (names the file, the page and the check).
// With `after_failed_commit` the older of the two states is not looked at: when writing a meta page
// fails, LMDB leaves it half restored, and the next commit overwrites it.
Expected<LmdbFileState> check_lmdb_file(const std::filesystem::path& path,
                                        bool after_failed_commit = false);

// Checks the two meta pages of a file alone, which is all that can be checked before LMDB opens it
// when a writer may be at work. Reads them again if they change meanwhile.
// Errors: NotFound; IoError; Corruption.
Expected<void> check_lmdb_metas(const std::filesystem::path& path);

// Called for each entry of the newest transaction, in order, as soon as its page was checked; a later
// page may still turn out to be damaged. Only for tables that are keyed by 64-bit numbers.
using LmdbVisit = std::function<void(const std::string& table, std::uint64_t key,
                                     std::span<const std::byte> value)>;

// The same for the bytes of such a file; `path` only stands in messages. Errors: Corruption.
Expected<LmdbFileState> check_lmdb_image(std::span<const std::byte> file,
                                         const std::filesystem::path& path,
                                         const LmdbVisit& visit = {});

// The same for the state of one transaction of a mapped file, which a read transaction with number
// `transaction` keeps from changing. The free list and the other meta page are not looked at, since
// a writer may be at work on them.
// Errors: Corruption; Busy (a writer has committed since the read transaction began, so that the
// meta page may be changing: begin a new read transaction and try again).
Expected<LmdbFileState> check_lmdb_transaction(std::span<const std::byte> file,
                                               const std::filesystem::path& path,
                                               std::uint64_t transaction,
                                               const LmdbVisit& visit = {});

// The number of the newest transaction, as the meta pages say it. Errors: Corruption.
Expected<std::uint64_t> newest_lmdb_transaction(std::span<const std::byte> file,
                                                const std::filesystem::path& path);

}  // namespace runlog
