// Replaces one damaged segment by a fresh one that holds everything of it that can still be read.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "index/error.h"
#include "log/catalog.h"
#include "log/verify_segment.h"

namespace runlog {

// `all` are the verdicts on all segments of the log, of which `damaged` is one. Returns what was
// done, in sentences. Safe to repeat after a failure or a crash. Errors: IoError; DiskFull.
Expected<std::vector<std::string>> repair_segment(const std::filesystem::path& log,
                                                  Catalog& catalog,
                                                  std::span<const SegmentVerdict> all,
                                                  const SegmentVerdict& damaged);

// Moves a segment's directory, if it is there, to segments/quarantine/, under its own name with
// `suffix`. Returns where it is now. Errors: IoError; DiskFull.
Expected<std::filesystem::path> set_aside(const std::filesystem::path& log,
                                          const std::filesystem::path& directory,
                                          const std::string& suffix);

}  // namespace runlog
