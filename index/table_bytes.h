// Little-endian numbers within the tables of a sealed segment. Reading goes through memcpy, so a
// table may stand anywhere; every table begins with its layout and a number, see TableHeader.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "index/error.h"

namespace runlog {

static_assert(std::endian::native == std::endian::little, "tables are read and written in place");

template <typename T>
T load_number(std::span<const std::byte> bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

template <typename T>
void append_number(std::vector<std::byte>& bytes, T value) {
  const std::size_t at = bytes.size();
  bytes.resize(at + sizeof value);
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

inline std::size_t padded_to_8(std::size_t bytes) { return (bytes + 7) & ~std::size_t(7); }
inline void pad_to_8(std::vector<std::byte>& bytes) { bytes.resize(padded_to_8(bytes.size())); }

// Persistent: the first 8 bytes of every table. `number` is what the table holds: runs, slots, …
struct TableHeader {
  static constexpr std::uint32_t kLayout = 1;  // of each table; a reader refuses what it can't know
  std::uint32_t layout = kLayout;
  std::uint32_t number = 0;
};
static_assert(sizeof(TableHeader) == 8);

// Errors: Corruption (too short for a header, or of a layout that is not known).
inline Expected<TableHeader> table_header(std::span<const std::byte> bytes, const char* name) {
  if (bytes.size() < sizeof(TableHeader))
    return fail(ErrorCode::Corruption,
                std::string("the table of ") + name + " is shorter than its header");
  const auto header = load_number<TableHeader>(bytes, 0);
  if (header.layout != TableHeader::kLayout)
    return fail(ErrorCode::Corruption, std::string("the table of ") + name + " is of layout " +
                                           std::to_string(header.layout) +
                                           ", which is not known here");
  return header;
}

inline tl::unexpected<Error> corrupt_table(const char* name, const char* what) {
  return fail(ErrorCode::Corruption, std::string("the table of ") + name + " " + what);
}

}  // namespace runlog
