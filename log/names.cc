#include "log/names.h"

#include <atomic>
#include <bit>
#include <cstring>
#include <mutex>
#include <vector>

#include "log/xxh.h"

namespace runlog {
namespace {

std::uint64_t hash_of(NameKind kind, std::string_view name) {
  return XXH3_64bits_withSeed(name.data(), name.size(), std::uint64_t(kind));
}

// An open-addressing table of (upper half of the hash, symbol). Slots are only ever filled.
struct SlotTable {
  explicit SlotTable(unsigned slot_bits)
      : bits(slot_bits), slots(std::size_t(1) << slot_bits) {}
  std::size_t mask() const { return slots.size() - 1; }
  unsigned bits;
  std::vector<std::atomic<std::uint64_t>> slots;
};

constexpr std::uint64_t slot_of(std::uint64_t hash, Symbol symbol) {
  return (hash & 0xffffffff00000000ull) | symbol;
}

}  // namespace

struct NameTable::Impl {
  NameTable& owner;
  std::atomic<SlotTable*> table{nullptr};
  std::atomic<Symbol> end{1};

  // Everything below is guarded by `mutex`; the two above, and the owner's chunks, only change while it is held.
  std::mutex mutex;
  std::vector<std::unique_ptr<SlotTable>> tables;  // old ones stay: a reader may still be in one
  std::vector<std::unique_ptr<StoredName[]>> owned_chunks;
  std::vector<std::unique_ptr<char[]>> text_blocks;
  std::size_t text_left = 0;
  char* text_at = nullptr;
  std::size_t used_slots = 0;
  std::array<std::uint32_t, 256> per_kind{};

  explicit Impl(NameTable& table_owner) : owner(table_owner) { add_table(12); }

  void add_table(unsigned bits) {
    tables.push_back(std::make_unique<SlotTable>(bits));
    table.store(tables.back().get(), std::memory_order_release);
  }

  const StoredName* stored(Symbol symbol) const noexcept { return owner.stored(symbol); }

  Symbol find(std::uint64_t hash, NameKind kind, std::string_view name) const {
    const SlotTable& slots = *table.load(std::memory_order_acquire);
    for (std::size_t at = hash & slots.mask();; at = (at + 1) & slots.mask()) {
      const std::uint64_t slot = slots.slots[at].load(std::memory_order_acquire);
      if (slot == 0) return 0;
      if ((slot ^ hash) >> 32 != 0) continue;
      const StoredName* found = stored(Symbol(slot));
      if (found != nullptr && found->kind == kind && found->text == name) return Symbol(slot);
    }
  }

  static void fill(SlotTable& slots, std::uint64_t hash, Symbol symbol) {
    std::size_t at = hash & slots.mask();
    while (slots.slots[at].load(std::memory_order_relaxed) != 0) at = (at + 1) & slots.mask();
    slots.slots[at].store(slot_of(hash, symbol), std::memory_order_release);
  }

  // Doubles the slots when half of them are used. Readers in the old table miss only names that are
  // newer than it.
  void make_room() {
    const unsigned bits = tables.back()->bits;
    if (++used_slots * 2 <= tables.back()->slots.size()) return;
    auto bigger = std::make_unique<SlotTable>(bits + 1);
    for (const auto& slot : tables.back()->slots) {
      const Symbol symbol = Symbol(slot.load(std::memory_order_relaxed));
      if (symbol == 0) continue;
      const StoredName& name = *stored(symbol);
      fill(*bigger, hash_of(name.kind, name.text), symbol);
    }
    tables.push_back(std::move(bigger));
    table.store(tables.back().get(), std::memory_order_release);
  }

  StoredName& room_for(Symbol symbol) {
    const Place place = place_of(symbol);
    StoredName* chunk = owner.chunks_[place.chunk].load(std::memory_order_relaxed);
    if (chunk == nullptr) {
      owned_chunks.push_back(
          std::make_unique<StoredName[]>(std::size_t(1) << (place.chunk + kFirstChunkBits)));
      chunk = owned_chunks.back().get();
      owner.chunks_[place.chunk].store(chunk, std::memory_order_release);
    }
    return chunk[place.offset];
  }

  std::string_view keep(std::string_view text) {
    constexpr std::size_t kBlockBytes = 64u << 10;
    if (text.size() > text_left) {
      text_left = std::max(kBlockBytes, text.size());
      text_blocks.push_back(std::make_unique<char[]>(text_left));
      text_at = text_blocks.back().get();
    }
    if (!text.empty()) std::memcpy(text_at, text.data(), text.size());
    const std::string_view kept(text_at, text.size());
    text_at += text.size();
    text_left -= text.size();
    return kept;
  }

