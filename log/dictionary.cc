#include "log/dictionary.h"

#include <zstd.h>

#include <algorithm>

#include "log/body_compression.h"

namespace runlog {

struct Dictionaries::Entry {
  std::vector<std::byte> bytes;
  ZSTD_CDict* compressor = nullptr;
  ZSTD_DDict* decompressor = nullptr;

  Entry(std::span<const std::byte> from, int level) : bytes(from.begin(), from.end()) {
    compressor = ZSTD_createCDict(bytes.data(), bytes.size(), level);
    decompressor = ZSTD_createDDict(bytes.data(), bytes.size());
  }
  ~Entry() {
    ZSTD_freeCDict(compressor);
    ZSTD_freeDDict(decompressor);
  }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;
};

Dictionaries::Dictionaries() = default;
Dictionaries::~Dictionaries() = default;

Expected<void> Dictionaries::add(std::uint32_t number, std::span<const std::byte> bytes) {
  const auto refuse = [&](const char* why) {
    return fail(ErrorCode::Corruption, "dictionary " + std::to_string(number) + " " + why);
  };
  if (number == 0 || number > kMaxNumber) return refuse("has a number that none can have");
  if (bytes.empty() || bytes.size() > kMaxBytes) return refuse("has a length that none can have");
  const std::lock_guard lock(mutex_);
  if (const Entry* known = entry(number)) {
    if (std::equal(known->bytes.begin(), known->bytes.end(), bytes.begin(), bytes.end())) return {};
    return refuse("is stored with two different contents");
  }
  auto made = std::make_unique<const Entry>(bytes, kBodyCompressionLevel);
  if (made->compressor == nullptr || made->decompressor == nullptr) {
    return refuse("is not a zstd dictionary");
  }
  entries_[number].store(made.get(), std::memory_order_release);
  owned_.push_back(std::move(made));
  if (number > current()) current_.store(number, std::memory_order_release);
  return {};
}

const Dictionaries::Entry* Dictionaries::entry(std::uint32_t number) const {
  return number <= kMaxNumber ? entries_[number].load(std::memory_order_acquire) : nullptr;
}

std::span<const std::byte> Dictionaries::bytes(std::uint32_t number) const {
  const Entry* found = entry(number);
  return found != nullptr ? std::span<const std::byte>(found->bytes) : std::span<const std::byte>();
}

const ZSTD_CDict_s* Dictionaries::compressor(std::uint32_t number) const {
  const Entry* found = entry(number);
  return found != nullptr ? found->compressor : nullptr;
}

const ZSTD_DDict_s* Dictionaries::decompressor(std::uint32_t number) const {
  const Entry* found = entry(number);
  return found != nullptr ? found->decompressor : nullptr;
}

}  // namespace runlog
