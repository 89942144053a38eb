// A flow table as bytes, with variable-length numbers: the table kFlows of a sealed segment.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "index/error.h"
#include "index/index.h"

namespace runlog {

// Equal tables give equal bytes.
std::vector<std::byte> encode_flow_table(const FlowTable& table);

// Errors: Corruption (says what is wrong; nothing of the bytes is trusted).
Expected<FlowTable> decode_flow_table(std::span<const std::byte> bytes);

}  // namespace runlog
