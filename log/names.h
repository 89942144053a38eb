// The name table of a log: every flow, user, object, code, node … that its records name, once, under
// a number (a symbol) that is never reused. Records hold symbols; each segment holds the names of
// the symbols that its records use, and the log's table is the union of its segments'.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
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
};

// The longest name that becomes a symbol; longer ones are kept inline in the record.
inline constexpr std::size_t kMaxNameBytes = 255;  // a step shape: three of these and separators

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

  struct Entry {
    NameKind kind;
    std::string_view name;
  };
  // What to store in a segment for `symbol`, which must exist.
  Entry entry(Symbol symbol) const;

  // Takes a name read from a segment. Errors: Corruption (the symbol already stands for another
  // name). Thread-safe.
  Expected<void> restore(Symbol symbol, NameKind kind, std::string_view name);

  // One above the highest symbol. Thread-safe.
  Symbol end() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A step's node id, node type and label as one name. Absent and empty parts stay different.
// The text form is `id 0x1f type 0x1f label`, where an absent part is the single byte 0x00.
struct StepShape {
  std::optional<std::string_view> node_id, node_type, node_label;
};

}  // namespace runlog
