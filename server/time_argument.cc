#include "server/time_argument.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "log/run_json.h"

namespace runlog {
namespace {

constexpr std::int64_t kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute,
                       kDay = 24 * kHour, kWeek = 7 * kDay;
// A hundred years are more than any log holds, and far from where a sum would overflow.
constexpr std::int64_t kLongestAgo = 36'525 * kDay;

std::optional<std::int64_t> unit_ms(char unit) {
  switch (unit) {
    case 's': return kSecond;
    case 'm': return kMinute;
    case 'h': return kHour;
    case 'd': return kDay;
    case 'w': return kWeek;
    default: return std::nullopt;
  }
}

// Whether `text` has the form of `pattern`, in which a 0 stands for any digit.
bool has_form(std::string_view text, std::string_view pattern) {
  return std::equal(text.begin(), text.end(), pattern.begin(), pattern.end(), [](char c, char p) {
    return p == '0' ? c >= '0' && c <= '9' : c == p;
  });
}

// Completes what people leave out: the T, the seconds, the zone.
std::string as_iso(std::string_view text) {
  std::string iso(text);
  if (iso.size() > 10 && iso[10] == ' ') iso[10] = 'T';
  if (has_form(iso, "0000-00-00T00:00")) iso += ":00";
  if (has_form(iso, "0000-00-00T00:00Z")) iso.replace(16, 1, ":00Z");
  const bool has_zone =
      iso.find_first_of("Zz+", 10) != std::string::npos || iso.find('-', 10) != std::string::npos;
  if (iso.size() > 10 && !has_zone) iso += 'Z';
  return iso;
}

// An instant or a date; nullopt if it is none.
std::optional<UnixMs> read_time(std::string_view text, TimeEnd end) {
  Expected<UnixMs> time = fail(ErrorCode::InvalidArgument, {});
  if (has_form(text, "0000-00-00")) {
    time = parse_time(std::string(text) + "T00:00:00Z");
    if (time && end == TimeEnd::kTo) *time += kDay - 1;
  } else if (text.size() > 10) {
    time = parse_time(as_iso(text));
  }
  return time ? std::optional(*time) : std::nullopt;
}

}  // namespace

std::optional<std::int64_t> parse_time_span(std::string_view text) {
  if (text.size() < 2) return std::nullopt;
  const auto unit = unit_ms(text.back());
  std::int64_t count = 0;
  const char* last = text.data() + text.size() - 1;
  const auto [end, error] = std::from_chars(text.data(), last, count);
  if (!unit || error != std::errc() || end != last || count < 0) return std::nullopt;
  if (count > kLongestAgo / *unit) return std::nullopt;
  return count * *unit;
}

Expected<UnixMs> parse_time_argument(std::string_view text, TimeEnd end, UnixMs now) {
  if (const auto ago = parse_time_span(text)) return now - *ago;
  if (const auto time = read_time(text, end)) return *time;
  return fail(ErrorCode::InvalidArgument,
              fmt::format("'{}' is not a time: give 2026-10-20T00:00:00Z, 2026-10-20, or how long "
                          "ago: 30m, 2h, 7d",
                          text));
}

Expected<UnixMs> parse_time_ahead(std::string_view text, UnixMs now) {
  if (const auto ahead = parse_time_span(text)) return now + *ahead;
  if (const auto time = read_time(text, TimeEnd::kTo)) return *time;
  return fail(ErrorCode::InvalidArgument,
              fmt::format("'{}' is not a time: give 2026-12-31T00:00:00Z, 2026-12-31, or how long "
                          "from now: 12h, 30d",
                          text));
}

}  // namespace runlog
