// ISO 8601 in and out, without the C library's time zones and locales.
#include "log/json_writer.h"
#include "log/run_json.h"

namespace runlog {
namespace {

constexpr std::int64_t kMsPerDay = 86'400'000;

// Days since 1970-01-01 of a date in the Gregorian calendar, and back; after Howard Hinnant's
// "chrono-Compatible Low-Level Date Algorithms". std::chrono's years end at 32767.
constexpr std::int64_t days_from_civil(std::int64_t year, unsigned month, unsigned day) {
  year -= month <= 2;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const unsigned year_of_era = unsigned(year - era * 400);
  const unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + std::int64_t(day_of_era) - 719'468;
}

struct Date {
  std::int64_t year;
  unsigned month, day;
};

constexpr Date civil_from_days(std::int64_t days) {
  days += 719'468;
  const std::int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const unsigned day_of_era = unsigned(days - era * 146'097);
  const unsigned year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const unsigned shifted_month = (5 * day_of_year + 2) / 153;
  const unsigned month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  return {std::int64_t(year_of_era) + era * 400 + (month <= 2), month,
          day_of_year - (153 * shifted_month + 2) / 5 + 1};
}

static_assert(days_from_civil(1970, 1, 1) == 0 && days_from_civil(2026, 10, 20) == 20'746);

unsigned days_in_month(std::int64_t year, unsigned month) {
  constexpr unsigned kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && is_leap ? 29 : kDays[month - 1];
}

void put_digits(char* to, unsigned digits, std::uint64_t value) {
  for (unsigned i = digits; i-- > 0; value /= 10) to[i] = char('0' + value % 10);
}

// Reads fixed and optional pieces of a text from the left.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool at_end() const { return text_.empty(); }
  bool skip(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool skip_any(std::string_view chars) {
    for (const char c : chars) {
      if (skip(c)) return true;
    }
    return false;
  }
  // Exactly `digits` digits; false if they are not there.
  template <typename T>
  bool number(unsigned digits, T& out) {
    if (text_.size() < digits) return false;
    T value = 0;
    for (unsigned i = 0; i < digits; ++i) {
      if (text_[i] < '0' || text_[i] > '9') return false;
      value = T(value * 10 + T(text_[i] - '0'));
    }
    out = value;
    text_.remove_prefix(digits);
    return true;
  }

 private:
  std::string_view text_;
};

bool scan_date(Scanner& in, std::int64_t& days) {
  std::int64_t year = 0;
  unsigned month = 0, day = 0;
  const bool is_before = in.skip('-');
  const bool is_long = is_before || in.skip('+');
  if (!in.number(is_long ? 6 : 4, year)) return false;
  if (is_before) year = -year;
  if (!in.skip('-') || !in.number(2, month) || !in.skip('-') || !in.number(2, day)) return false;
  if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) return false;
  days = days_from_civil(year, month, day);
  return true;
}

// The digits behind a decimal point; those below a millisecond are cut off.
bool scan_fraction(Scanner& in, unsigned& ms, bool& exact) {
  unsigned digits = 0;
  unsigned digit = 0;
  for (unsigned weight = 100; digits < 9 && in.number(1, digit); ++digits) {
    ms += weight * digit;
    if (weight == 0 && digit != 0) exact = false;
    weight /= 10;
  }
  return digits > 0;
}

bool scan_clock(Scanner& in, std::int64_t& ms_of_day, bool& exact) {
  unsigned hour = 0, minute = 0, second = 0, ms = 0;
  if (!in.number(2, hour) || !in.skip(':') || !in.number(2, minute)) return false;
  if (in.skip(':')) {
    if (!in.number(2, second)) return false;
    if (in.skip_any(".,") && !scan_fraction(in, ms, exact)) return false;
  }
  if (hour > 23 || minute > 59 || second > 59) return false;
  ms_of_day = ((hour * 60 + minute) * 60 + second) * 1000ll + ms;
  return true;
}

bool scan_zone(Scanner& in, std::int64_t& offset_ms) {
  if (in.skip_any("Zz")) return true;
  const bool is_west = in.skip('-');
  if (!is_west && !in.skip('+')) return false;
  unsigned hours = 0, minutes = 0;
  if (!in.number(2, hours)) return false;
  const bool has_colon = in.skip(':');
  if (!in.number(2, minutes) && has_colon) return false;
  if (hours > 23 || minutes > 59) return false;
  offset_ms = (hours * 60 + minutes) * 60'000ll * (is_west ? -1 : 1);
  return true;
}

}  // namespace

std::string format_time(UnixMs time) {
  std::string out;
  append_time(time, out);
  return out;
}

void append_time(UnixMs time, std::string& out) {
  std::int64_t days = time / kMsPerDay;
  std::int64_t ms = time % kMsPerDay;
  if (ms < 0) {
    ms += kMsPerDay;
    --days;
  }
  const Date date = civil_from_days(days);
  const std::uint64_t of_day = std::uint64_t(ms);
  char text[] = "0000-00-00T00:00:00.000Z";
  put_digits(text + 5, 2, date.month);
  put_digits(text + 8, 2, date.day);
  put_digits(text + 11, 2, of_day / 3'600'000);
  put_digits(text + 14, 2, of_day / 60'000 % 60);
  put_digits(text + 17, 2, of_day / 1000 % 60);
  put_digits(text + 20, 3, of_day % 1000);
  if (date.year >= 0 && date.year <= 9999) {
    put_digits(text, 4, std::uint64_t(date.year));
    out.append(text, sizeof text - 1);
    return;
  }
  // ECMAScript's form of years beyond four digits: a sign and six digits, or as many as it takes.
  std::string year = std::to_string(date.year < 0 ? -date.year : date.year);
  if (year.size() < 6) year.insert(0, 6 - year.size(), '0');
  out.append(date.year < 0 ? "-" : "+").append(year).append(text + 4);
}

Expected<UnixMs> parse_time(std::string_view text, bool* exact) {
  Scanner in(text);
  std::int64_t days = 0, ms_of_day = 0, offset_ms = 0;
  bool is_exact = true;
  bool fits = scan_date(in, days);
  if (fits && !in.at_end()) {
    fits = in.skip_any("Tt ") && scan_clock(in, ms_of_day, is_exact) && scan_zone(in, offset_ms) &&
           in.at_end();
  }
  if (!fits) {
    return fail(ErrorCode::InvalidArgument,
                "'" + std::string(text.substr(0, 64)) +
                    "' is not a time in ISO 8601 such as 2026-10-20T00:00:03.630Z");
  }
  if (exact != nullptr) *exact = is_exact;
  return days * kMsPerDay + ms_of_day - offset_ms;
}

}  // namespace runlog
