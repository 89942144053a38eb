// The two meta pages of an LMDB file: which transaction is the newest, and whether they contradict
// each other. The private half of log/lmdb_check.h and log/last_commit.h.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "index/error.h"
#include "log/lmdb_format.h"

namespace runlog::lmdb {

// What a check found wrong; nullptr when nothing is.
using Problem = const char*;

// The two places of the meta page; transaction n was committed to the one with n's parity.
inline constexpr unsigned kMetaSlots = 2;

struct Metas {
  std::size_t page_bytes = 0;
  Meta newest, older;
};

// Reads both meta pages, in which nothing contradicts anything else. With `only_newest` the older
// one is not looked at. `path` only stands in messages. Errors: Corruption.
Expected<Metas> check_metas(Bytes file, const std::filesystem::path& path, bool only_newest);

// The page size, once both pages are known to be meta pages. Errors: Corruption.
Expected<std::size_t> check_layout(Bytes file, const std::filesystem::path& path);

// One meta page; check_layout() came before.
Meta load_meta(Bytes file, std::size_t page_bytes, unsigned slot);
Problem check_meta(const Meta& meta, std::size_t page_bytes, unsigned slot);

tl::unexpected<Error> damaged_meta(const std::filesystem::path& path, unsigned slot,
                                   Problem problem);

}  // namespace runlog::lmdb
