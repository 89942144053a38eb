// Runs as JSON: ObjectStack's own field names, in and out without loss. What is normalised is listed
// in log/FORMAT.md (the run-level error's shape, timestamps).
#pragma once

#include <string>
#include <string_view>

#include "index/error.h"
#include "log/record.h"
#include "log/run.h"

namespace runlog {

// The longest JSON text of one run, and how deep it may nest.
inline constexpr std::size_t kMaxRunJsonBytes = 8u << 20;
inline constexpr std::size_t kMaxJsonDepth = 128;

// Parses one run; keeps a parser's buffers between calls. One thread at a time.
class RunJsonParser {
 public:
  RunJsonParser();
  ~RunJsonParser();
  // Parses `json` (one object) into `out`, whose text points into `arena`.
  // Errors: InvalidArgument (not JSON, a missing or unusable required field: names the field);
  // TooLarge (names the limit).
  Expected<void> parse(std::string_view json, TextArena& arena, Run& out);
  // The same for a paused run.
  Expected<void> parse_suspended(std::string_view json, TextArena& arena, SuspendedRun& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Appends the run as one line of JSON, without a newline.
void write_json(const Run& run, std::string& out);
void write_json(const SuspendedRun& run, std::string& out);
// The summary that lists show; field names as in RunRecord.
void write_json(const RunHead& head, std::string& out);

// ISO 8601 UTC with milliseconds, "2026-10-20T00:00:03.630Z".
std::string format_time(UnixMs time);
// Reads ISO 8601 with any offset and up to 9 digits of a second. Errors: InvalidArgument.
// `exact` becomes false when digits below a millisecond were cut off.
Expected<UnixMs> parse_time(std::string_view text, bool* exact = nullptr);

}  // namespace runlog
