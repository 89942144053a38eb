// Times as people give them on the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "index/error.h"
#include "log/run.h"

namespace runlog {

// Which end of a range a time stands for: a date alone means its first or its last millisecond.
enum class TimeEnd { kFrom, kTo };

// Reads an instant (2026-10-20T00:00:00Z, with any offset; without one it is UTC; a blank may stand
// for the T, seconds may be missing), a date (2026-10-20, in UTC), or a time before `now`:
// 30s, 45m, 2h, 7d, 4w. Errors: InvalidArgument (says what would be understood).
Expected<UnixMs> parse_time_argument(std::string_view text, TimeEnd end, UnixMs now);

// The same for what is to come: an instant, the last millisecond of a date, or so long after `now`.
Expected<UnixMs> parse_time_ahead(std::string_view text, UnixMs now);

// "2h" as milliseconds: a whole number of s, m, h, d or w, at most a hundred years; nullopt if it is
// no such thing.
std::optional<std::int64_t> parse_time_span(std::string_view text);

}  // namespace runlog
