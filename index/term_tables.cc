#include "index/term_tables.h"

#include <algorithm>
#include <bit>

#include "index/table_bytes.h"
#include "index/uniform_search.h"

namespace runlog {
namespace {

constexpr const char* kDirectoryName = "the terms' directory";
constexpr const char* kPostingsName = "posting lists";
constexpr const char* kSparseName = "sparse terms";

constexpr std::size_t kDirectoryHeaderBytes = 16;

// Persistent: spreads keys evenly over 64 bits, and can be undone.
constexpr std::uint64_t kSpread = 0x9E3779B97F4A7C15ull;
constexpr std::uint64_t kUnspread = 0xF1DE83E19937733Dull;
static_assert(kSpread * kUnspread == 1);

std::uint32_t slots_for(std::size_t terms) {
  return std::bit_ceil(std::uint32_t(terms + terms / 2 + 2));
}

// The first slot that a term may stand in.
std::uint32_t home_of(TermKey term, std::uint32_t slots) {
  return std::uint32_t(term.bits * kSpread >> 32) & (slots - 1);
}

}  // namespace

std::vector<std::byte> TermDirectory::make(std::span<const Slot> terms) {
  const std::uint32_t slots = slots_for(terms.size());
  std::vector<std::byte> bytes(kDirectoryHeaderBytes + sizeof(Slot) * slots);
  const TableHeader header{TableHeader::kLayout, slots};
  std::memcpy(bytes.data(), &header, sizeof header);
  const TermDirectory directory(bytes.data() + kDirectoryHeaderBytes, slots);
  for (const Slot& term : terms) {
    std::uint32_t at = home_of(term.term, slots);
    while (directory.slot(at).count != 0) at = (at + 1) & (slots - 1);
    std::memcpy(bytes.data() + kDirectoryHeaderBytes + sizeof(Slot) * at, &term, sizeof term);
  }
  return bytes;
}

Expected<TermDirectory> TermDirectory::open(std::span<const std::byte> bytes) {
  const auto header = table_header(bytes, kDirectoryName);
  if (!header) return tl::unexpected(header.error());
  if (!std::has_single_bit(header->number) ||
      bytes.size() != kDirectoryHeaderBytes + sizeof(Slot) * std::size_t(header->number))
    return corrupt_table(kDirectoryName, "has not the length that its slots need");
  return TermDirectory(bytes.data() + kDirectoryHeaderBytes, header->number);
}

TermDirectory::Slot TermDirectory::slot(std::uint32_t index) const {
  Slot slot;
  std::memcpy(&slot, bytes_ + sizeof(Slot) * std::size_t(index), sizeof slot);
  return slot;
}

TermDirectory::Slot TermDirectory::find(TermKey term) const {
  const std::uint32_t home = home_of(term, slots_);
  // A third of the slots is empty, unless someone filled the table to make this a hang.
  for (std::uint32_t i = 0; i < slots_; ++i) {
    const Slot found = slot((home + i) & (slots_ - 1));
    if (found.count == 0 || found.term == term) return found;
  }
  return {};
}

std::vector<std::byte> PostingTable::start() {
  std::vector<std::byte> table;
  append_number(table, TableHeader{});
  return table;
}

std::size_t PostingTable::bitmap_bytes(std::span<const Ordinal> ordinals) {
  std::size_t bytes = kRoaringHeaderBytes;
  for (std::size_t i = 0; i < ordinals.size();) {
    std::size_t last = i;
    while (last < ordinals.size() && ordinals[last] >> 16 == ordinals[i] >> 16) ++last;
    bytes += kRoaringContainerBytes + std::min(2 * (last - i), kBitsetBytes);
    i = last;
  }
  return padded_to_8(bytes);
}

std::uint32_t PostingTable::add(std::vector<std::byte>& table, std::span<const Ordinal> ordinals) {
  const std::size_t start = table.size();
  std::vector<std::pair<std::size_t, std::size_t>> containers;  // [first, last) of `ordinals`
  for (std::size_t i = 0; i < ordinals.size();) {
    const auto next = std::lower_bound(ordinals.begin() + std::ptrdiff_t(i), ordinals.end(),
                                       (std::uint64_t(ordinals[i] >> 16) + 1) << 16);
    containers.emplace_back(i, std::size_t(next - ordinals.begin()));
    i = containers.back().second;
  }
  append_number(table, kRoaringCookie);
  append_number(table, std::uint32_t(containers.size()));
  for (const auto& [first, last] : containers) {
    append_number(table, std::uint16_t(ordinals[first] >> 16));
    append_number(table, std::uint16_t(last - first - 1));
  }
  std::size_t offset = kRoaringHeaderBytes + kRoaringContainerBytes * containers.size();
  for (const auto& [first, last] : containers) {
    append_number(table, std::uint32_t(offset));
    offset += std::min(2 * (last - first), kBitsetBytes);
  }

  table.resize(padded_to_8(start + offset));
  std::byte* to =
      table.data() + start + kRoaringHeaderBytes + kRoaringContainerBytes * containers.size();
  for (const auto& [first, last] : containers) {
    if (last - first <= kMaxArrayContainer) {
      for (std::size_t i = first; i < last; ++i, to += 2) {
        const auto low = std::uint16_t(ordinals[i]);
        std::memcpy(to, &low, sizeof low);
      }
    } else {
      for (std::size_t i = first; i < last; ++i) {
        const std::uint32_t low = ordinals[i] & 0xFFFF;
        to[low / 8] |= std::byte(1u << low % 8);
      }
      to += kBitsetBytes;
    }
  }
  return std::uint32_t(start / 8);
}

Expected<RoaringView> PostingTable::bitmap(std::span<const std::byte> table,
                                           const TermDirectory::Slot& slot, Ordinal count) {
  const auto header = table_header(table, kPostingsName);
  if (!header) return tl::unexpected(header.error());
  const std::size_t place = std::size_t(slot.place) * 8;
  if (place >= table.size())
    return corrupt_table(kPostingsName, "ends before a posting list that the directory names");
  auto view = RoaringView::open(table.subspan(place), count);
  if (!view)
    return fail(ErrorCode::Corruption, "the posting list at byte " + std::to_string(place) +
                                           " is damaged: " + view.error().message);
  if (view->cardinality() != slot.count)
    return corrupt_table(kPostingsName, "holds another number of runs than the directory says");
  return view;
}

std::vector<std::byte> SparseTerms::make(std::vector<Pair> pairs) {
  for (Pair& pair : pairs) pair.term.bits *= kSpread;
  std::sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) {
    return a.term != b.term ? a.term < b.term : a.ordinal < b.ordinal;
  });
  std::vector<std::byte> bytes;
  bytes.reserve(padded_to_8(sizeof(TableHeader) + 12 * pairs.size()));
  append_number(bytes, TableHeader{TableHeader::kLayout, std::uint32_t(pairs.size())});
  for (const Pair& pair : pairs) append_number(bytes, pair.term.bits);
  for (const Pair& pair : pairs) append_number(bytes, pair.ordinal);
  pad_to_8(bytes);
  return bytes;
}

