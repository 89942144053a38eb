#include "log/forget.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <span>
#include <system_error>

#include <fmt/format.h>

#include "log/archive_search.h"
#include "log/forget_search.h"
#include "log/forgetting.h"
#include "log/log_impl.h"
#include "log/sealed_segment.h"

namespace runlog {
namespace {

void count(const ForgetMatches& matches, ForgetReport& report) {
  report.runs = matches.runs;
  report.records = matches.found.records.size();
  report.record_bytes = matches.record_bytes;
  report.paused = matches.found.paused.size();
}

std::uint64_t count_pins(const Retention& retention, const std::vector<SequenceNumber>& records) {
  std::uint64_t pins = 0;
  for (const Pin& pin : retention.pins())
    pins += std::binary_search(records.begin(), records.end(), pin.sequence) ? 1 : 0;
  return pins;
}

// How many of a segment's runs are visible and not to be forgotten.
std::uint64_t staying(const SegmentView& view, const std::vector<SequenceNumber>& records) {
  std::uint64_t runs = view.live();
  for (auto at = std::lower_bound(records.begin(), records.end(), view.segment->base());
       at != records.end(); ++at) {
    const Ordinal ordinal = view.lower_bound(*at);
    if (ordinal >= view.end) break;
    if (view.sequence(ordinal) == *at && !view.is_dead(ordinal)) --runs;
  }
  return runs;
}

// What becomes of the segments, roughly.
void plan_segments(const Snapshot& snapshot, std::span<const std::size_t> positions,
                   const std::vector<SequenceNumber>& records, ForgetReport& report) {
  for (const std::size_t position : positions) {
    const SegmentView& view = snapshot.segments[position];
    const std::uint64_t bytes = file_bytes(view.segment->file()).value_or(0);
    const std::uint64_t stays = staying(view, records);
    report.freed_bytes += bytes;
    if (stays == 0) {
      ++report.dropped_segments;
      continue;
    }
    ++report.rewritten_segments;
    report.written_bytes += std::uint64_t(double(bytes) * double(stays) / view.end);
  }
}

// What no forget touches: archives and what a repair has set aside.
std::vector<std::filesystem::path> what_may_hold(const LogState& state,
                                                 const ForgetRequest& request,
                                                 const std::set<std::string>& run_ids) {
  auto places = archives_with(
      state.retention->policy().archive, state.catalog->identity().log_id,
      [&](const Run& run) { return is_match(run, request, run_ids); });
  const auto quarantine = state.directory / "segments" / "quarantine";
  std::error_code error;
  for (std::filesystem::directory_iterator entry(quarantine, error), end; !error && entry != end;
       entry.increment(error))
    places.push_back(entry->path());
  if (error && error != std::errc::no_such_file_or_directory)
    places.push_back(quarantine);  // nobody knows
  std::sort(places.begin(), places.end());
  return places;
}

}  // namespace

Expected<ForgetReport> Log::forget(const ForgetRequest& request, const ForgetProgress& progress) {
  if (!impl_->appender)
    return fail(ErrorCode::InvalidArgument, "the log is open for reading only");
  if (auto good = check_request(request); !good) return tl::unexpected(good.error());
  LogState& state = *impl_->writing;
  // Before anything is hidden.
  if (auto able = state.catalog->check_rewritable(); !able)
    return fail(able.error().code,
                fmt::format("nothing was forgotten, since the last step would fail: {}",
                            able.error().message));
  // What is queued was appended before.
  if (auto done = impl_->appender->append_and_wait({}); !done) return tl::unexpected(done.error());
  const auto begin = state.current->get();
  if (auto closed = impl_->appender->close_segment(); !closed)
    return tl::unexpected(closed.error());
  // Whether what is damaged holds any of it turns out later.
  if (auto sealed = impl_->maintenance->wait_idle();
      !sealed && sealed.error().code != ErrorCode::Corruption)
    return tl::unexpected(sealed.error());
  ForgetReport report;
  std::set<std::string> run_ids;
  auto done = impl_->maintenance->alone([&](const std::atomic<bool>& stop) -> Expected<void> {
    auto matches = find_matches(*state.current->get(), *begin, begin->end, request);
    if (!matches) return tl::unexpected(matches.error());
    count(*matches, report);
    run_ids = std::move(matches->run_ids);
    report.pins = count_pins(*state.retention, matches->found.records);
    return forget_found(state, matches->found, stop, report, progress);
  });
  // Small segments of like size may have come of it.
  impl_->maintenance->wake();
  if (!done) return tl::unexpected(done.error());
  report.may_hold = what_may_hold(state, request, run_ids);
  return report;
}

Expected<ForgetReport> Log::plan_forget(const ForgetRequest& request) {
  if (auto good = check_request(request); !good) return tl::unexpected(good.error());
  auto snapshot = this->snapshot();
  if (!snapshot) return tl::unexpected(snapshot.error());
  const LogState& state = impl_->state();
  auto matches = find_matches(**snapshot, **snapshot, (*snapshot)->end, request);
  if (!matches) return tl::unexpected(matches.error());
  ForgetReport report;
  count(*matches, report);
  report.pins = count_pins(*state.retention, matches->found.records);
  auto positions = segments_to_rewrite(state, **snapshot, matches->found.records);
  if (!positions) return tl::unexpected(positions.error());
  plan_segments(**snapshot, *positions, matches->found.records, report);
  report.may_hold = what_may_hold(state, request, matches->run_ids);
  return report;
}

}  // namespace runlog
