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

}  // namespace runlog
