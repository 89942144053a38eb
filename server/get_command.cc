// `runlog get`: one run, with its steps.
#include "log/run_json.h"
#include "server/commands.h"
#include "server/open_log.h"
#include "server/quantities.h"
#include "server/run_page.h"

namespace runlog {

ExitCode run_get(const LogPlace& place, const GetOptions& options, Console& console) {
  auto opened = open_snapshot(place);
  if (!opened) return complain(console, opened.error());
  auto run = get(opened->snapshot, options.run_id);
  if (!run) return complain(console, run.error());
  if (options.json) {
    std::string line;
    write_json(run->run, line);
    console.out.write(line + "\n");
  } else {
    console.out.write(render_run(run->run, options.every_iteration, console.screen, now_ms()));
  }
  return ExitCode::kDone;
}

}  // namespace runlog
