#include "server/history.h"

#include <algorithm>

#include "log/run_json.h"
#include "query/run_reader.h"
#include "server/client/remote_log.h"
#include "server/import_pipeline.h"
#include "server/open_log.h"

namespace runlog {
namespace {

class LocalHistory final : public RunHistory {
 public:
  explicit LocalHistory(std::shared_ptr<Log> log) : log_(std::move(log)) {}

  Expected<ListResult> list(const ListRequest& request) override {
    auto now = snapshot();
    if (!now) return tl::unexpected(now.error());
    return runlog::list(*now, request);
  }
  Expected<std::uint64_t> count(const Filter& filter) override {
    auto now = snapshot();
    if (!now) return tl::unexpected(now.error());
    return runlog::count(**now, filter);
  }
  Expected<std::vector<Group>> groups(TermKind by, const Filter& filter) override {
    auto now = snapshot();
    if (!now) return tl::unexpected(now.error());
    return runlog::groups(**now, by, filter);
  }
  Expected<std::vector<FlowStatistics>> statistics(
      const std::optional<std::string>& flow) override {
    return runlog::statistics(*log_, flow);
  }
  Expected<FlowTrend> trend(const std::optional<std::string>& flow) override {
    return runlog::trend(*log_, flow);
  }
  Expected<OwnedRun> get(std::string_view run_id) override {
    auto now = snapshot();
    if (!now) return tl::unexpected(now.error());
    return runlog::get(*now, run_id);
  }
  Expected<void> write_runs(const ListResult& page, Output& out) override {
    std::string line;
    RunReader runs(page.snapshot);  // by number: under its id a run may be paused again
    for (const RunHead& head : page.runs) {
      const auto run = runs.read(head.sequence);
      if (!run) return tl::unexpected(run.error());
      line.clear();
      write_json(**run, line);
      line += '\n';
      out.write(line);
      if (out.failed()) return {};
    }
    return {};
  }
  Expected<LogInfo> describe() override { return log_->describe(); }
  // A segment that is missing stays missing, so a later snapshot tells.
  Expected<bool> is_incomplete() override {
    auto now = log_->snapshot();
    if (!now) return tl::unexpected(now.error());
    return (*now)->incomplete;
  }

  Expected<PausedRunPtr> find_paused(std::string_view run_id) override {
    auto now = snapshot();
    if (!now) return tl::unexpected(now.error());
    return runlog::find_paused(**now, run_id);
  }
  Expected<PausedPage> list_paused(const PausedListRequest& request) override {
    return log_->paused().list(request);
  }
  Expected<void> save_paused(std::string_view suspended_json) override {
    TextArena arena;
    SuspendedRun run;
    if (auto parsed = parser_.parse_suspended(suspended_json, arena, run); !parsed) return parsed;
    return log_->paused().save(run);
  }
  Expected<bool> erase_paused(std::string_view run_id) override {
    return log_->paused().erase(run_id);
  }
  Expected<ClaimResult> claim_paused(std::string_view run_id, OptionalText node_id,
                                     OptionalText correlation, std::string_view owner) override {
    return log_->paused().claim(run_id, node_id, correlation, owner);
  }
  Expected<AppendResult> complete_paused(std::string_view run_json) override {
    TextArena arena;
    Run run;
    if (auto parsed = parser_.parse(run_json, arena, run); !parsed)
      return tl::unexpected(parsed.error());
    return log_->paused().complete(run);
  }

  Expected<RetentionPolicy> retention() override { return log_->retention(); }
  Expected<void> set_retention(const RetentionPolicy& policy) override {
    return log_->set_retention(policy);
  }
  Expected<SweepReport> sweep(bool dry_run) override {
    return dry_run ? log_->plan_sweep() : log_->sweep();
  }
  Expected<void> hide_expired() override { return log_->hide_expired(); }
  Expected<Log::Hidden> hidden_by_retention() override { return log_->hidden_by_retention(); }
  Expected<Pin> pin(std::string_view run_id, std::string_view reason,
                    std::optional<UnixMs> until) override {
    return log_->pin(run_id, reason, until);
  }
  Expected<void> unpin(std::string_view run_id) override { return log_->unpin(run_id); }
  Expected<std::vector<Pin>> pins() override { return log_->pins(); }

  Expected<BackupReport> backup(const std::string& to, const BackupProgress& progress) override {
    return log_->backup(to, progress);
  }
  Expected<ForgetReport> forget(const ForgetRequest& request,
                                const ForgetProgress& progress) override {
    return log_->forget(request, progress);
  }
  Expected<ForgetReport> plan_forget(const ForgetRequest& request) override {
    return log_->plan_forget(request);
  }

  std::unique_ptr<ImportPipeline> start_import() override {
    return std::make_unique<LogImport>(*log_);
  }
  Expected<void> close() override { return log_->close(); }

 private:
  // Made for the first question: who asks none keeps no segment from being given back.
  Expected<std::shared_ptr<const Snapshot>> snapshot() {
    if (snapshot_) return snapshot_;
    auto now = log_->snapshot();
    if (now) snapshot_ = *now;
    return now;
  }

  std::shared_ptr<Log> log_;
  std::shared_ptr<const Snapshot> snapshot_;  // null until then
  RunJsonParser parser_;
};

Expected<std::shared_ptr<Log>> open_log(const LogPlace& place, Access access) {
  switch (access) {
    case Access::kRead: return open_for_reading(place);
    case Access::kChange: return open_for_changing(place);
    case Access::kCreate: break;
  }
  return Log::open(place.directory());
}

}  // namespace

Expected<std::unique_ptr<RunHistory>> open_history(const LogPlace& place, Access access) {
  if (place.server) {
    auto remote = RemoteLog::connect(*place.server);
    if (!remote) return tl::unexpected(remote.error());
    return std::move(*remote);
  }
  auto log = open_log(place, access);
  if (!log) return tl::unexpected(log.error());
  return std::make_unique<LocalHistory>(std::move(*log));
}

ExitCode close(RunHistory& history, ExitCode code, Console& console) {
  auto closed = history.close();
  return closed ? code : std::max(code, complain(console, closed.error()));
}

void warn_if_incomplete(bool is_incomplete, Console& console) {
  if (!is_incomplete) return;
  console.err.write("runlog: the answer is incomplete: it misses a damaged segment, see "
                    "`runlog verify`\n");
}

}  // namespace runlog
