// A log behind a server: what Log, PausedRuns and query/query.h offer, asked over a Client. Every
// function waits for the server and is thread-safe; errors are those of the functions it stands
// for, and those of Client::send.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "log/log.h"
#include "log/paused_runs.h"
#include "query/query.h"
#include "server/client/client.h"
#include "server/follow_runs.h"
#include "server/history.h"
#include "server/protocol/wire_query.h"

namespace runlog {

class RemoteLog final : public RunHistory {
 public:
  // Errors: those of Client::connect.
  static Expected<std::unique_ptr<RemoteLog>> connect(ClientOptions options);
  RemoteLog(std::unique_ptr<Client> client, std::string address)
      : client_(std::move(client)), address_(std::move(address)) {}
  Client& client() { return *client_; }

  // One result for each run, in their order: a run is refused alone. What is not JSON is refused by
  // the server; all runs together must fit a request of 1 MiB.
  using AppendOutcome = Expected<AppendResult>;
  Expected<std::vector<AppendOutcome>> append(const std::vector<std::string_view>& runs_json);
  // The same without waiting; `done` is called on the client's thread.
  void append_async(const std::vector<std::string_view>& runs_json,
                    std::function<void(Expected<std::vector<AppendOutcome>>)> done);

  // As JSON; get() parses it.
  Expected<std::string> get_json(std::string_view run_id);
  Expected<OwnedRun> get(std::string_view run_id) override;
  Expected<std::vector<std::byte>> get_stored(std::string_view run_id);
  // Without a snapshot: the heads borrow from the result's arena.
  Expected<ListResult> list(const ListRequest& request) override;
  Expected<std::uint64_t> count(const Filter& filter) override;
  // All of them. Errors: TooLarge (they don't fit a reply).
  Expected<std::vector<Group>> groups(TermKind by, const Filter& filter) override;
  // `limit` 0: as many as fit a reply.
  Expected<GroupedRuns> groups(TermKind by, const Filter& filter, std::uint32_t limit);
  Expected<std::vector<FlowStatistics>> statistics(
      const std::optional<std::string>& flow) override;
  Expected<FlowTrend> trend(const std::optional<std::string>& flow) override;
  // Many at a time, in their order.
  Expected<void> write_runs(const ListResult& page, Output& out) override;
  // The directory is the server's address.
  Expected<LogInfo> describe() override;
  Expected<bool> is_incomplete() override;
  // Calls `on_runs` with each reply until it returns false, and goes on over lost connections.
  // Errors: those of the server, and of connecting again.
  Expected<void> follow(FollowRequest request, std::chrono::milliseconds heartbeat,
                        const std::function<bool(const FollowedRuns&)>& on_runs);

  Expected<PausedRunPtr> load_paused(std::string_view run_id);
  Expected<PausedRunPtr> find_paused(std::string_view run_id) override;
  // Without the suspended runs' JSON.
  Expected<PausedPage> list_paused(const PausedListRequest& request) override;
  Expected<void> save_paused(std::string_view suspended_json) override;
  Expected<bool> erase_paused(std::string_view run_id) override;
  Expected<ClaimResult> claim_paused(std::string_view run_id, OptionalText node_id,
                                     OptionalText correlation, std::string_view owner) override;
  Expected<AppendResult> complete_paused(std::string_view run_json) override;

  Expected<Pin> pin(std::string_view run_id, std::string_view reason,
                    std::optional<UnixMs> until) override;
  Expected<void> unpin(std::string_view run_id) override;
  Expected<std::vector<Pin>> pins() override;
  Expected<void> hide_expired() override;
  Expected<Log::Hidden> hidden_by_retention() override;
  Expected<void> set_retention(const RetentionPolicy& policy) override;
  Expected<RetentionPolicy> retention() override;
  Expected<SweepReport> sweep(bool dry_run) override;

  Expected<BackupReport> backup(const std::string& name, const BackupProgress&) override;
  Expected<ForgetReport> forget(const ForgetRequest& request, const ForgetProgress&) override;
  Expected<ForgetReport> plan_forget(const ForgetRequest& request) override;

  std::unique_ptr<ImportPipeline> start_import() override;
  Expected<void> close() override { return {}; }

 private:
  Expected<ForgetReport> ask_to_forget(const ForgetRequest& request, bool dry_run);

  std::unique_ptr<Client> client_;
  const std::string address_;
};

}  // namespace runlog
