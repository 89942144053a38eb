#include "log/state_entry.h"

#include <cstring>

#include "log/xxh.h"

namespace runlog {
namespace {

constexpr std::size_t kChecksumBytes = 8;

}  // namespace

StateEntry checked_entry(std::uint64_t key, Bytes content) {
  StateEntry entry{key, std::vector<std::byte>(kChecksumBytes + content.size())};
  const std::uint64_t checksum = XXH3_64bits_withSeed(content.data(), content.size(), key);
  std::memcpy(entry.value.data(), &checksum, kChecksumBytes);
  if (!content.empty())
    std::memcpy(entry.value.data() + kChecksumBytes, content.data(), content.size());
  return entry;
}

StateEntry checked_entry(std::uint64_t key, const ByteWriter& content) {
  return checked_entry(key, Bytes(content.data(), content.size()));
}

std::optional<Bytes> checked_content(std::uint64_t key, Bytes value) {
  if (value.size() < kChecksumBytes) return std::nullopt;
  std::uint64_t checksum = 0;
  std::memcpy(&checksum, value.data(), kChecksumBytes);
  const Bytes content = value.subspan(kChecksumBytes);
  if (checksum != XXH3_64bits_withSeed(content.data(), content.size(), key)) return std::nullopt;
  return content;
}

}  // namespace runlog
