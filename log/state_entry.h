// Entries of state's table "t" beside the catalog's own: each value begins with a checksum of the
// rest, seeded with its key.
#pragma once

#include <cstdint>
#include <optional>

#include "log/catalog.h"
#include "log/varint.h"

namespace runlog {

StateEntry checked_entry(std::uint64_t key, Bytes content);
StateEntry checked_entry(std::uint64_t key, const ByteWriter& content);
// What follows the checksum; nullopt if it is wrong.
std::optional<Bytes> checked_content(std::uint64_t key, Bytes value);

}  // namespace runlog
