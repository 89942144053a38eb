// Looks for runs in an archive (see log/archive.h), for a forget to name the files that hold them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "log/run.h"

namespace runlog {

// The data files that log `log_id` has written to `archive` and of which a run matches, by name. What
// cannot be read may hold one and is among them. Reads every file of the log whole: some seconds for a
// million runs.
std::vector<std::filesystem::path> archives_with(const std::string& archive, std::uint64_t log_id,
                                                 const std::function<bool(const Run&)>& matches);

}  // namespace runlog
