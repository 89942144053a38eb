#include "server/client/remote_log.h"

#include <algorithm>
#include <future>

#include <fmt/format.h>

#include "log/run_json.h"
#include "query/live_runs.h"
#include "server/client/read_reply.h"
#include "server/client/remote_import.h"
#include "server/protocol/wire_log.h"
#include "server/protocol/wire_trend.h"
#include "server/protocol/wire_value.h"

namespace runlog {
namespace {

constexpr std::size_t kRunsAtATime = 64;  // that are fetched for an export

using Outcomes = std::vector<RemoteLog::AppendOutcome>;

Expected<Outcomes> read_appended(const Expected<Reply>& reply, std::size_t runs) {
  return read_reply<wire::Appended>(reply, [runs](auto in) -> Expected<Outcomes> {
    Outcomes outcomes;
    for (const auto result : in.getResults()) {
      if (result.getOutcome() != kRefusedRun) {
        outcomes.push_back(read_append_result(result));
        continue;
      }
      const auto refusal = result.getRefusal();
      outcomes.push_back(tl::unexpected(error_of(FailureCode(refusal.getCode()),
                                                 std::string(RUNLOG_GET_TEXT(refusal, Message)))));
    }
    if (outcomes.size() != runs) return unsound_reply();
    return outcomes;
  });
}

void write_append(const std::vector<std::string_view>& runs,
                  OutgoingMessage<wire::Append>& message) {
  auto list = message->initRuns(unsigned(runs.size()));
  for (unsigned i = 0; i < runs.size(); ++i) list.set(i, data_of(runs[i]));
}

Expected<std::string> json_in(const Expected<Reply>& reply) {
  return read_reply<wire::Got>(reply, [](auto in) -> Expected<std::string> {
    return std::string(bytes_of(in.getRun()));
  });
}

}  // namespace

Expected<std::unique_ptr<RemoteLog>> RemoteLog::connect(ClientOptions options) {
  const std::string address = options.address.text();
  auto client = Client::connect(std::move(options));
  if (!client) return tl::unexpected(client.error());
  return std::make_unique<RemoteLog>(std::move(*client), address);
}

// ---- appending and asking -----------------------------------------------------------------------

Expected<Outcomes> RemoteLog::append(const std::vector<std::string_view>& runs_json) {
  OutgoingMessage<wire::Append> request;
  write_append(runs_json, request);
  return read_appended(client_->ask(Kind::kAppend, request), runs_json.size());
}

void RemoteLog::append_async(const std::vector<std::string_view>& runs_json,
                             std::function<void(Expected<Outcomes>)> done) {
  OutgoingMessage<wire::Append> request;
  write_append(runs_json, request);
  client_->send(Kind::kAppend, request,
                [done = std::move(done), runs = runs_json.size()](Expected<Reply> reply) {
                  done(read_appended(reply, runs));
                });
}

Expected<std::string> RemoteLog::get_json(std::string_view run_id) {
  OutgoingMessage<wire::Get> request;
  set_run_id(request, run_id);
  return json_in(client_->ask(Kind::kGet, request));
}

Expected<OwnedRun> RemoteLog::get(std::string_view run_id) {
  // A run that waits has no status that a record could have.
  auto live = find_paused(run_id);
  if (!live) return tl::unexpected(live.error());
  if (*live) return live_run(**live);
  auto json = get_json(run_id);
  if (!json) return tl::unexpected(json.error());
  OwnedRun run;
  run.arena = std::make_unique<TextArena>();
  if (auto parsed = RunJsonParser().parse(*json, *run.arena, run.run); !parsed)
    return tl::unexpected(parsed.error());
  return run;
}

Expected<std::vector<std::byte>> RemoteLog::get_stored(std::string_view run_id) {
  OutgoingMessage<wire::Get> request;
  set_run_id(request, run_id);
  request->setForm(1);
  return read_reply<wire::Got>(client_->ask(Kind::kGet, request),
                               [](auto in) -> Expected<std::vector<std::byte>> {
                                 const auto bytes =
                                     std::as_bytes(std::span(bytes_of(in.getRun())));
                                 return std::vector<std::byte>(bytes.begin(), bytes.end());
                               });
}

Expected<ListResult> RemoteLog::list(const ListRequest& list_request) {
  OutgoingMessage<wire::ListRuns> request;
  write(list_request, *request);
  request->setWholeErrors(true);
  return read_reply<wire::Page>(client_->ask(Kind::kList, request),
                                [](auto in) { return read_page(in); });
}

Expected<std::uint64_t> RemoteLog::count(const Filter& filter) {
  OutgoingMessage<wire::Count> request;
  write(filter, request->initFilter());
  return read_reply<wire::Counted>(
      client_->ask(Kind::kCount, request),
      [](auto in) -> Expected<std::uint64_t> { return in.getCount(); });
}

Expected<GroupedRuns> RemoteLog::groups(TermKind by, const Filter& filter, std::uint32_t limit) {
  OutgoingMessage<wire::Groups> request;
  request->setBy(std::uint8_t(by));
  write(filter, request->initFilter());
  request->setLimit(limit);
  return read_reply<wire::Grouped>(
      client_->ask(Kind::kGroups, request),
      [](auto in) -> Expected<GroupedRuns> { return read_groups(in); });
}

Expected<std::vector<Group>> RemoteLog::groups(TermKind by, const Filter& filter) {
  auto grouped = groups(by, filter, 0);
  if (!grouped) return tl::unexpected(grouped.error());
  if (grouped->groups.size() < grouped->total_groups) {
    return fail(ErrorCode::TooLarge,
                fmt::format("the {} groups do not fit a reply; narrow the filter",
                            grouped->total_groups));
  }
  return std::move(grouped->groups);
}

Expected<std::vector<FlowStatistics>> RemoteLog::statistics(
    const std::optional<std::string>& flow) {
  OutgoingMessage<wire::Stats> request;
  RUNLOG_SET_IF(*request, Flow, flow);
  return read_reply<wire::StatsOfFlows>(
      client_->ask(Kind::kStats, request),
      [](auto in) -> Expected<std::vector<FlowStatistics>> { return read_statistics(in); });
}

Expected<FlowTrend> RemoteLog::trend(const std::optional<std::string>& flow) {
  OutgoingMessage<wire::Stats> request;
  RUNLOG_SET_IF(*request, Flow, flow);
  return read_reply<wire::Trend>(client_->ask(Kind::kTrend, request),
                                 [](auto in) -> Expected<FlowTrend> { return read_trend(in); });
}

Expected<LogInfo> RemoteLog::describe() {
  OutgoingMessage<wire::Empty> request;
  return read_reply<wire::LogInfo>(
      client_->ask(Kind::kInfo, request),
      [this](auto in) -> Expected<LogInfo> {
        LogInfo info = read_log_info(in);
        info.directory = address_;
        return info;
      });
}

Expected<bool> RemoteLog::is_incomplete() {
  auto info = describe();
  if (!info) return tl::unexpected(info.error());
  return info->incomplete;
}

Expected<void> RemoteLog::write_runs(const ListResult& page, Output& out) {
  for (std::size_t begin = 0; begin < page.runs.size() && !out.failed(); begin += kRunsAtATime) {
    const std::size_t count = std::min(kRunsAtATime, page.runs.size() - begin);
    std::vector<std::promise<Expected<Reply>>> replies(count);
    for (std::size_t i = 0; i < count; ++i) {
      OutgoingMessage<wire::Get> request;
      set_run_id(request, page.runs[begin + i].run_id);
      request->setForm(2);
      client_->send(Kind::kGet, request, [&reply = replies[i]](Expected<Reply> got) {
        reply.set_value(std::move(got));
      });
    }
    Expected<void> result;
    for (auto& reply : replies) {  // all of them, since each refers to what stands here
      auto json = json_in(reply.get_future().get());
      if (json && result) out.write(*json + "\n");
      // What the policy has hidden since the page was made is gone from the log, too.
      const bool is_gone = !json && json.error().code == ErrorCode::NotFound;
      if (!json && !is_gone && result) result = tl::unexpected(json.error());
    }
    if (!result) return result;
  }
  return {};
}

Expected<void> RemoteLog::follow(FollowRequest request, std::chrono::milliseconds heartbeat,
                                 const std::function<bool(const FollowedRuns&)>& on_runs) {
  bool goes_on = true;
  for (unsigned in_vain = 0; in_vain < 3; ++in_vain) {
    OutgoingMessage<wire::Follow> message;
    message->setFrom(request.from);
    message->setHeartbeatMs(std::uint32_t(heartbeat.count()));
    auto flows = message->initFlows(unsigned(request.flows.size()));
    for (unsigned i = 0; i < request.flows.size(); ++i)
      fill(flows.init(i, unsigned(request.flows[i].size())), request.flows[i]);
    std::promise<Error> end;
    client_->follow(
        message,
        [&](const Reply& reply) {
          auto followed = read_reply<wire::Followed>(
              Expected<Reply>(reply), [](auto in) -> Expected<FollowedRuns> {
                FollowedRuns runs;
                for (const auto run : in.getRuns())
                  runs.runs.push_back({run.getSequence(), std::string(bytes_of(run.getJson()))});
                runs.next = in.getNext();
                return runs;
              });
          if (!followed) return false;
          request.from = followed->next;
          in_vain = 0;
          return goes_on = on_runs(*followed);
        },
        [&end](Error why) { end.set_value(std::move(why)); });
    const Error why = end.get_future().get();
    if (!goes_on) return {};
    // A connection that is lost, or closed by a server that stops, comes back; a refusal stays one.
    if (why.code != ErrorCode::IoError && why.code != ErrorCode::Closed) return tl::unexpected(why);
    OutgoingMessage<wire::Empty> ping;
    if (auto back = client_->ask(Kind::kPing, ping); !back) return tl::unexpected(back.error());
  }
  return fail(ErrorCode::IoError, "the server does not let its log be followed");
}

std::unique_ptr<ImportPipeline> RemoteLog::start_import() {
  return std::make_unique<RemoteImport>(*this);
}

// ---- paused runs ------------------------------------------------------------------------------

Expected<void> RemoteLog::save_paused(std::string_view suspended_json) {
  OutgoingMessage<wire::JsonRun> request;
  request->setJson(data_of(suspended_json));
  return empty_reply(client_->ask(Kind::kPausedSave, request));
}

Expected<PausedRunPtr> RemoteLog::load_paused(std::string_view run_id) {
  OutgoingMessage<wire::RunId> request;
  set_run_id(request, run_id);
  return read_reply<wire::PausedRun>(client_->ask(Kind::kPausedLoad, request),
                                     [](auto in) { return read_paused(in); });
}

Expected<PausedRunPtr> RemoteLog::find_paused(std::string_view run_id) {
  auto run = load_paused(run_id);
  if (!run && run.error().code == ErrorCode::NotFound) return PausedRunPtr();
  return run;
}

Expected<bool> RemoteLog::erase_paused(std::string_view run_id) {
  OutgoingMessage<wire::RunId> request;
  set_run_id(request, run_id);
  return read_reply<wire::Existed>(client_->ask(Kind::kPausedDelete, request),
                                   [](auto in) -> Expected<bool> { return in.getExisted(); });
}

Expected<PausedPage> RemoteLog::list_paused(const PausedListRequest& list_request) {
  OutgoingMessage<wire::PausedList> request;
  RUNLOG_SET_IF(*request, Flow, list_request.flow);
  RUNLOG_SET_IF(*request, Correlation, list_request.correlation);
  request->setBefore(list_request.before);
  request->setLimit(std::uint32_t(list_request.limit));
  return read_reply<wire::PausedPage>(
      client_->ask(Kind::kPausedList, request), [](auto in) -> Expected<PausedPage> {
        PausedPage page;
        for (const auto each : in.getRuns()) {
          auto run = read_paused(each);
          if (!run) return tl::unexpected(run.error());
          page.runs.push_back(std::move(*run));
        }
        page.next_before = in.getNextBefore();
        return page;
      });
}

Expected<ClaimResult> RemoteLog::claim_paused(std::string_view run_id, OptionalText node_id,
                                              OptionalText correlation, std::string_view owner) {
  OutgoingMessage<wire::PausedClaim> request;
  set_run_id(request, run_id);
  RUNLOG_SET_IF(*request, NodeId, node_id);
  RUNLOG_SET_IF(*request, Correlation, correlation);
  RUNLOG_SET_TEXT(*request, Owner, owner);
  return read_reply<wire::Claimed>(
      client_->ask(Kind::kPausedClaim, request), [](auto in) -> Expected<ClaimResult> {
        ClaimResult result;
        result.lost_because = RUNLOG_GET_TEXT(in, LostBecause);
        if (!in.hasRun()) return result;
        auto run = read_paused(in.getRun());
        if (!run) return tl::unexpected(run.error());
        result.run = std::move(*run);
        return result;
      });
}

Expected<AppendResult> RemoteLog::complete_paused(std::string_view run_json) {
  OutgoingMessage<wire::JsonRun> request;
  request->setJson(data_of(run_json));
  return read_reply<wire::AppendResult>(client_->ask(Kind::kPausedComplete, request),
                                        [](auto in) { return read_append_result(in); });
}

}  // namespace runlog
