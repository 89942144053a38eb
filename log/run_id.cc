// Run ids as the engine makes them, "run_" and a random UUID, stored as its 16 bytes.
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

// The two digits of each byte: lists spend more time on ids than on anything else.
constexpr std::array<char, 512> make_digit_pairs() {
  std::array<char, 512> pairs{};
  for (unsigned i = 0; i < 256; ++i) {
    pairs[2 * i] = kDigits[i >> 4];
    pairs[2 * i + 1] = kDigits[i & 15];
  }
  return pairs;
}
constexpr std::array<char, 512> kDigitPairs = make_digit_pairs();

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
  std::memcpy(out, kPrefix.data(), kPrefix.size());
  out += kPrefix.size();
  for (unsigned i = 0; i < 16; ++i) {
    if (has_dash_before(i)) *out++ = '-';
    std::memcpy(out, &kDigitPairs[2 * std::size_t(uuid[i])], 2);
    out += 2;
  }
}

}  // namespace runlog
