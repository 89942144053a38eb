// Reads the entries of a segment's or the catalog's LMDB file for a verification: without LMDB where
// nobody writes the file, so that nothing is locked and nothing trusted.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "index/error.h"
#include "log/last_commit.h"
#include "log/lmdb_check.h"

namespace runlog {

// Who may change the files of a log while they are read.
enum class Writer { kNone, kThisProcess, kOtherProcess };

// Whether a log is open for writing, and where. Errors: IoError.
Expected<Writer> find_writer(const std::filesystem::path& log);

// Calls `visit` for each entry of `directory`/data.mdb. Before it starts again, because a writer was
// faster, and at the beginning, it calls `restart`.
// With `settle_with`, a last commit that a power cut tore is left out and reported as kTorn, where
// nobody writes the file (see log/last_commit.h).
// Errors: Corruption; IoError; NotFound; Busy (a writer in this process gives the file no rest).
Expected<LastCommit> read_entries(const std::filesystem::path& directory, Writer writer,
                                  const MakeEntryCheck& settle_with,
                                  const std::function<void()>& restart, const LmdbVisit& visit);

}  // namespace runlog
