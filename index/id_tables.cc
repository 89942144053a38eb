#include "index/id_tables.h"

#include <algorithm>

#include "index/table_bytes.h"
#include "index/uniform_search.h"

namespace runlog {
namespace {

// A table starts 16 bytes into a page, so that a header of 48 puts the filter's blocks on cache
// lines.
constexpr std::size_t kFilterHeaderBytes = 48;
constexpr std::size_t kBlockBytes = 64;
constexpr std::uint64_t kBitsPerRun = 16;

std::uint32_t blocks_for(Ordinal count) {
  constexpr std::uint64_t kBlockBits = kBlockBytes * 8;
  return std::uint32_t(
      std::max<std::uint64_t>(1, (count * kBitsPerRun + kBlockBits - 1) / kBlockBits));
}

constexpr const char* kIdsName = "run ids";

// Persistent: eight bit numbers of 6 bits each, one for each word of a block, in bits 16–63.
std::uint64_t bits_of(std::uint64_t id_hash) { return id_hash * 0x9E3779B97F4A7C15ull >> 16; }

// Persistent: where the block of an id begins.
std::size_t block_place(std::uint64_t id_hash, std::uint32_t blocks) {
  return kFilterHeaderBytes + std::size_t((id_hash >> 32) * blocks >> 32) * kBlockBytes;
}

}  // namespace

std::size_t IdFilter::bytes_for(Ordinal count) {
  return kFilterHeaderBytes + std::size_t(blocks_for(count)) * kBlockBytes;
}

std::vector<std::byte> IdFilter::make(std::span<const std::uint64_t> id_hashes) {
  const Ordinal count = Ordinal(id_hashes.size());
  const std::uint32_t blocks = blocks_for(count);
  std::vector<std::byte> bytes(bytes_for(count));
  const TableHeader header{TableHeader::kLayout, blocks};
  std::memcpy(bytes.data(), &header, sizeof header);
  for (const std::uint64_t hash : id_hashes) {
    std::byte* block = bytes.data() + block_place(hash, blocks);
    std::uint64_t words[8];
    std::memcpy(words, block, sizeof words);
    const std::uint64_t bits = bits_of(hash);
    for (unsigned i = 0; i < 8; ++i) words[i] |= 1ull << (bits >> (6 * i) & 63);
    std::memcpy(block, words, sizeof words);
  }
  return bytes;
}

bool IdFilter::may_contain(std::span<const std::byte> bytes, Ordinal count, std::uint64_t id_hash) {
  std::uint64_t words[8];
  std::memcpy(words, bytes.data() + block_place(id_hash, blocks_for(count)), sizeof words);
  const std::uint64_t bits = bits_of(id_hash);
  std::uint64_t all = 1;
  for (unsigned i = 0; i < 8; ++i) all &= words[i] >> (bits >> (6 * i) & 63);
  return all != 0;
}

void IdFilter::prefetch(std::span<const std::byte> bytes, Ordinal count, std::uint64_t id_hash) {
  __builtin_prefetch(bytes.data() + block_place(id_hash, blocks_for(count)));
}

std::size_t IdTable::bytes_for(Ordinal count) {
  return sizeof(TableHeader) + 8 * std::size_t(count);
}

std::vector<std::byte> IdTable::make(std::span<const std::uint64_t> id_hashes) {
  std::vector<std::uint64_t> pairs(id_hashes.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) pairs[i] = (id_hashes[i] >> 32 << 32) | i;
  std::sort(pairs.begin(), pairs.end());

  std::vector<std::byte> bytes(bytes_for(Ordinal(id_hashes.size())));
  const TableHeader header{TableHeader::kLayout, std::uint32_t(pairs.size())};
  std::memcpy(bytes.data(), &header, sizeof header);
  if (!pairs.empty()) std::memcpy(bytes.data() + sizeof header, pairs.data(), 8 * pairs.size());
  return bytes;
}

Expected<IdTable> IdTable::open(std::span<const std::byte> bytes, Ordinal count) {
  const auto header = table_header(bytes, kIdsName);
  if (!header) return tl::unexpected(header.error());
  if (header->number != count || bytes.size() != bytes_for(count))
    return corrupt_table(kIdsName, "has not the length that its runs need");
  return IdTable(bytes.data() + sizeof(TableHeader), count);
}

Expected<std::size_t> IdTable::find(std::uint64_t id_hash, Ordinal end,
                                    std::span<Ordinal> out) const {
  const UniformArray pairs(pairs_, count_);
  const std::uint64_t upper = id_hash >> 32;
  const std::size_t first = pairs.lower_bound(upper << 32);
  // Ordinals of one id ascend, so those below `end` are a prefix of its pairs. Nearly always there
  // is one; a run that was superseded thousands of times must not cost thousands of steps.
  std::size_t last = first;
  while (last < count_ && last - first < 4 && pairs[last] < (upper << 32 | end)) ++last;
  if (last - first == 4) last = std::max(last, pairs.lower_bound(upper << 32 | end));

  for (std::size_t i = 0; i < last - first; ++i) {
    if (i == out.size()) break;
    const std::uint64_t pair = pairs[last - 1 - i];
    if (pair >> 32 != upper || Ordinal(pair) >= count_)
      return corrupt_table(kIdsName, "is out of order or names a run that does not exist");
    out[i] = Ordinal(pair);
  }
  return std::min(last - first, out.size() + 1);
}

}  // namespace runlog
