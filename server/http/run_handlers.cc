#include "server/http/run_handlers.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "log/paused_runs.h"
#include "query/query.h"
#include "query/run_reader.h"
#include "server/filter_options.h"
#include "server/http/execution_log.h"
#include "server/http/filter_parameters.h"
#include "server/quantities.h"
#include "server/query_answers.h"

namespace runlog {
namespace {

constexpr std::uint64_t kDefaultLimit = 20;
constexpr std::uint64_t kMostRunsOfFlow = 100;  // ObjectStack's
constexpr std::uint64_t kMostHeads = 1000;      // what query::list takes
// Runs and their errors may be large, so a page also ends when it holds so much.
constexpr std::size_t kPageBytes = 8u << 20;

constexpr std::string_view kDataBegins = R"({"success":true,"data":)";

// ObjectStack's, of which runlog never stores the first and the last.
constexpr std::array<std::string_view, 8> kExecutionStatuses = {
    "pending", "running", "paused", "completed", "failed", "cancelled", "timed_out", "retrying"};

// The statuses to look for; an empty list if no stored run can have the one that was asked for.
std::optional<std::vector<RunStatus>> read_execution_status(QueryString& query) {
  const auto name = query.once_or_empty("status");
  if (!name) return std::nullopt;
  if (std::find(kExecutionStatuses.begin(), kExecutionStatuses.end(), *name) ==
      kExecutionStatuses.end()) {
    query.add_problem("status", "invalid_option",
                      fmt::format("'status' must be one of {}", fmt::join(kExecutionStatuses, ", ")));
    return std::nullopt;
  }
  const auto status = status_named(*name);
  return status ? std::vector{*status} : std::vector<RunStatus>();
}

// All that list() can object to here is the cursor.
HttpResponse list_refused(const Error& error) {
  if (error.code != ErrorCode::InvalidArgument) return response_of(error);
  return problems_response({{"cursor", "invalid_value", error.message}});
}

Expected<void> write_run(const RunHead& head, const Snapshot& snapshot, RunReader& runs,
                         std::string& out) {
  if (head.sequence == 0) {
    if (const auto paused = find_paused(snapshot, head.run_id)) {
      return write_execution_log(*paused, out);
    }
  }
  const auto run = runs.read(head.sequence);
  if (!run) return tl::unexpected(run.error());
  write_execution_log(**run, out);
  return {};
}

// Appends the runs of a page as far as it may grow, at least one; returns how many.
Expected<std::size_t> write_runs(const ListResult& page, std::string& out) {
  RunReader runs(page.snapshot);
  std::size_t count = 0;
  for (const RunHead& head : page.runs) {
    if (count > 0 && out.size() > kPageBytes) break;
    if (count++ > 0) out += ',';
    if (auto written = write_run(head, *page.snapshot, runs, out); !written) {
      return tl::unexpected(written.error());
    }
  }
  return count;
}

void end_page(const ListResult& page, std::string& out) {
  fmt::format_to(std::back_inserter(out), R"(],"total":{},"hasMore":{})", page.total,
                 page.has_more);
  if (page.has_more) {
    fmt::format_to(std::back_inserter(out), R"(,"nextCursor":"{}")", page.next_cursor);
  }
  if (page.incomplete) out += R"(,"incomplete":true)";
  out += "}}";
}

HttpResponse list_flow_runs(const HttpRoute& route, const HttpRequest& request, Log& log) {
  QueryString query(request.query);
  const auto statuses = read_execution_status(query);
  ListRequest asked;
  asked.limit = std::uint32_t(query.number("limit", 1, kMostRunsOfFlow).value_or(kDefaultLimit));
  asked.cursor = query.once("cursor").value_or("");
  asked.filter.flows = {route.flow};
  if (statuses) asked.filter.statuses = *statuses;
  if (!query.problems().empty()) return problems_response(query.problems());

  HttpResponse response;
  std::string& out = response.body;
  out.append(kDataBegins).append(R"({"runs":[)");
  if (statuses && statuses->empty()) {
    end_page({}, out);
    return response;
  }
  auto snapshot = log.snapshot();
  if (!snapshot) return response_of(snapshot.error());
  auto page = list(*snapshot, asked);
  if (!page) return list_refused(page.error());
  const auto written = write_runs(*page, out);
  if (!written) return response_of(written.error());
  if (auto ended = end_page_after(*written, asked, *page); !ended) {
    return response_of(ended.error());
  }
  end_page(*page, out);
  return response;
}

HttpResponse no_such_run(const HttpRoute& route, const Snapshot& snapshot) {
  return error_response(404, "RESOURCE_NOT_FOUND",
                        fmt::format("the flow '{}' has no run '{}'{}", route.flow, route.run_id,
                                    snapshot.incomplete ? ", as far as it can be read" : ""));
}

bool matches_etag(const HttpRequest& request, std::string_view etag) {
  const auto known = request.header("if-none-match");
  return known && (*known == "*" || known->find(etag) != std::string_view::npos);
}

// A run that has ended stays as it is under its sequence number, which makes it its own version.
std::optional<HttpResponse> get_ended_run(const HttpRoute& route, const HttpRequest& request,
                                          const std::shared_ptr<const Snapshot>& snapshot,
                                          std::size_t most_bytes) {
  RunReader runs(snapshot);
  const auto sequence = runs.find(route.run_id);
  if (!sequence) return response_of(sequence.error());
  if (!*sequence) return no_such_run(route, *snapshot);
  const auto bytes = runs.body_bytes(**sequence);
  if (!bytes) return response_of(bytes.error());
  if (*bytes > most_bytes) return std::nullopt;
  const auto run = runs.read(**sequence);
  if (!run) return response_of(run.error());
  if ((*run)->flow_name != route.flow) return no_such_run(route, *snapshot);
  HttpResponse response;
  std::string etag = fmt::format("W/\"{:x}-{}\"", snapshot->log_id, **sequence);
  if (matches_etag(request, etag)) {
    response.status = 304;
  } else {
    response.body = kDataBegins;
    write_execution_log(**run, response.body);
    response.body += '}';
  }
  response.headers.emplace_back("ETag", std::move(etag));
  return response;
}

bool read_flag(QueryString& query, std::string_view name) {
  const auto value = query.once(name);
  if (!value || *value == "false") return false;
  if (value->empty() || *value == "true") return true;
  query.add_problem(name, "invalid_boolean", fmt::format("'{}' must be true or false", name));
  return false;
}

HttpResponse list_runs(const HttpRequest& request, Log& log) {
  QueryString query(request.query);
  ListRequest asked;
  asked.filter = read_filter(query, now_ms(), true);
  asked.limit = std::uint32_t(query.number("limit", 1, kMostHeads).value_or(kDefaultLimit));
  asked.cursor = query.once("cursor").value_or("");
  asked.direction =
      read_flag(query, "oldest-first") ? Direction::kOldestFirst : Direction::kNewestFirst;
  query.refuse_others();
  if (!query.problems().empty()) return problems_response(query.problems());
  const auto snapshot = log.snapshot();
  if (!snapshot) return response_of(snapshot.error());
  auto page = list(*snapshot, asked);
  if (!page) return list_refused(page.error());
  HttpResponse response;
  response.body = kDataBegins;
  if (auto written = write_list_answer(asked, *page, kPageBytes, response.body); !written) {
    return response_of(written.error());
  }
  response.body += '}';
  return response;
}

HttpResponse list_groups(const HttpRequest& request, Log& log) {
  QueryString query(request.query);
  const Filter filter = read_filter(query, now_ms(), false);
  const std::string by = query.once_or_empty("by").value_or("error");
  const auto kind = group_kind_named(by);
  if (!kind) {
    query.add_problem("by", "invalid_option",
                      fmt::format("'by' must be one of {}", group_kind_names()));
  }
  const std::uint64_t limit = query.number("limit", 1, kMostHeads).value_or(kDefaultLimit);
  query.refuse_others();
  if (!query.problems().empty()) return problems_response(query.problems());
  const auto snapshot = log.snapshot();
  if (!snapshot) return response_of(snapshot.error());
  const auto all = groups(**snapshot, *kind, filter);
  if (!all) return response_of(all.error());
  const auto matching = count(**snapshot, filter);
  if (!matching) return response_of(matching.error());
  HttpResponse response;
  response.body = kDataBegins;
  write_groups_answer(by, *all, std::min<std::size_t>(all->size(), limit), *matching,
                      (*snapshot)->incomplete, response.body);
  response.body += '}';
  return response;
}

HttpResponse list_flows(const HttpRequest& request, Log& log) {
  QueryString query(request.query);
  const auto flow = query.once("flow");
  query.refuse_others();
  if (!query.problems().empty()) return problems_response(query.problems());
  // A segment that is missing stays missing, so a later snapshot tells.
  auto past = trend(log, flow);
  auto statistics_now = statistics(log, flow);
  const auto snapshot = log.snapshot();
  if (!snapshot) return response_of(snapshot.error());
  const auto flows = make_flows_answer(std::move(past), std::move(statistics_now),
                                       (*snapshot)->incomplete);
  if (!flows) return response_of(flows.error());
  HttpResponse response;
  response.body = kDataBegins;
  write_flows_answer(*flows, response.body);
  response.body += '}';
  return response;
}

}  // namespace

std::optional<HttpResponse> answer_small_run(const HttpRoute& route, const HttpRequest& request,
                                             Log& log, std::size_t most_bytes) {
  const auto snapshot = log.snapshot();
  if (!snapshot) return response_of(snapshot.error());
  const auto paused = find_paused(**snapshot, route.run_id);
  if (!paused) return get_ended_run(route, request, *snapshot, most_bytes);
  if (paused->flow_name != route.flow) return no_such_run(route, **snapshot);
  if (paused->json.size() > most_bytes) return std::nullopt;
  HttpResponse response;
  response.body = kDataBegins;
  if (auto written = write_execution_log(*paused, response.body); !written) {
    return response_of(written.error());
  }
  response.body += '}';
  return response;
}

HttpResponse answer(const HttpRoute& route, const HttpRequest& request, Log& log) {
  switch (route.kind) {
    case HttpRoute::Kind::kFlowRuns: return list_flow_runs(route, request, log);
    case HttpRoute::Kind::kFlowRun: return *answer_small_run(route, request, log, SIZE_MAX);
    case HttpRoute::Kind::kListRuns: return list_runs(request, log);
    case HttpRoute::Kind::kAppendRuns: return append_runs(request, log);
    case HttpRoute::Kind::kGroups: return list_groups(request, log);
    case HttpRoute::Kind::kFlows: return list_flows(request, log);
    default: break;
  }
  return error_response(404, "ENDPOINT_NOT_FOUND", "there is nothing at this path");
}

}  // namespace runlog
