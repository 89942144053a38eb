// Reads a Roaring bitmap in its portable serialised form (without run containers) in place, from
// bytes that nobody has to trust: libroaring's own readers believe what the containers say about
// themselves.
//
// Layout, little-endian: u32 cookie 12346, u32 container count; per container u16 key (the upper
// half of its ordinals) and u16 cardinality − 1; per container u32 offset from the first byte; then
// the containers: sorted u16 up to 4,096 of them, a bitset of 65,536 bits above.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "index/error.h"
#include "index/index.h"

namespace runlog {

inline constexpr std::uint32_t kRoaringCookie = 12346;
inline constexpr std::uint32_t kMaxArrayContainer = 4096;
inline constexpr std::size_t kBitsetBytes = 8192;
inline constexpr std::size_t kRoaringHeaderBytes = 8;     // cookie and container count
inline constexpr std::size_t kRoaringContainerBytes = 8;  // key, cardinality and offset of each

class RoaringView {
 public:
  struct Container {
    Ordinal first = 0;  // the ordinal of its value 0, a multiple of 65,536
    std::uint32_t cardinality = 0;
    const std::byte* values = nullptr;
    bool is_bitset() const { return cardinality > kMaxArrayContainer; }
    std::uint32_t array_value(std::uint32_t index) const {
      std::uint16_t low;
      std::memcpy(&low, values + 2 * std::size_t(index), sizeof low);
      return low;
    }
    std::uint64_t bitset_word(std::uint32_t index) const {
      std::uint64_t word;
      std::memcpy(&word, values + 8 * std::size_t(index), sizeof word);
      return word;
    }
    // The first index of an array whose value is >= `low`.
    std::uint32_t array_lower_bound(std::uint32_t low) const;
  };

  RoaringView() = default;
  // Checks the header: every container lies within `bytes`, keys ascend, every container begins
  // below `end`. The containers' content is not looked at. Errors: Corruption.
  static Expected<RoaringView> open(std::span<const std::byte> bytes, Ordinal end);

  // Checks the content as well: arrays ascend, bitsets hold as many bits as they say, and every
  // ordinal is below `end`. Errors: Corruption.
  Expected<void> check(Ordinal end) const;

  std::uint32_t containers() const { return containers_; }
  Container container(std::uint32_t index) const;
  std::uint64_t cardinality() const { return cardinality_; }
  // How many ordinals are below `end`.
  std::uint64_t count_below(Ordinal end) const;
  // The bytes that the bitmap takes, up to the end of its last container.
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
  std::uint32_t containers_ = 0;
  std::uint64_t cardinality_ = 0;
};

}  // namespace runlog
