// The body of a record: a Cap'n Proto message (log/record.capnp) in its packed form.
#pragma once

#include <span>

#include "log/name_reader.h"
#include "log/symbol_writer.h"
#include "log/varint.h"

namespace runlog {

// No body is larger than this once it is unpacked, whatever RunLimits says, so that a reader can
// check a stored size before it makes room.
inline constexpr std::size_t kMaxBodyBytes = 32u << 20;

// Writes the body of `run` with the steps that `steps` points to; `omitted_steps` counts those that
// were left out, by us and by the engine. `packed` is overwritten.
void write_body(const Run& run, std::span<const Step* const> steps, std::int64_t omitted_steps,
                SymbolWriter& symbols, ByteWriter& packed);

// Reads a body into `out`, which has what the head holds. `error_message` is what the head has of
// the message; it may be cut.
// Errors: Corruption.
Expected<void> read_body(std::span<const std::byte> packed, NameReader& names, TextArena& arena,
                         Run& out);

}  // namespace runlog
