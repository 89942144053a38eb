#include "server/client/remote_log.h"

#include <future>

#include "log/run_json.h"
#include "server/protocol/wire_log.h"
#include "server/protocol/wire_value.h"

namespace runlog {
namespace {

tl::unexpected<Error> unsound() {
  return fail(ErrorCode::InvalidArgument, "the server's reply is unsound");
}

// Reads a reply's message with `read`, which may throw.
template <typename T, typename Read>
auto read_reply(const Expected<Reply>& reply, Read read)
    -> decltype(read(std::declval<typename T::Reader>())) {
  if (!reply) return tl::unexpected(reply.error());
  try {
    ReceivedMessage message(reply->body());
    return read(message.root<T>());
  } catch (const kj::Exception&) {
    return unsound();
  }
}

template <typename T>
void set_run_id(OutgoingMessage<T>& message, std::string_view run_id) {
  RUNLOG_SET_TEXT(*message, RunId, run_id);
}

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
    if (outcomes.size() != runs) return unsound();
    return outcomes;
  });
}

void write_append(const std::vector<std::string_view>& runs,
                  OutgoingMessage<wire::Append>& message) {
  auto list = message->initRuns(unsigned(runs.size()));
  for (unsigned i = 0; i < runs.size(); ++i) list.set(i, data_of(runs[i]));
}

Expected<void> empty_reply(const Expected<Reply>& reply) {
  return reply ? Expected<void>() : tl::unexpected(reply.error());
}

}  // namespace

Expected<std::unique_ptr<RemoteLog>> RemoteLog::connect(ClientOptions options) {
  auto client = Client::connect(std::move(options));
  if (!client) return tl::unexpected(client.error());
  return std::make_unique<RemoteLog>(std::move(*client));
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
  return read_reply<wire::Got>(client_->ask(Kind::kGet, request),
                               [](auto in) -> Expected<std::string> {
                                 return std::string(bytes_of(in.getRun()));
                               });
}

Expected<OwnedRun> RemoteLog::get(std::string_view run_id) {
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

Expected<std::vector<FlowStatistics>> RemoteLog::statistics(
    const std::optional<std::string>& flow) {
  OutgoingMessage<wire::Stats> request;
  RUNLOG_SET_IF(*request, Flow, flow);
  return read_reply<wire::StatsOfFlows>(
      client_->ask(Kind::kStats, request),
      [](auto in) -> Expected<std::vector<FlowStatistics>> { return read_statistics(in); });
}

Expected<LogInfo> RemoteLog::describe() {
  OutgoingMessage<wire::Empty> request;
  return read_reply<wire::LogInfo>(
      client_->ask(Kind::kInfo, request),
      [](auto in) -> Expected<LogInfo> { return read_log_info(in); });
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

// ---- retention --------------------------------------------------------------------------------

Expected<Pin> RemoteLog::pin(std::string_view run_id, std::string_view reason,
                             std::optional<UnixMs> until) {
  OutgoingMessage<wire::Pin> request;
  set_run_id(request, run_id);
  RUNLOG_SET_TEXT(*request, Reason, reason);
  RUNLOG_SET_INT(*request, Until, until);
  return read_reply<wire::Pinned>(client_->ask(Kind::kPin, request),
                                  [](auto in) -> Expected<Pin> { return read_pin(in); });
}

Expected<void> RemoteLog::unpin(std::string_view run_id) {
  OutgoingMessage<wire::RunId> request;
  set_run_id(request, run_id);
  return empty_reply(client_->ask(Kind::kUnpin, request));
}

Expected<void> RemoteLog::hide_expired() {
  OutgoingMessage<wire::Empty> request;
  return empty_reply(client_->ask(Kind::kHideExpired, request));
}

Expected<void> RemoteLog::set_retention(const RetentionPolicy& policy) {
  if (auto sound = check_policy(policy); !sound) return sound;  // and the sentence that says why
  const std::vector<std::byte> stored = encode_policy(policy);
  OutgoingMessage<wire::Policy> request;
  request->setPolicy({reinterpret_cast<const kj::byte*>(stored.data()), stored.size()});
  return empty_reply(client_->ask(Kind::kSetPolicy, request));
}

Expected<Log::Hidden> RemoteLog::hidden_by_retention() {
  OutgoingMessage<wire::Empty> request;
  return read_reply<wire::Hidden>(
      client_->ask(Kind::kHidden, request),
      [](auto in) -> Expected<Log::Hidden> { return read_hidden(in); });
}

Expected<std::vector<Pin>> RemoteLog::pins() {
  OutgoingMessage<wire::Empty> request;
  return read_reply<wire::Pins>(client_->ask(Kind::kPins, request),
                                [](auto in) -> Expected<std::vector<Pin>> {
                                  std::vector<Pin> pins;
                                  for (const auto pin : in.getPins()) pins.push_back(read_pin(pin));
                                  return pins;
                                });
}

Expected<RetentionPolicy> RemoteLog::retention() {
  OutgoingMessage<wire::Empty> request;
  return read_reply<wire::Policy>(
      client_->ask(Kind::kGetPolicy, request), [](auto in) -> Expected<RetentionPolicy> {
        return decode_policy(std::as_bytes(std::span(bytes_of(in.getPolicy()))));
      });
}

Expected<SweepReport> RemoteLog::sweep(bool dry_run) {
  OutgoingMessage<wire::Sweep> request;
  request->setDryRun(dry_run);
  return read_reply<wire::Swept>(
      client_->ask(Kind::kSweep, request),
      [](auto in) -> Expected<SweepReport> { return read_sweep(in); });
}

}  // namespace runlog
