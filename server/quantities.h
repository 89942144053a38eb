// Numbers, sizes, durations and times as people read and write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "log/run.h"

namespace runlog {

std::string format_count(std::uint64_t count);  // 12,345
// "1 run", "12,345 runs": the plural is the singular and an s.
std::string count_of(std::uint64_t count, std::string_view singular);
std::string format_bytes(std::uint64_t bytes);        // 512 B, 12.5 MB; powers of 1000
std::string format_duration(std::int64_t ms);         // 85 ms, 1.93 s, 2 m 05 s, 3 h 20 m, 4 d 02 h
std::string format_span(std::int64_t ms);             // 30d, 12h, 90s, 1500ms: exactly, as typed
std::string format_instant(UnixMs time);              // 2026-10-20 00:01:40, UTC
std::string format_instant_exactly(UnixMs time);      // 2026-10-20 00:01:40.445 UTC
std::string format_ago(UnixMs time, UnixMs now);      // 5 minutes ago, 33 days ago; "in the future"
std::string format_share(std::uint64_t part, std::uint64_t whole);  // 4.1 %, empty for no whole

// 1000000, 64MB, 10GiB as bytes; nullopt if it is no size below 2^62. A part of a byte is none.
std::optional<std::int64_t> parse_size(std::string_view text);

UnixMs now_ms();

std::string_view status_name(RunStatus status);

}  // namespace runlog
