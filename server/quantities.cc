#include "server/quantities.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "log/run_json.h"

namespace runlog {
namespace {

constexpr std::int64_t kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute,
                       kDay = 24 * kHour;

// Three digits that matter: 1.93, 12.5, 120.
std::string three_digits(double value) {
  return fmt::format("{:.{}f}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

}  // namespace

std::string format_count(std::uint64_t count) {
  std::string out = fmt::format("{}", count);
  for (std::size_t at = out.size(); at > 3; at -= 3) out.insert(at - 3, 1, ',');
  return out;
}

std::string count_of(std::uint64_t count, std::string_view singular) {
  return fmt::format("{} {}{}", format_count(count), singular, count == 1 ? "" : "s");
}

std::string format_bytes(std::uint64_t bytes) {
  static constexpr std::array kUnits = {"kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double value = double(bytes) / 1000;
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{} {}", three_digits(value), kUnits[unit]);
}

std::string format_duration(std::int64_t ms) {
  if (ms < 0) return fmt::format("{} ms", ms);
  if (ms < kSecond) return fmt::format("{} ms", ms);
  if (ms < kMinute) return fmt::format("{:.{}f} s", double(ms) / 1000, ms < 10 * kSecond ? 2 : 1);
  if (ms < kHour) return fmt::format("{} m {:02} s", ms / kMinute, ms % kMinute / kSecond);
  if (ms < kDay) return fmt::format("{} h {:02} m", ms / kHour, ms % kHour / kMinute);
  return fmt::format("{} d {:02} h", ms / kDay, ms % kDay / kHour);
}

std::string format_span(std::int64_t ms) {
  struct Unit {
    std::int64_t ms;
    const char* name;
  };
  for (const Unit& unit : {Unit{kDay, "d"}, {kHour, "h"}, {kMinute, "m"}, {kSecond, "s"}})
    if (ms != 0 && ms % unit.ms == 0) return fmt::format("{}{}", ms / unit.ms, unit.name);
  return fmt::format("{}ms", ms);
}

std::string format_instant(UnixMs time) {
  // format_time gives 2026-10-20T00:00:03.630Z; the year may take a sign and more digits.
  std::string out = format_time(time);
  if (const auto dot = out.rfind('.'); dot != std::string::npos) out.resize(dot);
  if (const auto t = out.find('T'); t != std::string::npos) out[t] = ' ';
  return out;
}

std::string format_instant_exactly(UnixMs time) {
  std::string out = format_time(time);
  if (const auto t = out.find('T'); t != std::string::npos) out[t] = ' ';
  if (!out.empty() && out.back() == 'Z') out.replace(out.size() - 1, 1, " UTC");
  return out;
}

std::string format_ago(UnixMs time, UnixMs now) {
  if (time > now) return "in the future";
  const auto past = std::uint64_t(now) - std::uint64_t(time);
  struct Unit {
    std::int64_t ms;
    const char* name;
  };
  for (const Unit& unit : {Unit{kDay, "day"}, {kHour, "hour"}, {kMinute, "minute"}}) {
    // From two on, so that "90 minutes" stays more exact than "1 hour".
    if (past >= 2 * std::uint64_t(unit.ms)) {
      return count_of(past / std::uint64_t(unit.ms), unit.name) + " ago";
    }
  }
  return count_of(past / std::uint64_t(kSecond), "second") + " ago";
}

std::string format_share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? std::string() : fmt::format("{:.1f} %", 100.0 * double(part) / double(whole));
}

std::optional<std::int64_t> parse_size(std::string_view text) {
  static constexpr std::pair<std::string_view, double> kUnits[] = {
      {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}, {"kB", 1e3},
      {"MB", 1e6},     {"GB", 1e9},     {"TB", 1e12},    {"B", 1}};
  double unit = 1;
  for (const auto& [name, bytes] : kUnits)
    if (text.size() > name.size() && text.substr(text.size() - name.size()) == name) {
      unit = bytes;
      text.remove_suffix(name.size());
      break;
    }
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const double bytes = std::floor(number * unit);
  if (error != std::errc() || end != text.data() + text.size() || !(std::abs(bytes) < 0x1p62))
    return std::nullopt;
  return std::int64_t(bytes);
}

UnixMs now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string_view status_name(RunStatus status) {
  switch (status) {
    case RunStatus::kCompleted: return "completed";
    case RunStatus::kFailed: return "failed";
    case RunStatus::kCancelled: return "cancelled";
    case RunStatus::kTimedOut: return "timed_out";
    case RunStatus::kPaused: return "paused";
    case RunStatus::kRunning: return "running";
  }
  return "unknown";
}

}  // namespace runlog
