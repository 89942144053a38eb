#include "log/paused_check.h"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "log/salvage.h"
#include "log/segment_format.h"

namespace runlog {
namespace {

// Readers in other processes take a different number for a change.
constexpr std::uint64_t kStep = 1000;

std::optional<PausedHeader> header_of(Bytes value) {
  auto header = read_sealed<PausedHeader>(value);
  if (header && (header->magic != PausedHeader::kMagic || header->version != 1)) header.reset();
  return header;
}

// Keeps the newest form of each entry: a claim replaces the save that it is of. False if it cannot
// be read.
bool keep(SalvagedPausedRuns& found, std::uint64_t key, Bytes value) {
  if (key == kPausedBase) {
    const auto header = header_of(value);
    if (!header) return false;
    found.changes = std::max(found.changes, header->changes);
    found.next_number = std::max(found.next_number, header->next_number);
    return true;
  }
  if (key < kPausedBase) return true;
  auto run = decode_paused_run(key, value);
  if (!run) return false;
  PausedRunPtr& kept = found.runs[(*run)->number];
  if (!kept || (*run)->claimed_at > kept->claimed_at) kept = std::move(*run);
  return true;
}

void drop_replaced(SalvagedPausedRuns& found) {
  std::unordered_map<std::string, std::uint64_t> newest;
  for (const auto& [number, run] : found.runs) newest[run->run_id] = number;
  std::erase_if(found.runs, [&](const auto& entry) {
    return newest[entry.second->run_id] != entry.first;
  });
}

}  // namespace

void PausedCheck::visit(std::uint64_t key, Bytes value) {
  if (key == kPausedBase) {
    has_header_ = true;
    header_ = header_of(value);
    return;
  }
  const auto run = decode_paused_run(key, value);
  if (!run) {
    damaged_keys_.insert(key);
    problems_.push_back(fmt::format("paused run {}: {}", key - kPausedBase, run.error().message));
    return;
  }
  ++sound_;
  highest_ = std::max(highest_, (*run)->number);
}

void PausedCheck::finish(bool at_rest) {
  if (has_header_ && !header_)
    problems_.push_back("the header of the paused runs fails its checksum");
  if (!at_rest || (has_header_ && !header_)) return;
  const PausedHeader header = header_.value_or(PausedHeader());
  const std::uint64_t found = sound_ + damaged_keys_.size();
  if (found != header.entries)
    problems_.push_back(
        fmt::format("it has {} paused runs instead of {}", found, header.entries));
  if (highest_ >= header.next_number)
    problems_.push_back(
        fmt::format("paused run {}: its number was not given out yet", highest_));
}

Expected<std::vector<std::string>> repair_paused_runs(Catalog& catalog,
                                                      const std::set<std::uint64_t>& damaged_keys) {
  PausedHeader header;
  {
    auto read = catalog.begin_read();
    if (!read) return tl::unexpected(read.error());
    auto scanned = read->scan(LmdbTable::kTables, kPausedBase, [&](std::uint64_t key, Bytes value) {
      if (key == kPausedBase) {
        header = header_of(value).value_or(PausedHeader());
        header.entries = 0;
      } else if (damaged_keys.count(key) == 0) {
        ++header.entries;
      }
      header.next_number = std::max(header.next_number, key - kPausedBase + 1);
      return true;
    });
    if (!scanned) return tl::unexpected(scanned.error());
  }
  header.changes += kStep;
  auto written = catalog.write_beside([&](LmdbWrite& write) -> Expected<void> {
    for (const std::uint64_t key : damaged_keys)
      if (auto removed = write.remove(LmdbTable::kTables, key); !removed) return removed;
    return write.put(LmdbTable::kTables, kPausedBase, sealed_bytes(header));
  });
  if (!written) return tl::unexpected(written.error());
  std::vector<std::string> done;
  for (const std::uint64_t key : damaged_keys)
    done.push_back(fmt::format("paused run {} was removed from '{}', for it cannot be read",
                               key - kPausedBase, catalog.file().string()));
  done.push_back(fmt::format("the header of the paused runs in '{}' was made again: {} are left",
                             catalog.file().string(), header.entries));
  return done;
}

SalvagedPausedRuns salvage_paused_runs(const std::filesystem::path& state_directory) {
  SalvagedPausedRuns found;
  found.is_certain = salvage_state(state_directory, [&](std::uint64_t key, Bytes value) {
    return keep(found, key, value);
  });
  drop_replaced(found);
  for (const auto& [number, run] : found.runs)
    found.next_number = std::max(found.next_number, number + 1);
  return found;
}

Expected<void> write_paused_runs(LmdbWrite& write, const SalvagedPausedRuns& salvaged) {
  PausedHeader header;
  header.changes = salvaged.changes + kStep;
  header.next_number = salvaged.next_number;
  header.entries = salvaged.runs.size();
  for (const auto& [number, run] : salvaged.runs) {
    const std::vector<std::byte> bytes = encode_paused_run(*run);
    if (auto put = write.put(LmdbTable::kTables, kPausedBase + number, bytes); !put) return put;
  }
  return write.put(LmdbTable::kTables, kPausedBase, sealed_bytes(header));
}

}  // namespace runlog
