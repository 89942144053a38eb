#include "log/archive_search.h"

#include <algorithm>
#include <system_error>

#include <fmt/format.h>

#include "log/archive_file.h"
#include "log/run_json.h"

namespace runlog {
namespace {

namespace fs = std::filesystem;

bool may_hold(const fs::path& file, const std::function<bool(const Run&)>& matches) {
  RunJsonParser parser;
  bool found = false;
  const auto read = read_archive_file(file, [&](std::string_view line) -> Expected<void> {
    if (found) return {};
    TextArena arena;
    Run run;
    found = !parser.parse(line, arena, run) || matches(run);
    return {};
  });
  return found || !read;
}

}  // namespace

std::vector<fs::path> archives_with(const std::string& archive, std::uint64_t log_id,
                                    const std::function<bool(const Run&)>& matches) {
  std::vector<fs::path> found;
  if (archive.empty()) return found;
  const std::string own = fmt::format("{:016x}-", log_id);
  std::error_code error;
  for (fs::directory_iterator entry(archive, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    // An interrupted attempt leaves a part, and with it perhaps a manifest, which names no run.
    const bool is_data = name.find(".ndjson.zst") != std::string::npos;
    if (name.compare(0, own.size(), own) != 0 || !is_data) continue;
    if (may_hold(entry->path(), matches)) found.push_back(entry->path());
  }
  if (error) found.push_back(archive);  // nobody knows
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace runlog
