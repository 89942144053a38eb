// Checks a log's files against each other, and mends what can be mended.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "index/error.h"

namespace runlog {

struct VerifyReport {
  std::uint64_t segments = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::uint64_t set_aside = 0;       // segments that a repair gave up, whose runs answers miss
  std::vector<std::string> damage;   // one whole sentence each, with file and place
  std::vector<std::string> repairs;  // what was done about it; empty without `repair`
  std::vector<std::string> notes;    // harmless: unknown directories, leftovers
};

struct VerifyOptions {
  // Rebuilds tables from records and the catalog from the segments' footers, and sets aside
  // (segments/quarantine/) what cannot be read. Needs the writer's lock.
  bool repair = false;
  std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)> progress;
};

// Checks every record, every table against its records, and the catalog. Without `repair` it
// changes nothing and may run beside a writer.
// Errors: NotFound; Busy (repair beside a writer); IoError. Damage is not an error but a report.
Expected<VerifyReport> verify_log(const std::filesystem::path& directory,
                                  const VerifyOptions& options = {});

}  // namespace runlog
