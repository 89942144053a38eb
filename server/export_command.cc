// `runlog export`: every visible run as one line of JSON, in the order in which they were stored.
#include <memory>

#include <fmt/format.h>

#include "log/run_json.h"
#include "server/commands.h"
#include "server/history.h"
#include "server/output_file.h"
#include "server/progress.h"
#include "server/quantities.h"

namespace runlog {
namespace {

constexpr std::uint32_t kPageRuns = 1000;

// Returns how many runs were written. All pages come from one snapshot: what is appended meanwhile
// is not part of the export. A server has what is current for each page, so that it may be.
Expected<std::uint64_t> write_runs(RunHistory& history, const Filter& filter, Output& out,
                                   Progress& progress, bool& incomplete) {
  ListRequest request;
  request.filter = filter;
  // Only records can be imported again; `runlog paused` has the others.
  for (unsigned i = 0; filter.statuses.empty() && i < kRunStatusCount; ++i) {
    request.filter.statuses.push_back(RunStatus(i));
  }
  request.direction = Direction::kOldestFirst;
  request.limit = kPageRuns;
  std::uint64_t written = 0, total = 0;
  do {
    request.with_total = written == 0;
    auto page = history.list(request);
    if (!page) return tl::unexpected(page.error());
    if (request.with_total) total = page->total;
    if (auto done = history.write_runs(*page, out); !done) return tl::unexpected(done.error());
    incomplete |= page->incomplete;
    written += page->runs.size();
    progress.update(written, written, total);
    request.cursor = page->has_more ? page->next_cursor : std::string();
  } while (!request.cursor.empty() && !out.failed());
  return written;
}

}  // namespace

ExitCode run_export(const LogPlace& place, const ExportOptions& options, Console& console) {
  // Before a file is made: a wrong name leaves none.
  auto history = open_history(place, Access::kRead);
  if (!history) return complain(console, history.error());
  std::unique_ptr<OutputFile> file;
  if (!options.output.empty()) {
    auto created = OutputFile::create(options.output);
    if (!created) return complain(console, created.error());
    file = std::move(*created);
  }
  Output& out = file ? file->output() : console.out;
  bool incomplete = false;
  Expected<std::uint64_t> written;
  {
    // A progress line between lines of JSON on the same terminal would only disturb.
    const bool shown = file != nullptr || !console.screen.is_terminal();
    Progress progress(console.err, shown ? console.err_screen : Screen(), "exporting", "run");
    written = write_runs(**history, options.filter, out, progress, incomplete);
  }
  if (!written) return complain(console, written.error());
  if (file) {
    if (auto finished = file->finish(); !finished) return complain(console, finished.error());
    console.out.write(fmt::format("exported {} to {}\n", count_of(*written, "run"),
                                  options.output));
  }
  if (incomplete) {
    return complain(console, {ErrorCode::Corruption,
                              "the export is incomplete: it misses a damaged segment, see "
                              "`runlog verify`"});
  }
  return ExitCode::kDone;
}

}  // namespace runlog
