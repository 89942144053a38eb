// When and how the body of a record is compressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "index/error.h"
#include "log/record.h"
#include "log/varint.h"

namespace runlog {

inline constexpr int kBodyCompressionLevel = 1;

// Below these sizes compressing costs more time than the bytes are worth, see log/FORMAT.md.
inline constexpr std::size_t kCompressFrom = 256;
inline constexpr std::size_t kCompressFromWithDictionary = 160;

// Compresses `body` into `out` if that is worth it; says with which dictionary (0: none). False if
// the body is to be stored as it is.
bool compress_body(std::span<const std::byte> body, const Dictionaries* dictionaries,
                   ByteWriter& out, std::uint32_t& dictionary);

// Errors: Corruption (an unknown dictionary, a size over the limit, damaged bytes).
Expected<std::span<const std::byte>> decompress_body(std::span<const std::byte> stored,
                                                     std::uint32_t dictionary,
                                                     const Dictionaries* dictionaries,
                                                     TextArena& arena);

// How many bytes of body decode_run() has to look through, those of a compressed one as they were
// before. Verifies the head alone. Errors: Corruption.
Expected<std::uint64_t> decoded_body_bytes(std::span<const std::byte> record,
                                           SequenceNumber sequence);

}  // namespace runlog
