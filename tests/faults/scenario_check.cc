#include "log/run_json.h"
#include "log/verify.h"
#include "query/query.h"
#include "tests/faults/scenario.h"

namespace runlog::faults {
namespace {

std::string json_of(const Run& run) {
  std::string text;
  write_json(run, text);
  return text;
}

// The content number that a run was made from; what is wrong with it otherwise.
Expected<std::uint64_t> content_of(const Run& run) {
  static constexpr std::string_view kBefore = "{\"content\":\"";
  const std::string text(run.trigger_record_json);
  if (!text.starts_with(kBefore)) return fail(ErrorCode::Corruption, "a run without its content");
  const std::uint64_t content = std::strtoull(text.c_str() + kBefore.size(), nullptr, 10);
  const MadeRun made = make_run(run.run_id, content);
  if (made.run == run) return content;
  return fail(ErrorCode::Corruption, "run " + std::string(run.run_id) + " reads back as " +
                                         json_of(run) + " instead of " + json_of(made.run));
}

Expected<VisibleRuns> read_runs(const std::shared_ptr<const Snapshot>& snapshot) {
  VisibleRuns runs;
  ListRequest request;
  request.limit = 1000;
  SequenceNumber before = snapshot->end;
  for (;;) {
    auto page = list(snapshot, request);
    if (!page) return tl::unexpected(page.error());
    if (page->incomplete) return fail(ErrorCode::Corruption, "the answer is incomplete");
    if (page->total != snapshot->live())
      return fail(ErrorCode::Corruption, "the total is " + std::to_string(page->total) + " and " +
                                             std::to_string(snapshot->live()) + " runs are live");
    for (const RunHead& head : page->runs) {
      const std::string id(head.run_id);
      if (head.sequence >= before)
        return fail(ErrorCode::Corruption, "run " + id + " is listed out of order");
      before = head.sequence;
      auto whole = get(snapshot, id);
      if (!whole) return tl::unexpected(whole.error());
      auto content = content_of(whole->run);
      if (!content) return tl::unexpected(content.error());
      if (!runs.emplace(id, *content).second)
        return fail(ErrorCode::Corruption, "run " + id + " is listed twice");
    }
    if (!page->has_more) break;
    request.cursor = page->next_cursor;
  }
  if (runs.size() != snapshot->live())
    return fail(ErrorCode::Corruption, std::to_string(runs.size()) + " runs are listed and " +
                                           std::to_string(snapshot->live()) + " are live");
  return runs;
}

// What does not agree with `runs` among the log's counts; empty if all do.
Expected<void> check_counts(Log& log, const VisibleRuns& runs) {
  auto statistic = statistics(log, std::nullopt);
  if (!statistic) return tl::unexpected(statistic.error());
  std::uint64_t total = 0;
  if (!statistic->empty())
    for (const std::uint64_t count : statistic->front().runs) total += count;
  if (total != runs.size())
    return fail(ErrorCode::Corruption, "the statistics count " + std::to_string(total) + " of " +
                                           std::to_string(runs.size()) + " runs");
  auto snapshot = log.snapshot();
  if (!snapshot) return tl::unexpected(snapshot.error());
  for (unsigned status = 0; status < kRunStatusCount; ++status) {
    Filter filter;
    filter.statuses = {static_cast<RunStatus>(status)};
    auto counted = count(**snapshot, filter);
    if (!counted) return tl::unexpected(counted.error());
    std::uint64_t made = 0;
    for (const auto& [id, content] : runs)
      made += make_run(id, content).run.status == filter.statuses[0];
    if (*counted != made)
      return fail(ErrorCode::Corruption,
                  "status " + std::to_string(status) + " counts " + std::to_string(*counted) +
                      " runs instead of " + std::to_string(made));
  }
  return {};
}

// Appends one run and checks what the log says of it.
std::string append_one(Log& log, VisibleRuns& runs, const std::string& id, std::uint64_t content,
                       AppendResult::Outcome outcome) {
  const MadeRun made = make_run(id, content);
  const auto result = log.append(made.run);
  if (!result) return "append: " + result.error().message;
  if (result->outcome != outcome) return "append of " + id + " has the wrong outcome";
  runs[id] = content;
  return "";
}

std::string append_more(Log& log, VisibleRuns& runs) {
  using Outcome = AppendResult::Outcome;
  const std::uint64_t fresh = 900'000'000'000'000 + runs.size();
  std::string wrong;
  if (!runs.empty()) {
    const auto [id, content] = *runs.begin();
    wrong = append_one(log, runs, id, content, Outcome::kDuplicate);
    if (wrong.empty())
      wrong = append_one(log, runs, runs.rbegin()->first, fresh, Outcome::kSuperseded);
  }
  if (wrong.empty())
    wrong = append_one(log, runs, "after-crash-" + std::to_string(fresh), fresh + 1,
                       Outcome::kAppended);
  return wrong;
}

std::string verify_clean(const std::filesystem::path& log) {
  const auto report = verify_log(log);
  if (!report) return "verify: " + report.error().message;
  if (!report->damage.empty()) return "verify: " + report->damage.front();
  return "";
}

}  // namespace

FoundRuns read_log(Log& log) {
  FoundRuns found;
  auto snapshot = log.snapshot();
  if (!snapshot) {
    found.wrong = "snapshot: " + snapshot.error().message;
    return found;
  }
  auto runs = read_runs(*snapshot);
  if (!runs) {
    found.wrong = runs.error().message;
    return found;
  }
  found.runs = std::move(*runs);
  if (auto checked = check_counts(log, found.runs); !checked) found.wrong = checked.error().message;
  return found;
}

std::string check_after_crash(const std::filesystem::path& directory,
                              const ExpectedRuns& expected, VisibleRuns* left) {
  VisibleRuns runs;
  {
    auto log = Log::open(directory, small_log_options());
    if (!log) return "open: " + log.error().message;
    FoundRuns found = read_log(**log);
    if (!found.wrong.empty()) return found.wrong;
    if (std::string wrong = expected.judge(found.runs); !wrong.empty()) return wrong;
    runs = std::move(found.runs);
    if (std::string wrong = append_more(**log, runs); !wrong.empty()) return wrong;
    if (auto idle = (*log)->wait_idle(); !idle) return "wait_idle: " + idle.error().message;
    if (std::string wrong = verify_clean(directory); !wrong.empty()) return wrong;
    found = read_log(**log);
    if (!found.wrong.empty()) return "after appending, " + found.wrong;
    if (found.runs != runs) return "after appending, the log holds something else";
    if (auto closed = (*log)->close(); !closed) return "close: " + closed.error().message;
  }
  auto reader = Log::open_read_only(directory);
  if (!reader) return "open for reading: " + reader.error().message;
  const FoundRuns found = read_log(**reader);
  if (!found.wrong.empty()) return "read only, " + found.wrong;
  if (found.runs != runs) return "read only, the log holds something else";
  if (left != nullptr) *left = std::move(runs);
  return "";
}

}  // namespace runlog::faults
