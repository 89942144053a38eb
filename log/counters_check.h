// Verification and repair of the counters in state/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "index/error.h"
#include "log/counter_format.h"

namespace runlog {

// Takes the entries of state's table "t" for which is_counter_key() is true, one by one.
class CountersCheck {
 public:
  void visit(std::uint64_t key, Bytes value);
  // After the last one.
  void finish();

  // What is wrong: whole sentences but for the file's name.
  const std::vector<std::string>& problems() const { return problems_; }
  // Of what cannot be read; the mark's also if it is missing.
  const std::set<std::uint64_t>& damaged_keys() const { return damaged_keys_; }

 private:
  void note(std::uint64_t key, const std::string& problem);
  bool has_mark_ = false, has_buckets_ = false;
  std::vector<std::string> problems_;
  std::set<std::uint64_t> damaged_keys_;
};

// Removes buckets that cannot be read; they are counted anew from what is left when the log is opened.
// Without a mark so are all. Returns what was done, in sentences. Errors: Corruption; IoError;
// DiskFull.
Expected<std::vector<std::string>> repair_counters(Catalog& catalog,
                                                   const std::set<std::uint64_t>& damaged_keys);

// What can still be read in a damaged state/: that of its newest transaction if it is whole, else the
// newest form of each bucket that proves itself.
struct SalvagedCounters {
  std::optional<CounterMark> mark;
  struct Bucket {
    SequenceNumber counted_to = 0;
    std::vector<std::byte> value;
  };
  std::map<std::uint64_t, Bucket> buckets;
  bool is_certain = true;  // the tree and every entry were sound
  bool is_empty() const { return !mark && buckets.empty(); }
};
SalvagedCounters salvage_counters(const std::filesystem::path& state_directory);

// Puts them into a new state/. Errors: IoError; DiskFull.
Expected<void> write_counters(LmdbWrite& write, const SalvagedCounters& salvaged);

}  // namespace runlog
