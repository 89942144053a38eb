// Verification and repair of what retention keeps in state/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "index/error.h"
#include "log/catalog.h"
#include "log/retention_state.h"

namespace runlog {

// Removes entries that cannot be read. What they hid is hidden again as far as the policy still says
// so. Returns what was done, in sentences. Errors: Corruption, IoError, DiskFull.
Expected<std::vector<std::string>> repair_retention(Catalog& catalog,
                                                    const std::set<std::uint64_t>& damaged_keys);

// What can still be read in a damaged state/: that of its newest transaction if it is whole.
// Otherwise whatever proves itself: every run that was ever hidden, any policy that was set, and
// pins, some of which may have been removed.
struct SalvagedRetention {
  StoredRetention stored;
  bool is_certain = true;  // the tree and every entry were sound
  bool is_empty() const;
};
SalvagedRetention salvage_retention(const std::filesystem::path& state_directory);

// Puts it into a new state/. Errors: IoError; DiskFull.
Expected<void> write_retention(LmdbWrite& write, const SalvagedRetention& salvaged);

}  // namespace runlog
