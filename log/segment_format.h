// The fixed-size structures that make a segment's file and the catalog self-describing. Their bytes
// are persistent; log/FORMAT.md describes them. Each ends with a checksum over all bytes before it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "index/index.h"
#include "log/run.h"

namespace runlog {

inline constexpr std::uint16_t kSegmentFormatVersion = 1;

// Persistent: never renumber. Keys of a segment's table "t" beside the TableIds.
inline constexpr std::uint64_t kHealKey = 253;    // counts what may have left bytes behind
inline constexpr std::uint64_t kHeaderKey = 254;  // SegmentHeader, from creation on
inline constexpr std::uint64_t kFooterKey = 255;  // SegmentFooter, written last when sealing

struct SegmentHeader {
  static constexpr std::uint32_t kMagic = 0x48534C52;  // "RLSH"
  std::uint32_t magic = kMagic;
  std::uint16_t version = kSegmentFormatVersion;
  std::uint16_t unused = 0;
  std::uint64_t log_id = 0;
  std::uint64_t segment_id = 0;
  SequenceNumber base = 0;  // no record of the segment has a lower sequence number
  std::uint64_t checksum = 0;
};
static_assert(sizeof(SegmentHeader) == 40);

struct TablePlace {
  std::uint64_t offset = 0;  // in the file; a multiple of 16
  std::uint64_t bytes = 0;   // 0: the segment has no such table
  std::uint64_t checksum = 0;
};

struct SegmentFooter {
  static constexpr std::uint32_t kMagic = 0x46534C52;  // "RLSF"
  std::uint32_t magic = kMagic;
  std::uint16_t version = kSegmentFormatVersion;
  std::uint16_t table_count = kTableIdEnd;
  std::uint64_t log_id = 0;
  std::uint64_t segment_id = 0;
  SequenceNumber base = 0;
  SequenceNumber end = 0;  // one above the highest sequence number
  std::uint64_t runs = 0;
  UnixMs oldest = 0, newest = 0;     // recordedAt of the first and the last record
  TablePlace tables[kTableIdEnd] = {};  // by TableId
  std::uint64_t checksum = 0;
};
static_assert(sizeof(SegmentFooter) == 64 + 24 * kTableIdEnd + 8);

// Persistent: never renumber.
enum class SegmentState : std::uint8_t {
  kActive = 1,
  kClosed = 2,       // complete, waits to be sealed
  kSealed = 3,
  kBuilding = 4,     // a merge's output that is not finished: removed on the next open
  kDropped = 5,      // replaced by a merge's output: its directory is being removed
  kQuarantined = 6,  // set aside by a repair
};

struct CatalogEntry {
  std::uint16_t version = kSegmentFormatVersion;
  SegmentState state = SegmentState::kActive;
  // Of a sealed one: 1 if its file may hold bytes of commits that were never acknowledged, because a
  // process died or a write failed while it was appended to. Nothing refers to them, but a forget
  // has to write the segment anew.
  std::uint8_t has_leftovers = 0;
  std::uint8_t unused[4] = {};
  std::uint64_t id = 0;
  SequenceNumber base = 0;
  // The rest is known once the segment is sealed; `end` also, as far as it can be known, of one that
  // is quarantined: its sequence numbers are not given out again.
  SequenceNumber end = 0;
  std::uint64_t runs = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t footer_offset = 0;
  UnixMs oldest = 0, newest = 0;
  std::uint64_t checksum = 0;
};
static_assert(sizeof(CatalogEntry) == 80);

// What a log is, written once: in state's table "t" under kIdentityKey.
struct LogIdentity {
  static constexpr std::uint32_t kMagic = 0x474C4E52;  // "RNLG"
  std::uint32_t magic = kMagic;
  std::uint16_t version = 1;
  std::uint16_t unused = 0;
  std::uint64_t log_id = 0;
  UnixMs created_at = 0;
  std::uint64_t checksum = 0;
};
static_assert(sizeof(LogIdentity) == 32);
inline constexpr std::uint64_t kIdentityKey = 1;

// Rises with every change of the catalog, so that readers in other processes notice.
struct CatalogGeneration {
  std::uint64_t generation = 0;
  std::uint64_t next_segment_id = 1;
  std::uint64_t checksum = 0;
};
static_assert(sizeof(CatalogGeneration) == 24);
inline constexpr std::uint64_t kGenerationKey = 2;

template <typename Struct>
std::uint64_t checksum_of(const Struct& value) {
  return XXH3_64bits(&value, sizeof(Struct) - sizeof(value.checksum));
}

// The bytes of `value`, with its checksum filled in.
template <typename Struct>
std::span<const std::byte> sealed_bytes(Struct& value) {
  value.checksum = checksum_of(value);
  return std::as_bytes(std::span(&value, 1));
}

// The structure that `bytes` hold, or nullopt if their length or checksum is wrong.
template <typename Struct>
std::optional<Struct> read_sealed(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(Struct)) return std::nullopt;
  Struct value;
  std::memcpy(static_cast<void*>(&value), bytes.data(), sizeof value);
  if (value.checksum != checksum_of(value)) return std::nullopt;
  return value;
}

}  // namespace runlog
