// A term is one property that runs can be looked up by: "flow = lead_routing", "status = failed".
// Its key is 64 bits: the kind, and either the exact value (a symbol of the log's name table, a
// status) or, for values that hardly repeat, a hash of the text. A key that holds a hash only names
// candidates: whoever reads its posting list compares the value itself in each run's head.
#pragma once

#include <cstdint>

namespace runlog {

// Persistent: never renumber.
enum class TermKind : std::uint8_t {
  kFlow = 1,
  kStatus = 2,
  kFlowStatus = 3,
  kTriggerType = 4,
  kTriggerObject = 5,
  kRecord = 6,  // trigger object + record id, always hashed
  kUser = 7,
  kOrganization = 8,
  kFailingNode = 9,
  kErrorCode = 10,
  kFingerprint = 11,
  kLabel = 12,     // "key=value"
  kHasError = 13,  // the run carries an error message, whatever its status
};

// Persistent layout: kind in bits 56–63, bit 55 set for a hash, value in bits 0–54.
struct TermKey {
  std::uint64_t bits = 0;

  static constexpr std::uint64_t kHashedBit = 1ull << 55;

  static constexpr TermKey exact(TermKind kind, std::uint64_t value) {
    return {(std::uint64_t(kind) << 56) | (value & (kHashedBit - 1))};
  }
  static constexpr TermKey hashed(TermKind kind, std::uint64_t hash) {
    return {(std::uint64_t(kind) << 56) | kHashedBit | (hash & (kHashedBit - 1))};
  }
  static constexpr TermKey flow_status(std::uint32_t flow_symbol, unsigned status) {
    return exact(TermKind::kFlowStatus, (std::uint64_t(flow_symbol) << 8) | status);
  }
  constexpr TermKind kind() const { return TermKind(bits >> 56); }
  constexpr bool is_hashed() const { return (bits & kHashedBit) != 0; }
  constexpr std::uint64_t value() const { return bits & (kHashedBit - 1); }

  friend constexpr bool operator==(TermKey, TermKey) = default;
  friend constexpr auto operator<=>(TermKey, TermKey) = default;
};

}  // namespace runlog
