#include "index/roaring_view.h"

#include <algorithm>
#include <bit>
#include <string>

namespace runlog {
namespace {

template <typename T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

std::size_t container_bytes(std::uint32_t cardinality) {
  return cardinality > kMaxArrayContainer ? kBitsetBytes : 2 * std::size_t(cardinality);
}

bool array_ascends_below(const RoaringView::Container& container, std::uint64_t limit) {
  bool ascends = true;
  std::uint32_t previous = container.array_value(0);
  for (std::uint32_t i = 1; i < container.cardinality; ++i) {
    const std::uint32_t value = container.array_value(i);
    ascends &= value > previous;
    previous = value;
  }
  return ascends && previous < limit;
}

bool bitset_holds_its_count_below(const RoaringView::Container& container, std::uint64_t limit) {
  std::uint64_t bits = 0;
  std::uint64_t last = 0;
  for (std::uint32_t i = 0; i < kBitsetBytes / 8; ++i) {
    const std::uint64_t word = container.bitset_word(i);
    bits += std::uint64_t(std::popcount(word));
    if (word != 0) last = 64ull * i + 63 - unsigned(std::countl_zero(word));
  }
  return bits == container.cardinality && last < limit;
}

}  // namespace

Expected<RoaringView> RoaringView::open(std::span<const std::byte> bytes, Ordinal end) {
  if (bytes.size() < kRoaringHeaderBytes)
    return fail(ErrorCode::Corruption, "a bitmap is shorter than its header");
  if (load<std::uint32_t>(bytes.data()) != kRoaringCookie)
    return fail(ErrorCode::Corruption, "a bitmap begins with a wrong cookie");
  const std::uint32_t containers = load<std::uint32_t>(bytes.data() + 4);
  if (containers > 65536 ||
      kRoaringHeaderBytes + containers * kRoaringContainerBytes > bytes.size())
    return fail(ErrorCode::Corruption, "a bitmap has more containers than its bytes can hold");

  RoaringView view;
  view.bytes_ = bytes;
  view.containers_ = containers;
  std::size_t place = kRoaringHeaderBytes + containers * kRoaringContainerBytes;
  for (std::uint32_t i = 0; i < containers; ++i) {
    const std::byte* descriptor = bytes.data() + kRoaringHeaderBytes + 4 * i;
    const std::uint32_t key = load<std::uint16_t>(descriptor);
    const std::uint32_t cardinality = load<std::uint16_t>(descriptor + 2) + 1u;
    const std::uint32_t offset =
        load<std::uint32_t>(bytes.data() + kRoaringHeaderBytes + 4 * (containers + i));
    if (i > 0 && key <= load<std::uint16_t>(descriptor - 4))
      return fail(ErrorCode::Corruption, "a bitmap's containers are not in order");
    if ((std::uint64_t(key) << 16) >= end)
      return fail(ErrorCode::Corruption, "a bitmap names runs that the segment does not have");
    if (offset != place || container_bytes(cardinality) > bytes.size() - place)
      return fail(ErrorCode::Corruption, "a bitmap's container lies outside its bytes");
    place += container_bytes(cardinality);
    view.cardinality_ += cardinality;
  }
  view.bytes_ = bytes.first(place);
  return view;
}

RoaringView::Container RoaringView::container(std::uint32_t index) const {
  const std::byte* descriptor = bytes_.data() + kRoaringHeaderBytes + 4 * std::size_t(index);
  Container container;
  container.first = Ordinal(load<std::uint16_t>(descriptor)) << 16;
  container.cardinality = load<std::uint16_t>(descriptor + 2) + 1u;
  container.values = bytes_.data() + load<std::uint32_t>(descriptor + 4 * std::size_t(containers_));
  return container;
}

std::uint32_t RoaringView::Container::array_lower_bound(std::uint32_t low) const {
  std::uint32_t index = 0;
  for (std::uint32_t size = cardinality; size > 0;) {
    const std::uint32_t half = size / 2;
    if (array_value(index + half) < low) {
      index += half + 1;
      size -= half + 1;
    } else {
      size = half;
    }
  }
  return index;
}

std::uint64_t RoaringView::count_below(Ordinal end) const {
  std::uint64_t count = 0;
  for (std::uint32_t i = 0; i < containers_; ++i) {
    const Container it = container(i);
    if (it.first >= end) break;
    const std::uint32_t low = std::min<std::uint32_t>(end - it.first, 65536);
    if (low == 65536) {
      count += it.cardinality;
    } else if (!it.is_bitset()) {
      count += it.array_lower_bound(low);
    } else {
      for (std::uint32_t word = 0; word < low / 64; ++word)
        count += std::uint64_t(std::popcount(it.bitset_word(word)));
      const std::uint64_t below = (1ull << low % 64) - 1;
      count += std::uint64_t(std::popcount(it.bitset_word(low / 64) & below));
    }
  }
  return count;
}

Expected<void> RoaringView::check(Ordinal end) const {
  for (std::uint32_t i = 0; i < containers_; ++i) {
    const Container it = container(i);
    const std::uint64_t limit = end - it.first;
    const bool right =
        it.is_bitset() ? bitset_holds_its_count_below(it, limit) : array_ascends_below(it, limit);
    if (!right)
      return fail(ErrorCode::Corruption, "a bitmap's container that begins at ordinal " +
                                             std::to_string(it.first) +
                                             " does not hold what its header says");
  }
  return {};
}

}  // namespace runlog
