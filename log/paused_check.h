// Verification and repair of the paused runs in state/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "index/error.h"
#include "log/catalog.h"
#include "log/paused_format.h"

namespace runlog {

// Takes the entries of state's table "t" from kPausedBase on, one by one.
class PausedCheck {
 public:
  void visit(std::uint64_t key, Bytes value);
  // After the last one. `at_rest`: nobody wrote meanwhile, so that the header must fit the entries.
  void finish(bool at_rest);

  // What is wrong: whole sentences but for the file's name.
  const std::vector<std::string>& problems() const { return problems_; }
  // Of the header; a different number later means that a writer was at work.
  std::uint64_t changes() const { return header_ ? header_->changes : 0; }
  const std::set<std::uint64_t>& damaged_keys() const { return damaged_keys_; }

 private:
  std::vector<std::string> problems_;
  std::optional<PausedHeader> header_;
  bool has_header_ = false;
  std::set<std::uint64_t> damaged_keys_;  // of entries
  std::uint64_t sound_ = 0;
  std::uint64_t highest_ = 0;  // number of a sound entry
};

// Removes entries that cannot be read and makes the header anew. Returns what was done, in
// sentences. Errors: IoError; DiskFull.
Expected<std::vector<std::string>> repair_paused_runs(Catalog& catalog,
                                                      const std::set<std::uint64_t>& damaged_keys);

// What can still be read of the paused runs in a damaged state/: those of its newest transaction if
// that is whole, else whatever proves itself, the newest of each run. Then some may be among
// them that were removed long ago.
struct SalvagedPausedRuns {
  std::map<std::uint64_t, PausedRunPtr> runs;  // by number
  std::uint64_t changes = 0;
  std::uint64_t next_number = 1;
  bool is_certain = true;  // the tree and every entry were sound
  bool is_empty() const { return runs.empty() && changes == 0; }
};
SalvagedPausedRuns salvage_paused_runs(const std::filesystem::path& state_directory);

// Puts them into a new state/. Errors: IoError; DiskFull.
Expected<void> write_paused_runs(LmdbWrite& write, const SalvagedPausedRuns& salvaged);

}  // namespace runlog
