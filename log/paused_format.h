// How state/ keeps paused runs: entries of its table "t" from kPausedBase on. log/FORMAT.md describes
// the bytes, which are persistent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "index/error.h"
#include "log/paused_runs.h"

namespace runlog {

// Persistent: never renumber. The key of the header; an entry's key is its number above it.
inline constexpr std::uint64_t kPausedBase = 1ull << 63;

// There from the first save on.
struct PausedHeader {
  static constexpr std::uint32_t kMagic = 0x48504C52;  // "RLPH"
  std::uint32_t magic = kMagic;
  std::uint16_t version = 1;
  std::uint16_t unused = 0;
  std::uint64_t changes = 0;      // rises with every change, by which readers notice it
  std::uint64_t next_number = 1;  // numbers are never given out again
  std::uint64_t entries = 0;
  std::uint64_t checksum = 0;
};
static_assert(sizeof(PausedHeader) == 40);

inline constexpr std::size_t kMaxOwnerBytes = 1024;

// What is known of a run that is about to be saved: everything but number and sequence number.
// Errors: see PausedRuns::save.
Expected<PausedRun> make_paused_run(const SuspendedRun& run, UnixMs saved_at,
                                    std::size_t max_name_bytes);

// The stored bytes of an entry.
std::vector<std::byte> encode_paused_run(const PausedRun& run);

// Reads an entry, whole: that it can be decoded later is checked as well.
// Errors: Corruption (says which check failed; the caller adds the place).
Expected<PausedRunPtr> decode_paused_run(std::uint64_t key, std::span<const std::byte> stored);

}  // namespace runlog
