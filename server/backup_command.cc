// `runlog backup`: a copy of a log that may be in use.
#include <chrono>

#include <fmt/format.h>

#include "server/commands.h"
#include "server/display_text.h"
#include "server/history.h"
#include "server/json_answer.h"
#include "server/progress.h"
#include "server/quantities.h"

namespace runlog {
namespace {

Expected<BackupReport> back_up_with_progress(RunHistory& history, const std::string& directory,
                                             Console& console) {
  Progress progress(console.err, console.err_screen, "copying", "");
  return history.backup(directory, [&](std::uint64_t done, std::uint64_t total) {
    progress.update(0, done, total);
  });
}

}  // namespace

ExitCode run_backup(const LogPlace& place, const BackupOptions& options, Console& console) {
  const auto start = std::chrono::steady_clock::now();
  auto history = open_history(place, Access::kRead);
  if (!history) return complain(console, history.error());
  auto copied = back_up_with_progress(**history, options.directory, console);
  if (!copied) return complain(console, copied.error());
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - start);
  if (options.json) {
    JsonAnswer json;
    json.StartObject();
    json.member("directory", printable(options.directory));
    json.member("runs", copied->runs);
    json.member("segments", copied->segments);
    json.member("bytes", copied->bytes);
    json.member("tookMs", std::int64_t(took.count()));
    json.EndObject();
    console.out.write(json.line());
    return ExitCode::kDone;
  }
  console.out.write(fmt::format("backed up {}, {} in {}, to {}\n", count_of(copied->runs, "run"),
                                format_bytes(copied->bytes), format_duration(took.count()),
                                printable(options.directory)));
  return ExitCode::kDone;
}

}  // namespace runlog