Expected<SparseTerms> SparseTerms::open(std::span<const std::byte> bytes) {
  const auto header = table_header(bytes, kSparseName);
  if (!header) return tl::unexpected(header.error());
  if (bytes.size() != padded_to_8(sizeof(TableHeader) + 12 * std::size_t(header->number)))
    return corrupt_table(kSparseName, "has not the length that its pairs need");
  return SparseTerms(bytes.data() + sizeof(TableHeader), header->number);
}

TermKey SparseTerms::term(std::uint32_t index) const {
  return {UniformArray(bytes_, size_)[index] * kUnspread};
}

Ordinal SparseTerms::ordinal(std::uint32_t index) const {
  Ordinal ordinal;
  std::memcpy(&ordinal, bytes_ + 8 * std::size_t(size_) + 4 * std::size_t(index), sizeof ordinal);
  return ordinal;
}

Expected<SparseTerms::Found> SparseTerms::find(TermKey term, Ordinal count) const {
  const UniformArray keys(bytes_, size_);
  const std::uint64_t key = term.bits * kSpread;
  Found found;
  for (std::size_t i = keys.lower_bound(key); i < size_ && keys[i] == key; ++i) {
    const Ordinal next = ordinal(std::uint32_t(i));
    const bool in_order = found.size_ == 0 || next > found.ordinals_[found.size_ - 1];
    if (!in_order || next >= count || found.size_ == kMaxRuns)
      return corrupt_table(kSparseName, "is out of order or names a run that does not exist");
    found.ordinals_[found.size_++] = next;
  }
  return found;
}

}  // namespace runlog
