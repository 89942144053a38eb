// Arithmetic that the two makers of flow tables share, so that they agree to the last bit.
#pragma once

#include <cstdint>

namespace runlog {

inline constexpr std::int64_t kHourMs = 3'600'000;

// The hour since 1970 that holds `time_ms`, rounded down also before 1970.
inline std::int64_t hour_of(std::int64_t time_ms) {
  return time_ms / kHourMs - (time_ms % kHourMs < 0 ? 1 : 0);
}

// Sums come from untrusted counts and must be able to be taken away again, so they wrap.
inline std::int64_t wrapping_add(std::int64_t a, std::int64_t b) {
  return std::int64_t(std::uint64_t(a) + std::uint64_t(b));
}
inline std::int64_t wrapping_subtract(std::int64_t a, std::int64_t b) {
  return std::int64_t(std::uint64_t(a) - std::uint64_t(b));
}

}  // namespace runlog
