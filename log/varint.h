// Numbers of variable length, as heads and step columns store them: 7 bits a byte, lowest first, the
// top bit set on all but the last byte (LEB128). Signed ones are zigzag coded, so that small
// negative numbers stay short.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace runlog {

constexpr std::uint64_t zigzag(std::int64_t value) {
  return (std::uint64_t(value) << 1) ^ std::uint64_t(value >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t value) {
  return std::int64_t(value >> 1) ^ -std::int64_t(value & 1);
}

// The difference of two numbers of any size; wraps, and plus() undoes it.
constexpr std::int64_t minus(std::int64_t a, std::int64_t b) {
  return std::int64_t(std::uint64_t(a) - std::uint64_t(b));
}
constexpr std::int64_t plus(std::int64_t a, std::int64_t b) {
  return std::int64_t(std::uint64_t(a) + std::uint64_t(b));
}

inline constexpr std::size_t kMaxVarintBytes = 10;

// Appends to a byte buffer that keeps its room between uses.
class ByteWriter {
 public:
  std::size_t size() const { return size_; }
  const std::byte* data() const { return room_.data(); }
  std::byte* data() { return room_.data(); }
  void clear() { size_ = 0; }

  void varint(std::uint64_t value) {
    std::byte* at = grow(kMaxVarintBytes);
    while (value >= 0x80) {
      *at++ = std::byte(value | 0x80);
      value >>= 7;
    }
    *at++ = std::byte(value);
    size_ = std::size_t(at - room_.data());
  }
  void signed_varint(std::int64_t value) { varint(zigzag(value)); }
  void byte(std::uint8_t value) {
    *grow(1) = std::byte(value);
    ++size_;
  }
  void bytes(const void* from, std::size_t count) {
    if (count == 0) return;
    std::memcpy(grow(count), from, count);
    size_ += count;
  }
  void text(std::string_view value) {
    varint(value.size());
    bytes(value.data(), value.size());
  }
  void shrink_to(std::size_t size) { size_ = size; }
  // Leaves `count` bytes to be filled in; returns where they stand (until the next append).
  std::byte* skip(std::size_t count) {
    std::byte* at = grow(count);
    size_ += count;
    return at;
  }

 private:
  std::byte* grow(std::size_t count) {
    if (room_.size() - size_ < count) room_.resize(room_.size() * 2 + count);
    return room_.data() + size_;
  }
  std::vector<std::byte> room_ = std::vector<std::byte>(1024);
  std::size_t size_ = 0;
};

// Reads what a ByteWriter wrote from bytes that nobody vouches for: past the end, or in a number
// that is too long, it reads zeros and empty texts, and failed() stays true.
class ByteReader {
 public:
  ByteReader(const std::byte* begin, std::size_t count) : at_(begin), end_(begin + count) {}

  bool failed() const { return failed_; }
  std::size_t left() const { return std::size_t(end_ - at_); }

  std::uint64_t varint() {
    if (at_ < end_ && std::uint8_t(*at_) < 0x80) return std::uint8_t(*at_++);
    if (left() >= 2 && std::uint8_t(at_[1]) < 0x80) {
      const std::uint64_t value = (std::uint8_t(at_[0]) & 0x7fu) | std::uint64_t(at_[1]) << 7;
      at_ += 2;
      return value;
    }
    return long_varint();
  }
  std::int64_t signed_varint() { return unzigzag(varint()); }
  std::uint8_t byte() {
    if (at_ == end_) return std::uint8_t(fail());
    return std::uint8_t(*at_++);
  }
  std::string_view bytes(std::uint64_t count) {
    if (count > left()) {
      fail();
      return {};
    }
    const std::string_view value(reinterpret_cast<const char*>(at_), std::size_t(count));
    at_ += count;
    return value;
  }
  std::string_view text() { return bytes(varint()); }

 private:
  std::uint64_t long_varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) return fail();
      const std::uint8_t next = std::uint8_t(*at_++);
      if (shift == 63 && next > 1) return fail();
      value |= std::uint64_t(next & 0x7f) << shift;
      if (next < 0x80) return value;
    }
    return fail();
  }
  std::uint64_t fail() {
    failed_ = true;
    at_ = end_;
    return 0;
  }
  const std::byte* at_;
  const std::byte* end_;
  bool failed_ = false;
};

}  // namespace runlog
