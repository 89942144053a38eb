// A tenant's log as the commands see it: in a directory on this machine, or behind a server that
// --connect names. RemoteLog (server/client/remote_log.h) is the other implementation.
//
// Functions fail with what the functions of Log, PausedRuns and query/query.h fail with that they
// stand for; over a network also with IoError, Busy and OutcomeUnknown.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "log/log.h"
#include "log/paused_runs.h"
#include "query/query.h"
#include "server/commands.h"
#include "server/console.h"

namespace runlog {

class ImportPipeline;

class RunHistory {
 public:
  virtual ~RunHistory() = default;

  // ---- questions; those of a local one are all answered from one snapshot ----------------------
  virtual Expected<ListResult> list(const ListRequest& request) = 0;
  virtual Expected<std::uint64_t> count(const Filter& filter) = 0;
  virtual Expected<std::vector<Group>> groups(TermKind by, const Filter& filter) = 0;
  virtual Expected<std::vector<FlowStatistics>> statistics(
      const std::optional<std::string>& flow) = 0;
  virtual Expected<FlowTrend> trend(const std::optional<std::string>& flow) = 0;
  virtual Expected<OwnedRun> get(std::string_view run_id) = 0;
  // The runs of a page as lines of JSON, none of them a live one.
  virtual Expected<void> write_runs(const ListResult& page, Output& out) = 0;
  virtual Expected<LogInfo> describe() = 0;
  // A damaged segment is missing from the answers.
  virtual Expected<bool> is_incomplete() = 0;

  // ---- paused runs -----------------------------------------------------------------------------
  virtual Expected<PausedRunPtr> find_paused(std::string_view run_id) = 0;  // null: there is none
  virtual Expected<PausedPage> list_paused(const PausedListRequest& request) = 0;
  virtual Expected<void> save_paused(std::string_view suspended_json) = 0;
  virtual Expected<bool> erase_paused(std::string_view run_id) = 0;
  virtual Expected<ClaimResult> claim_paused(std::string_view run_id, OptionalText node_id,
                                             OptionalText correlation, std::string_view owner) = 0;
  virtual Expected<AppendResult> complete_paused(std::string_view run_json) = 0;

  // ---- retention -------------------------------------------------------------------------------
  virtual Expected<RetentionPolicy> retention() = 0;
  virtual Expected<void> set_retention(const RetentionPolicy& policy) = 0;
  virtual Expected<SweepReport> sweep(bool dry_run) = 0;
  virtual Expected<void> hide_expired() = 0;
  virtual Expected<Log::Hidden> hidden_by_retention() = 0;
  virtual Expected<Pin> pin(std::string_view run_id, std::string_view reason,
                            std::optional<UnixMs> until) = 0;
  virtual Expected<void> unpin(std::string_view run_id) = 0;
  virtual Expected<std::vector<Pin>> pins() = 0;

  // ---- the whole log ---------------------------------------------------------------------------
  // `to` is a directory here, or for a server the name of a copy. Who is behind a server sees no
  // progress.
  virtual Expected<BackupReport> backup(const std::string& to, const BackupProgress& progress) = 0;
  virtual Expected<ForgetReport> forget(const ForgetRequest& request,
                                        const ForgetProgress& progress) = 0;
  virtual Expected<ForgetReport> plan_forget(const ForgetRequest& request) = 0;

  // Must not outlive this.
  virtual std::unique_ptr<ImportPipeline> start_import() = 0;

  // Reports what the last commit came to.
  virtual Expected<void> close() = 0;
};

// What a command wants to do with a log.
enum class Access {
  kRead,    // beside whoever writes it
  kChange,  // what is there
  kCreate,  // makes the log if there is none
};
// Errors: NotFound says how a log comes into being; those of Log::open and Client::connect.
Expected<std::unique_ptr<RunHistory>> open_history(const LogPlace& place, Access access);

// Closes it. Returns the worse of `code` and what that comes to.
ExitCode close(RunHistory& history, ExitCode code, Console& console);

// Says so when answers miss a segment.
void warn_if_incomplete(bool is_incomplete, Console& console);

}  // namespace runlog
