// Answers to questions: get, list, count, groups, stats, info.
#include <numeric>

#include <fmt/format.h>

#include "log/run_json.h"
#include "query/run_reader.h"
#include "server/protocol/request_handlers.h"
#include "server/protocol/wire_log.h"
#include "server/protocol/wire_query.h"
#include "server/protocol/wire_trend.h"
#include "server/protocol/wire_value.h"
#include "server/query_answers.h"

namespace runlog {
namespace {

constexpr std::uint32_t kShortPage = 100;
constexpr unsigned kShortFilter = 8;  // flows and labels, each of which is looked up
// Of a group's name and what surrounds it: groups that are not asked for by number fit a reply.
constexpr std::size_t kGroupBytes = 64;

bool is_short_filter(wire::Filter::Reader filter) {
  return filter.getFlows().size() + filter.getLabels().size() <= kShortFilter &&
         !filter.hasErrorText() && !filter.hasFinishedFrom() && !filter.hasFinishedTo() &&
         !filter.hasStartedFrom() && !filter.hasStartedTo();
}

// How many of the groups fit a reply.
std::size_t fitting(const std::vector<Group>& groups, std::size_t limit) {
  std::size_t bytes = 0, count = 0;
  while (count < groups.size() && count < limit) {
    bytes += groups[count].name.size() + groups[count].object.value_or("").size() + kGroupBytes;
    if (bytes > kMaxReplyBytes / 2) break;
    ++count;
  }
  return count;
}

// Puts the whole message where a head has only its beginning. Errors: Corruption.
Expected<void> complete_errors(ListResult& page) {
  if (!page.arena) page.arena = std::make_unique<TextArena>();
  RunReader runs(page.snapshot);  // a run may have ended and be paused again
  for (RunHead& head : page.runs) {
    if (!head.error_is_cut) continue;
    const auto whole = runs.read(head.sequence);
    if (!whole) return tl::unexpected(whole.error());
    if ((*whole)->error && (*whole)->error->message)
      head.error_message = page.arena->keep(*(*whole)->error->message);
    head.error_is_cut = false;
  }
  return {};
}

// Ends a page where a reply is half full, after one run at least.
Expected<void> fit_page(const ListRequest& asked, ListResult& page) {
  constexpr std::size_t kHeadBytes = 1024;  // roughly, without the message
  std::size_t bytes = 0, count = 0;
  for (const RunHead& head : page.runs) {
    bytes += kHeadBytes + head.error_message.value_or("").size();
    if (count > 0 && bytes > kMaxReplyBytes / 2) break;
    ++count;
  }
  if (auto ended = end_page_after(count, asked, page); !ended) return ended;
  page.runs.resize(count);
  return {};
}

// The terminal record, also of a run that is paused again. Errors: NotFound; Corruption; IoError.
Expected<std::string> recorded_json(std::shared_ptr<const Snapshot> snapshot,
                                    std::string_view run_id) {
  RunReader runs(std::move(snapshot));
  const auto sequence = runs.find(run_id);
  if (!sequence) return tl::unexpected(sequence.error());
  if (!*sequence)
    return fail(ErrorCode::NotFound, fmt::format("there is no record of run '{}'", run_id));
  const auto run = runs.read(**sequence);
  if (!run) return tl::unexpected(run.error());
  std::string json;
  write_json(**run, json);
  return json;
}

}  // namespace

bool is_short_list(ReceivedMessage& message) {
  const auto request = message.root<wire::ListRuns>();
  return request.getLimit() <= kShortPage && !request.getWholeErrors() &&
         is_short_filter(request.getFilter());
}

bool is_short_count(ReceivedMessage& message) {
  return is_short_filter(message.root<wire::Count>().getFilter());
}

Answer answer_get(const Question& question) {
  const auto request = question.message.root<wire::Get>();
  auto snapshot = question.log.snapshot();
  if (!snapshot) return tl::unexpected(snapshot.error());
  OutgoingMessage<wire::Got> reply;
  reply->setForm(request.getForm());
  if (request.getForm() == 1) {
    thread_local std::vector<std::byte> record;
    auto sequence = get_stored(**snapshot, text_of(request.getRunId()), record);
    if (!sequence) return tl::unexpected(sequence.error());
    reply->setSequence(*sequence);
    reply->setRun({reinterpret_cast<const kj::byte*>(record.data()), record.size()});
  } else if (request.getForm() == 0) {
    auto run = get(*snapshot, text_of(request.getRunId()));
    if (!run) return tl::unexpected(run.error());
    std::string json;
    write_json(run->run, json);
    reply->setRun(data_of(json));
  } else if (request.getForm() == 2) {
    const auto json = recorded_json(*snapshot, text_of(request.getRunId()));
    if (!json) return tl::unexpected(json.error());
    reply->setRun(data_of(*json));
  } else {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("there is no form {} of a run", request.getForm()));
  }
  return reply_frame(reply, Kind::kGet, question.request_id);
}

