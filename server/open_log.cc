#include "server/open_log.h"

#include <algorithm>

#include <fmt/format.h>

namespace runlog {

bool is_tenant_name(std::string_view name) {
  constexpr std::size_t kMaxBytes = 64;
  return !name.empty() && name.size() <= kMaxBytes &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

bool is_log(const std::filesystem::path& directory) {
  std::error_code ignored;
  return std::filesystem::exists(directory / "state" / "data.mdb", ignored);
}

Error no_log_at(const LogPlace& place) {
  return {ErrorCode::NotFound,
          fmt::format("no log at {}; `runlog import` creates one", place.directory().string())};
}

Expected<std::shared_ptr<Log>> open_for_reading(const LogPlace& place) {
  auto log = Log::open_read_only(place.directory());
  if (!log && log.error().code == ErrorCode::NotFound) return tl::unexpected(no_log_at(place));
  return log;
}

Expected<std::shared_ptr<Log>> open_for_changing(const LogPlace& place) {
  if (!is_log(place.directory())) return tl::unexpected(no_log_at(place));
  return Log::open(place.directory());
}

ExitCode close(Log& log, ExitCode code, Console& console) {
  auto closed = log.close();
  return closed ? code : std::max(code, complain(console, closed.error()));
}

Expected<ReadableLog> open_snapshot(const LogPlace& place) {
  auto log = open_for_reading(place);
  if (!log) return tl::unexpected(log.error());
  auto snapshot = (*log)->snapshot();
  if (!snapshot) return tl::unexpected(snapshot.error());
  return ReadableLog{*log, *snapshot};
}

void warn_if_incomplete(const Snapshot& snapshot, Console& console) {
  if (!snapshot.incomplete) return;
  console.err.write("runlog: the answer is incomplete: it misses a damaged segment, see "
                    "`runlog verify`\n");
}

}  // namespace runlog
