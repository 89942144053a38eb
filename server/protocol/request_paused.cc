// Requests about paused runs.
#include <fmt/format.h>

#include "log/run_json.h"
#include "server/protocol/request_handlers.h"
#include "server/protocol/wire_log.h"
#include "server/protocol/wire_value.h"

namespace runlog {
namespace {

constexpr std::uint32_t kMostPaused = 1000;  // of a page

RunJsonParser& parser() {
  thread_local RunJsonParser parser;
  return parser;
}

}  // namespace

Answer answer_paused_save(const Question& question) {
  const auto request = question.message.root<wire::JsonRun>();
  TextArena arena;
  SuspendedRun run;
  if (auto parsed = parser().parse_suspended(bytes_of(request.getJson()), arena, run); !parsed)
    return tl::unexpected(parsed.error());
  if (auto saved = question.log.paused().save(run); !saved) return tl::unexpected(saved.error());
  OutgoingMessage<wire::Empty> reply;
  return reply_frame(reply, Kind::kPausedSave, question.request_id);
}

Answer answer_paused_load(const Question& question) {
  const auto request = question.message.root<wire::RunId>();
  auto run = question.log.paused().load(text_of(request.getRunId()));
  if (!run) return tl::unexpected(run.error());
  OutgoingMessage<wire::PausedRun> reply;
  if (auto written = write(**run, true, *reply); !written) return tl::unexpected(written.error());
  return reply_frame(reply, Kind::kPausedLoad, question.request_id);
}

Answer answer_paused_delete(const Question& question) {
  const auto request = question.message.root<wire::RunId>();
  auto existed = question.log.paused().erase(text_of(request.getRunId()));
  if (!existed) return tl::unexpected(existed.error());
  OutgoingMessage<wire::Existed> reply;
  reply->setExisted(*existed);
  return reply_frame(reply, Kind::kPausedDelete, question.request_id);
}

Answer answer_paused_list(const Question& question) {
  const auto in = question.message.root<wire::PausedList>();
  PausedListRequest request;
  request.flow = RUNLOG_GET_STRING(in, Flow);
  request.correlation = RUNLOG_GET_STRING(in, Correlation);
  request.before = in.getBefore();
  if (in.getLimit() > kMostPaused) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a page of {} paused runs is over the limit of {}", in.getLimit(),
                            kMostPaused));
  }
  if (in.getLimit() > 0) request.limit = in.getLimit();
  auto page = question.log.paused().list(request);
  if (!page) return tl::unexpected(page.error());
  OutgoingMessage<wire::PausedPage> reply;
  auto runs = reply->initRuns(unsigned(page->runs.size()));
  for (unsigned i = 0; i < page->runs.size(); ++i) {
    if (auto written = write(*page->runs[i], false, runs[i]); !written)
      return tl::unexpected(written.error());
  }
  reply->setNextBefore(page->next_before);
  return reply_frame(reply, Kind::kPausedList, question.request_id);
}

Answer answer_paused_claim(const Question& question) {
  const auto request = question.message.root<wire::PausedClaim>();
  auto claim = question.log.paused().claim(
      text_of(request.getRunId()), RUNLOG_GET_OPTIONAL(request, NodeId),
      RUNLOG_GET_OPTIONAL(request, Correlation), text_of(request.getOwner()));
  if (!claim) return tl::unexpected(claim.error());
  OutgoingMessage<wire::Claimed> reply;
  if (claim->run) {
    if (auto written = write(*claim->run, true, reply->initRun()); !written)
      return tl::unexpected(written.error());
  } else {
    RUNLOG_SET_TEXT(*reply, LostBecause, claim->lost_because);
  }
  return reply_frame(reply, Kind::kPausedClaim, question.request_id);
}

Answer answer_paused_complete(const Question& question) {
  const auto request = question.message.root<wire::JsonRun>();
  TextArena arena;
  Run run;
  if (auto parsed = parser().parse(bytes_of(request.getJson()), arena, run); !parsed)
    return tl::unexpected(parsed.error());
  auto completed = question.log.paused().complete(run);
  if (!completed) return tl::unexpected(completed.error());
  OutgoingMessage<wire::AppendResult> reply;
  write(*completed, *reply);
  return reply_frame(reply, Kind::kPausedComplete, question.request_id);
}

}  // namespace runlog
