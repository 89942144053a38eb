// `runlog verify`: is everything that was stored still there and right; with --repair, mends it.
#include "log/verify.h"

#include <fmt/format.h>

#include "server/commands.h"
#include "server/open_log.h"
#include "server/progress.h"
#include "server/quantities.h"

namespace runlog {
namespace {

Expected<VerifyReport> verify_with_progress(const LogPlace& place, bool repair, Console& console) {
  Progress progress(console.err, console.err_screen, repair ? "repairing" : "verifying", "");
  VerifyOptions options;
  options.repair = repair;
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    progress.update(0, done, total);
  };
  auto report = verify_log(place.directory(), options);
  if (!report && report.error().code == ErrorCode::NotFound) {
    return tl::unexpected(no_log_at(place));
  }
  return report;
}

void print_lines(const std::vector<std::string>& lines, std::string_view name, Style style,
                 Console& console) {
  for (const std::string& line : lines) {
    console.out.write(fmt::format("{} {}\n", console.screen.paint(name, style), line));
  }
}

std::string size_of(const VerifyReport& report) {
  return fmt::format("{}, {}, {}", count_of(report.segments, "segment"),
                     count_of(report.records, "record"), format_bytes(report.bytes));
}

ExitCode print_verdict(const VerifyReport& report, bool repaired, Console& console) {
  std::string verdict = repaired ? "repaired" : "no damage";
  if (!report.damage.empty()) {
    verdict = fmt::format("damage in {}", count_of(report.damage.size(), "place"));
  }
  if (report.set_aside > 0) {
    verdict += fmt::format(", and the log is incomplete without {} that {} set aside",
                           count_of(report.set_aside, "segment"),
                           report.set_aside == 1 ? "was" : "were");
  }
  const bool whole = report.damage.empty() && report.set_aside == 0;
  console.out.write(fmt::format(
      "{}: {}\n", console.screen.paint(verdict, whole ? Style::kGood : Style::kBad),
      size_of(report)));
  return whole ? ExitCode::kDone : ExitCode::kBroken;
}

}  // namespace

ExitCode run_verify(const LogPlace& place, const VerifyCommandOptions& options, Console& console) {
  auto report = verify_with_progress(place, options.repair, console);
  if (!report) return complain(console, report.error());
  print_lines(report->notes, "note:", Style::kDim, console);
  print_lines(report->damage, "damage:", Style::kBad, console);
  print_lines(report->repairs, "repair:", Style::kWarning, console);
  const bool repaired = options.repair && !report->damage.empty();
  if (repaired) {
    // What the repair says of itself is not proof: look again.
    report = verify_with_progress(place, false, console);
    if (!report) return complain(console, report.error());
    print_lines(report->damage, "still damaged:", Style::kBad, console);
  }
  const ExitCode code = print_verdict(*report, repaired, console);
  if (!report->damage.empty() && !options.repair) {
    console.out.write("`runlog verify --repair` mends what can be mended\n");
  }
  return code;
}

}  // namespace runlog