Answer answer_list(const Question& question) {
  const auto request = read_list_request(question.message.root<wire::ListRuns>());
  if (!request) return tl::unexpected(request.error());
  auto snapshot = question.log.snapshot();
  if (!snapshot) return tl::unexpected(snapshot.error());
  auto page = list(std::move(*snapshot), *request);
  if (!page) return tl::unexpected(page.error());
  if (question.message.root<wire::ListRuns>().getWholeErrors()) {
    if (auto completed = complete_errors(*page); !completed)
      return tl::unexpected(completed.error());
  }
  if (auto fits = fit_page(*request, *page); !fits) return tl::unexpected(fits.error());
  OutgoingMessage<wire::Page> reply;
  write(*page, *reply);
  return reply_frame(reply, Kind::kList, question.request_id);
}

Answer answer_count(const Question& question) {
  const auto filter = read_filter(question.message.root<wire::Count>().getFilter());
  if (!filter) return tl::unexpected(filter.error());
  auto snapshot = question.log.snapshot();
  if (!snapshot) return tl::unexpected(snapshot.error());
  const auto counted = count(**snapshot, *filter);
  if (!counted) return tl::unexpected(counted.error());
  OutgoingMessage<wire::Counted> reply;
  reply->setCount(*counted);
  reply->setIncomplete((*snapshot)->incomplete);
  return reply_frame(reply, Kind::kCount, question.request_id);
}

Answer answer_groups(const Question& question) {
  const auto request = question.message.root<wire::Groups>();
  const auto filter = read_filter(request.getFilter());
  if (!filter) return tl::unexpected(filter.error());
  auto snapshot = question.log.snapshot();
  if (!snapshot) return tl::unexpected(snapshot.error());
  auto all = groups(**snapshot, TermKind(request.getBy()), *filter);
  if (!all) return tl::unexpected(all.error());
  const auto matching = count(**snapshot, *filter);
  if (!matching) return tl::unexpected(matching.error());
  GroupedRuns grouped;
  grouped.total_groups = all->size();
  grouped.total_runs = *matching;
  grouped.grouped_runs = std::accumulate(
      all->begin(), all->end(), std::uint64_t(0),
      [](std::uint64_t sum, const Group& group) { return sum + group.count; });
  grouped.incomplete = (*snapshot)->incomplete;
  all->resize(fitting(*all, request.getLimit() == 0 ? all->size() : request.getLimit()));
  grouped.groups = std::move(*all);
  OutgoingMessage<wire::Grouped> reply;
  write(grouped, *reply);
  return reply_frame(reply, Kind::kGroups, question.request_id);
}

Answer answer_stats(const Question& question) {
  const auto request = question.message.root<wire::Stats>();
  const auto flows = statistics(question.log, RUNLOG_GET_STRING(request, Flow));
  if (!flows) return tl::unexpected(flows.error());
  OutgoingMessage<wire::StatsOfFlows> reply;
  write(*flows, *reply);
  return reply_frame(reply, Kind::kStats, question.request_id);
}

Answer answer_trend(const Question& question) {
  const auto request = question.message.root<wire::Stats>();
  const auto past = trend(question.log, RUNLOG_GET_STRING(request, Flow));
  if (!past) return tl::unexpected(past.error());
  OutgoingMessage<wire::Trend> reply;
  write(*past, *reply);
  return reply_frame(reply, Kind::kTrend, question.request_id);
}

Answer answer_info(const Question& question) {
  OutgoingMessage<wire::LogInfo> reply;
  write(question.log.describe(), *reply);
  return reply_frame(reply, Kind::kInfo, question.request_id);
}

}  // namespace runlog
