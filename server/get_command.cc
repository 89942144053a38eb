// `runlog get`: one run, with its steps.
#include "log/paused_runs.h"
#include "log/run_json.h"
#include "server/commands.h"
#include "server/history.h"
#include "server/quantities.h"
#include "server/run_page.h"

namespace runlog {
namespace {

// Whether a failure is new or has been there for long is the next question of everybody who looks
// at one. Errors: Corruption.
Expected<std::optional<ErrorHistory>> history_of(const Run& run, RunHistory& history) {
  if (!run.error || !run.error->message) return std::nullopt;
  ListRequest request;
  request.filter.fingerprint = error_fingerprint(*run.error->message);
  request.direction = Direction::kOldestFirst;
  request.limit = 1;
  auto page = history.list(request);
  if (!page) return tl::unexpected(page.error());
  if (page->runs.empty()) return std::nullopt;
  return ErrorHistory{page->total, page->runs.front().started_at};
}

}  // namespace

ExitCode run_get(const LogPlace& place, const GetOptions& options, Console& console) {
  auto history = open_history(place, Access::kRead);
  if (!history) return complain(console, history.error());
  auto run = (*history)->get(options.run_id);
  if (!run) return complain(console, run.error());
  if (options.json) {
    std::string line;
    write_json(run->run, line);
    console.out.write(line + "\n");
    return ExitCode::kDone;
  }
  auto of_error = history_of(run->run, **history);
  if (!of_error) return complain(console, of_error.error());
  auto paused = (*history)->find_paused(options.run_id);
  if (!paused) return complain(console, paused.error());
  console.out.write(render_run(run->run, {options.every_iteration, now_ms(), *of_error, *paused},
                               console.screen));
  return ExitCode::kDone;
}

}  // namespace runlog
