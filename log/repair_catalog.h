// Makes a log's catalog again from what its segments say of themselves.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "index/error.h"

namespace runlog {

// Sets the old state/ aside and writes a new one. Segments whose records all stand in another one
// (a merge's inputs, or its unfinished output) are set aside too. Returns what was done, in
// sentences. Safe to repeat after a failure or a crash. Errors: IoError; DiskFull; Corruption (no
// segment says which log it belongs to).
Expected<std::vector<std::string>> rebuild_catalog(const std::filesystem::path& log);

}  // namespace runlog
