#include "server/protocol/append_request.h"

#include <map>

#include <fmt/format.h>

#include "log/run_json.h"
#include "server/protocol/requests.h"
#include "server/protocol/wire_log.h"
#include "server/protocol/wire_value.h"

namespace runlog {
namespace {

// A reply has a result for each run, and for each one that is refused its reason.
constexpr unsigned kMostRuns = 20'000;

using Refusals = std::map<unsigned, Error>;  // by the run's position

void write_failure(const Error& error, wire::Failure::Builder out) {
  const Failure failure = failure_of(error);
  out.setCode(std::uint16_t(failure.code));
  RUNLOG_SET_TEXT(out, Message, failure.message);
}

Expected<std::string> appended_frame(unsigned runs, const Refusals& refusals,
                                     const std::vector<AppendResult>& results,
                                     std::uint64_t request_id) {
  OutgoingMessage<wire::Appended> reply;
  auto list = reply->initResults(runs);
  auto next = results.begin();
  for (unsigned i = 0; i < runs; ++i) {
    if (const auto refused = refusals.find(i); refused != refusals.end()) {
      list[i].setOutcome(kRefusedRun);
      write_failure(refused->second, list[i].initRefusal());
    } else {
      write(*next++, list[i]);
    }
  }
  return reply_frame(reply, Kind::kAppend, request_id);
}

}  // namespace

void append_runs(Log& log, ReceivedMessage& message, std::uint64_t request_id,
                 std::function<void(Expected<std::string>)> done) {
  thread_local RunJsonParser parser;
  const auto request = message.root<wire::Append>();
  if (request.getEncoding() != 0) {
    return done(fail(ErrorCode::InvalidArgument,
                     fmt::format("there is no encoding {} of runs", request.getEncoding())));
  }
  const auto runs = request.getRuns();
  const unsigned count = runs.size();
  if (count > kMostRuns) {
    return done(fail(ErrorCode::TooLarge,
                     fmt::format("an append of {} runs is over the limit of {}", count,
                                 kMostRuns)));
  }
  Batch batch = log.make_batch();
  Refusals refusals;
  for (unsigned i = 0; i < count; ++i) {
    TextArena arena;
    Run run;
    auto taken = parser.parse(bytes_of(runs[i]), arena, run);
    if (taken) taken = batch.add(run);
    if (!taken) refusals.emplace(i, taken.error());
  }
  if (batch.size() == 0) return done(appended_frame(count, refusals, {}, request_id));
  log.append_async(std::move(batch), [count, refusals = std::move(refusals), request_id,
                                      done = std::move(done)](auto results) {
    if (!results) return done(tl::unexpected(results.error()));
    done(appended_frame(count, refusals, *results, request_id));
  });
}

}  // namespace runlog
