// `verify --repair`: the catalog first, since everything else hangs on it, then segment by segment.
#include <fmt/format.h>

#include "log/catalog.h"
#include "log/counters_check.h"
#include "log/paused_check.h"
#include "log/repair_catalog.h"
#include "log/repair_segment.h"
#include "log/retention_check.h"
#include "log/verification.h"

namespace runlog {
namespace {

void append(std::vector<std::string>& to, const std::vector<std::string>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

// Lets a segment count that was in use although the catalog calls it unfinished.
Expected<void> restore_forgotten(Catalog& catalog, Verification& found) {
  std::vector<CatalogEntry> changes;
  for (const SegmentVerdict& segment : found.segments) {
    if (segment.entry.state != SegmentState::kActive || found.forgotten.empty()) continue;
    changes.push_back(segment.entry);
    changes.back().state = SegmentState::kClosed;
  }
  for (const SegmentVerdict& segment : found.forgotten) {
    changes.push_back(segment.entry);
    changes.back().state = SegmentState::kActive;
    found.report.repairs.push_back(
        fmt::format("'{}' is in the catalog again", segment.directory.string()));
  }
  return changes.empty() ? Expected<void>() : catalog.change(changes);
}

}  // namespace

Expected<void> repair_files(const std::filesystem::path& log, Verification& found) {
  VerifyReport& report = found.report;
  if (!found.catalog || found.overlaps) {
    auto rebuilt = rebuild_catalog(log);
    if (!rebuilt) return tl::unexpected(rebuilt.error());
    append(report.repairs, *rebuilt);
    auto again = verify_files(log, Writer::kNone, {});
    if (!again) return tl::unexpected(again.error());
    if (!again->catalog)
      return fail(ErrorCode::IoError, fmt::format("the catalog in '{}' cannot be written: {}",
                                                  log.string(), again->report.damage.front()));
    append(report.damage, again->report.damage);
    report.segments = again->report.segments;
    report.records = again->report.records;
    report.bytes = again->report.bytes;
    found.catalog = std::move(again->catalog);
    found.segments = std::move(again->segments);
    found.forgotten = std::move(again->forgotten);
  }
  auto catalog = Catalog::open(log, OpenMode::kWrite);
  if (!catalog) return tl::unexpected(catalog.error());
  if (found.catalog->is_paused_damaged) {
    auto done = repair_paused_runs(**catalog, found.catalog->damaged_paused_keys);
    if (!done) return tl::unexpected(done.error());
    append(report.repairs, *done);
  }
  if (!found.catalog->damaged_retention_keys.empty()) {
    auto done = repair_retention(**catalog, found.catalog->damaged_retention_keys);
    if (!done) return tl::unexpected(done.error());
    append(report.repairs, *done);
  }
  if (!found.catalog->damaged_counter_keys.empty()) {
    auto done = repair_counters(**catalog, found.catalog->damaged_counter_keys);
    if (!done) return tl::unexpected(done.error());
    append(report.repairs, *done);
  }
  for (const SegmentVerdict& segment : found.segments) {
    if (segment.damage.empty()) continue;
    auto done = repair_segment(log, **catalog, found.segments, segment);
    if (!done) return tl::unexpected(done.error());
    append(report.repairs, *done);
  }
  return restore_forgotten(**catalog, found);
}

}  // namespace runlog
