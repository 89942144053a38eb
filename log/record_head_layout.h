// Where the fields of a head's fixed part stand and which bits say what, for the writer of heads and
// for their reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "log/record_head.h"

namespace runlog {

// Persistent: never renumber. Where the fields of the fixed part stand.
inline constexpr std::size_t kAtHeadBytes = 4;
inline constexpr std::size_t kAtVersion = 6;
inline constexpr std::size_t kAtFlags = 7;
inline constexpr std::size_t kAtBodyBytes = 8;
inline constexpr std::size_t kAtBodyChecksum = 12;
inline constexpr std::size_t kAtRecordedAt = 16;
inline constexpr std::size_t kAtSupersedes = 22;
inline constexpr std::size_t kAtStartedAt = 28;
inline constexpr std::size_t kAtPresent = 34;
static_assert(kAtPresent + 2 == kHeadFixedBytes);

// Persistent: never renumber. Bits of the flags byte, above the status.
inline constexpr std::uint8_t kStatusMask = 3;
inline constexpr std::uint8_t kIdIsUuid = 1 << 2;
inline constexpr std::uint8_t kBodyIsCompressed = 1 << 3;
inline constexpr std::uint8_t kHasFinished = 1 << 4;
inline constexpr std::uint8_t kHasDuration = 1 << 5;
inline constexpr std::uint8_t kDurationDiffers = 1 << 6;  // from finished − started, or there is no finish

// Persistent: never renumber. Which fields the tail has, in the order in which they stand there.
enum Present : std::uint16_t {
  kHasCounts = 1 << 0,
  kHasDictionary = 1 << 1,
  kHasVersion = 1 << 2,
  kHasUser = 1 << 3,
  kHasOrganization = 1 << 4,
  kHasTriggerType = 1 << 5,
  kHasTriggerObject = 1 << 6,
  kHasRecordId = 1 << 7,
  kHasNode = 1 << 8,
  kHasFailingNode = 1 << 9,
  kHasCode = 1 << 10,
  kHasMessage = 1 << 11,
  kMessageIsCut = 1 << 12,
  kHasFingerprint = 1 << 13,
  kHasLabels = 1 << 14,
};

template <typename T>
T load(std::span<const std::byte> bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

template <typename T>
void store(std::byte* bytes, std::size_t at, T value) {
  std::memcpy(bytes + at, &value, sizeof value);
}

inline std::uint64_t load48(std::span<const std::byte> bytes, std::size_t at) {
  return load<std::uint32_t>(bytes, at) |
         std::uint64_t(load<std::uint16_t>(bytes, at + 4)) << 32;
}

inline void store48(std::byte* bytes, std::size_t at, std::uint64_t value) {
  store(bytes, at, std::uint32_t(value));
  store(bytes, at + 4, std::uint16_t(value >> 32));
}

inline std::int64_t load_time(std::span<const std::byte> bytes, std::size_t at) {
  return std::int64_t(load48(bytes, at) << 16) >> 16;
}

inline std::uint8_t flags_of(std::span<const std::byte> head) { return std::uint8_t(head[kAtFlags]); }

}  // namespace runlog
