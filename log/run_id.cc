// Run ids as the engine makes them, "run_" and a random UUID, stored as its 16 bytes.
#include <cstring>

#include "log/record_head.h"

namespace runlog {
namespace {

constexpr std::string_view kPrefix = "run_";
constexpr char kDigits[] = "0123456789abcdef";

// 0–15, or 0xff for what is not a digit of a canonical UUID (capitals are not).
constexpr std::array<std::uint8_t, 256> make_digit_values() {
  std::array<std::uint8_t, 256> values{};
  for (auto& value : values) value = 0xff;
  for (unsigned i = 0; i < 16; ++i) values[std::uint8_t(kDigits[i])] = std::uint8_t(i);
  return values;
}
constexpr std::array<std::uint8_t, 256> kDigitValues = make_digit_values();

// The eight digits of four bytes, all at once: lists spend much of their time on ids.
std::uint64_t eight_digits(const std::byte* four) {
  std::uint32_t word;
  std::memcpy(&word, four, sizeof word);
  std::uint64_t spread = word;
  spread = (spread | spread << 16) & 0x0000ffff0000ffffull;
  spread = (spread | spread << 8) & 0x00ff00ff00ff00ffull;
  const std::uint64_t digits =
      ((spread >> 4) & 0x000f000f000f000full) | (spread & 0x000f000f000f000full) << 8;
  // Adding 6 carries into bit 4 of exactly those that are letters.
  const std::uint64_t letters = ((digits + 0x0606060606060606ull) >> 4) & 0x0101010101010101ull;
  return digits + 0x3030303030303030ull + letters * ('a' - '0' - 10);
}

constexpr bool has_dash_before(unsigned byte) {
  return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

}  // namespace

bool uuid_of(std::string_view run_id, std::array<std::uint8_t, 16>& out) {
  if (run_id.size() != kRunIdTextBytes || !run_id.starts_with(kPrefix)) return false;
  const char* at = run_id.data() + kPrefix.size();
  unsigned bad = 0;
  for (unsigned i = 0; i < 16; ++i) {
    if (has_dash_before(i)) bad |= unsigned(*at++ != '-') << 8;
    const std::uint8_t high = kDigitValues[std::uint8_t(at[0])];
    const std::uint8_t low = kDigitValues[std::uint8_t(at[1])];
    bad |= unsigned(high | low) & 0xf0u;
    out[i] = std::uint8_t(high << 4 | low);
    at += 2;
  }
  return bad == 0;
}

void uuid_text(const std::byte* uuid, char* out) {
  std::array<char, 32> digits;
  for (unsigned i = 0; i < 4; ++i) {
    const std::uint64_t eight = eight_digits(uuid + std::size_t(4) * i);
    std::memcpy(digits.data() + std::size_t(8) * i, &eight, sizeof eight);
  }
  std::memcpy(out, kPrefix.data(), 4);
  std::memcpy(out + 4, digits.data(), 8);
  out[12] = out[17] = out[22] = out[27] = '-';
  std::memcpy(out + 13, digits.data() + 8, 4);
  std::memcpy(out + 18, digits.data() + 12, 4);
  std::memcpy(out + 23, digits.data() + 16, 4);
  std::memcpy(out + 28, digits.data() + 20, 12);
}

}  // namespace runlog
