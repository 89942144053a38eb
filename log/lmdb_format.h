// LMDB 0.9's file format on a 64-bit little-endian machine, as far as the page check needs it.
// Everything here is LMDB's: persistent, never renumber.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace runlog::lmdb {

static_assert(std::endian::native == std::endian::little && sizeof(std::size_t) == 8);

using Bytes = std::span<const std::byte>;

inline constexpr std::uint32_t kMagic = 0xBEEFC0DE;
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::uint64_t kNoPage = ~std::uint64_t{0};
inline constexpr std::uint64_t kFirstTreePage = 2;  // pages 0 and 1 are the meta pages
inline constexpr unsigned kMaxDepth = 32;           // of LMDB's cursor stack
inline constexpr std::size_t kMaxKeyBytes = 511;

// A page: u64 its own number, u16 unused, u16 flags, then u16 lower and u16 upper (the bounds of the
// free room) or, in an overflow page, u32 how many pages the value takes.
inline constexpr std::size_t kPageHeaderBytes = 16;
inline constexpr std::size_t kPageFlagsAt = 10;
inline constexpr std::size_t kPageLowerAt = 12;
inline constexpr std::size_t kPageUpperAt = 14;
inline constexpr std::size_t kOverflowCountAt = 12;
// On disk a page's flags are exactly one of these; a "dirty" flag would make LMDB write to its map.
inline constexpr std::uint16_t kBranchPage = 0x01;
inline constexpr std::uint16_t kLeafPage = 0x02;
inline constexpr std::uint16_t kOverflowPage = 0x04;
inline constexpr std::uint16_t kMetaPage = 0x08;

// A node: u16 low, u16 high, u16 flags, u16 key size, the key, the value. In a leaf, low and high
// are the value's size; in a branch, low, high and flags are the child's page number.
inline constexpr std::size_t kNodeHeaderBytes = 8;
inline constexpr std::uint16_t kBigValue = 0x01;  // the value is the number of its overflow page
inline constexpr std::uint16_t kTableValue = 0x02;

// Flags of a table.
inline constexpr std::uint16_t kIntegerKeys = 0x08;
inline constexpr std::uint16_t kNoSubdirectory = 0x4000;  // of the environment, in the free list's

struct Table {
  std::uint32_t pad;  // the page size, in the free list's of a meta page
  std::uint16_t flags;
  std::uint16_t depth;
  std::uint64_t branch_pages;
  std::uint64_t leaf_pages;
  std::uint64_t overflow_pages;
  std::uint64_t entries;
  std::uint64_t root;
};
static_assert(sizeof(Table) == 48);

// Stands behind the header of pages 0 and 1.
struct Meta {
  std::uint32_t magic;
  std::uint32_t version;
  std::uint64_t address;
  std::uint64_t map_bytes;
  Table free_list;
  Table main;
  std::uint64_t last_page;
  std::uint64_t transaction;
};
static_assert(sizeof(Meta) == 136);

// Reads a T at any alignment. The caller has checked that it lies inside.
template <typename T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace runlog::lmdb
