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
    *out++ = kDigits[std::uint8_t(uuid[i]) >> 4];
    *out++ = kDigits[std::uint8_t(uuid[i]) & 15];
  }
}

}  // namespace runlog
