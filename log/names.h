// The name table of a log: every flow, user, object, code, node … that its records name, once, under
// a number (a symbol) that is never reused. Records hold symbols; each segment holds the names of
// the symbols that its records use, and the log's table is the union of its segments'.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "index/error.h"

namespace runlog {

using Symbol = std::uint32_t;  // 0 is "no symbol"

// Persistent: never renumber.
enum class NameKind : std::uint8_t {
  kFlow = 1,
  kUser = 2,
  kOrganization = 3,
  kTriggerType = 4,
  kTriggerObject = 5,
  kNode = 6,  // a node id on its own: last node, failing node, parent
  kErrorCode = 7,
  kFingerprint = 8,
  kStepShape = 9,  // node id, node type and label of a step, see StepShape
  kRegionKind = 10,
  kLabel = 11,  // "key=value"
  kGate = 12,   // node id, edge id and label of a closed gate, in the form of a step shape
};

// The longest name that becomes a symbol; longer ones are kept inline in the record.
inline constexpr std::size_t kMaxNameBytes = 255;  // a step shape: three of these and lengths
// A flow always becomes a symbol; the log refuses names over RunLimits::max_name_bytes before.
inline constexpr std::size_t kMaxFlowNameBytes = 64u << 10;

class NameTable {
 public:
  // Names of one kind (users, fingerprints, …) stop becoming symbols after so many, so that a value
  // that hardly repeats cannot fill memory. Flows and step shapes have no such cap.
  static constexpr std::uint32_t kMaxPerKind = 65536;

  NameTable();
  ~NameTable();
  NameTable(const NameTable&) = delete;
  NameTable& operator=(const NameTable&) = delete;

  // The symbol of `name`, made if it is new; nullopt if the name is too long or its kind is full
  // (keep it inline then). Thread-safe; takes a lock only when the name is new.
  std::optional<Symbol> intern(NameKind kind, std::string_view name);

  // The symbol of `name` if it has one. Thread-safe, lock-free.
  std::optional<Symbol> find(NameKind kind, std::string_view name) const;

  // The name of a symbol, alive as long as the table. Thread-safe, lock-free.
  // Errors: Corruption (no such symbol, or it is of another kind: a record names what its segment
  // does not hold).
  Expected<std::string_view> name(NameKind kind, Symbol symbol) const;

  // The same without a sentence when there is none: null. For decoding, which reads many.
  const std::string_view* peek(NameKind kind, Symbol symbol) const noexcept {
    const StoredName* stored = this->stored(symbol);
    return stored != nullptr && stored->kind == kind ? &stored->text : nullptr;
  }

  struct Entry {
    NameKind kind;
    std::string_view name;
  };
  // What to store in a segment for `symbol`, which must exist.
  Entry entry(Symbol symbol) const;

  // Takes a name read from a segment. Errors: Corruption (the symbol already stands for another
  // name). Thread-safe.
  Expected<void> restore(Symbol symbol, NameKind kind, std::string_view name);

  // Gives no symbol below `end` to a new name any more. Thread-safe.
  void reserve(Symbol end);

  // One above the highest symbol. Thread-safe.
  Symbol end() const;

 private:
  struct Impl;
  struct StoredName {
    std::string_view text;
    NameKind kind{};
    std::atomic<bool> ready{false};  // set last: the other members do not change after it
  };

  // Symbols are found by number in chunks that double in size, so that an entry never moves.
  static constexpr unsigned kFirstChunkBits = 10;
  static constexpr unsigned kChunks = 32 - kFirstChunkBits;
  static constexpr Symbol kMaxSymbol = Symbol((1ull << 32) - (1ull << kFirstChunkBits) - 1);
  struct Place {
    unsigned chunk;
    std::uint32_t offset;
  };
  static Place place_of(Symbol symbol) {
    const std::uint64_t shifted = std::uint64_t(symbol) + (1u << kFirstChunkBits);
    const unsigned bits = unsigned(std::bit_width(shifted)) - 1;
    return {bits - kFirstChunkBits, std::uint32_t(shifted - (1ull << bits))};
  }
  const StoredName* stored(Symbol symbol) const noexcept {
    if (symbol == 0 || symbol > kMaxSymbol) return nullptr;
    const Place place = place_of(symbol);
    const StoredName* chunk = chunks_[place.chunk].load(std::memory_order_acquire);
    if (chunk == nullptr) return nullptr;
    const StoredName& name = chunk[place.offset];
    return name.ready.load(std::memory_order_acquire) ? &name : nullptr;
  }

  std::array<std::atomic<StoredName*>, kChunks> chunks_{};
  std::unique_ptr<Impl> impl_;
};

// A step's node id, node type and label as one name. Absent and empty parts stay different, and no
// byte inside a part can make two shapes look alike: the name is, for each part, its length + 1 as
// u16 (0: absent), then the three texts.
struct StepShape {
  std::optional<std::string_view> node_id, node_type, node_label;
};
inline constexpr std::size_t kMaxShapeBytes = 3 * (2 + kMaxNameBytes);

// The shape's name, written into `buffer`; nullopt if a part is longer than kMaxNameBytes.
std::optional<std::string_view> shape_name(const StepShape& shape,
                                           std::array<char, kMaxShapeBytes>& buffer);
// The parts of a shape's name, which they borrow; nullopt if the lengths do not add up.
std::optional<StepShape> shape_of(std::string_view name);

}  // namespace runlog