  void insert(Symbol symbol, std::uint64_t hash, NameKind kind, std::string_view text) {
    StoredName& name = room_for(symbol);
    name.text = keep(text);
    name.kind = kind;
    name.ready.store(true, std::memory_order_release);
    ++per_kind[std::uint8_t(kind)];
    make_room();
    fill(*tables.back(), hash, symbol);
    if (symbol >= end.load(std::memory_order_relaxed)) {
      end.store(symbol + 1, std::memory_order_release);
    }
  }
};

namespace {

bool is_shape(NameKind kind) { return kind == NameKind::kStepShape || kind == NameKind::kGate; }

bool is_capped(NameKind kind) {
  return kind != NameKind::kFlow && kind != NameKind::kStepShape;
}

std::size_t max_bytes(NameKind kind) {
  if (is_shape(kind)) return kMaxShapeBytes;
  return kind == NameKind::kFlow ? kMaxFlowNameBytes : kMaxNameBytes;
}

}  // namespace

NameTable::NameTable() : impl_(std::make_unique<Impl>(*this)) {}
NameTable::~NameTable() = default;

std::optional<Symbol> NameTable::find(NameKind kind, std::string_view name) const {
  const Symbol symbol = impl_->find(hash_of(kind, name), kind, name);
  return symbol == 0 ? std::nullopt : std::optional(symbol);
}

std::optional<Symbol> NameTable::intern(NameKind kind, std::string_view name) {
  const std::uint64_t hash = hash_of(kind, name);
  if (const Symbol known = impl_->find(hash, kind, name)) return known;
  if (name.size() > max_bytes(kind)) return std::nullopt;
  const std::lock_guard lock(impl_->mutex);
  if (const Symbol known = impl_->find(hash, kind, name)) return known;
  if (is_capped(kind) && impl_->per_kind[std::uint8_t(kind)] >= kMaxPerKind) return std::nullopt;
  const Symbol symbol = impl_->end.load(std::memory_order_relaxed);
  if (symbol > kMaxSymbol) return std::nullopt;
  impl_->insert(symbol, hash, kind, name);
  return symbol;
}

Expected<std::string_view> NameTable::name(NameKind kind, Symbol symbol) const {
  if (const std::string_view* text = peek(kind, symbol)) return *text;
  const bool exists = impl_->stored(symbol) != nullptr;
  return fail(ErrorCode::Corruption,
              "symbol " + std::to_string(symbol) +
                  (exists ? " is not of kind " + std::to_string(unsigned(kind))
                          : std::string(" has no name in this log's table")));
}

NameTable::Entry NameTable::entry(Symbol symbol) const {
  const StoredName& stored = *impl_->stored(symbol);
  return {stored.kind, stored.text};
}

Expected<void> NameTable::restore(Symbol symbol, NameKind kind, std::string_view name) {
  if (symbol == 0 || symbol > kMaxSymbol || name.size() > max_bytes(kind)) {
    return fail(ErrorCode::Corruption,
                "a stored name has symbol " + std::to_string(symbol) + " and " +
                    std::to_string(name.size()) + " bytes, which no name can have");
  }
  if (is_shape(kind) && !shape_of(name)) {
    return fail(ErrorCode::Corruption, "the step shape stored for symbol " +
                                           std::to_string(symbol) + " has lengths that do not add up");
  }
  const std::lock_guard lock(impl_->mutex);
  if (const StoredName* stored = impl_->stored(symbol)) {
    if (stored->kind == kind && stored->text == name) return {};
    return fail(ErrorCode::Corruption,
                "symbol " + std::to_string(symbol) + " stands for two different names");
  }
  const std::uint64_t hash = hash_of(kind, name);
  if (const Symbol known = impl_->find(hash, kind, name)) {
    return fail(ErrorCode::Corruption, "symbols " + std::to_string(known) + " and " +
                                           std::to_string(symbol) + " stand for the same name");
  }
  impl_->insert(symbol, hash, kind, name);
  return {};
}

void NameTable::reserve(Symbol end) {
  const std::lock_guard lock(impl_->mutex);
  if (end > impl_->end.load(std::memory_order_relaxed))
    impl_->end.store(end, std::memory_order_release);
}

Symbol NameTable::end() const { return impl_->end.load(std::memory_order_acquire); }

std::optional<std::string_view> shape_name(const StepShape& shape,
                                           std::array<char, kMaxShapeBytes>& buffer) {
  const std::optional<std::string_view>* const parts[] = {&shape.node_id, &shape.node_type,
                                                          &shape.node_label};
  char* lengths = buffer.data();
  char* texts = buffer.data() + 6;
  for (const auto* part : parts) {
    std::uint16_t length = 0;
    if (*part) {
      if ((*part)->size() > kMaxNameBytes) return std::nullopt;
      length = std::uint16_t((*part)->size() + 1);
      if (!(*part)->empty()) std::memcpy(texts, (*part)->data(), (*part)->size());
      texts += (*part)->size();
    }
    std::memcpy(lengths, &length, 2);
    lengths += 2;
  }
  return std::string_view(buffer.data(), std::size_t(texts - buffer.data()));
}

std::optional<StepShape> shape_of(std::string_view name) {
  if (name.size() < 6) return std::nullopt;
  StepShape shape;
  std::optional<std::string_view>* const parts[] = {&shape.node_id, &shape.node_type,
                                                    &shape.node_label};
  std::size_t at = 6;
  for (unsigned i = 0; i < 3; ++i) {
    std::uint16_t length = 0;
    std::memcpy(&length, name.data() + 2 * i, 2);
    if (length == 0) continue;
    if (name.size() - at < length - 1u) return std::nullopt;
    *parts[i] = name.substr(at, length - 1u);
    at += length - 1u;
  }
  if (at != name.size()) return std::nullopt;
  return shape;
}

}  // namespace runlog
