// What tests of paused runs share: a suspended run made of a few words, and files of them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "log/paused_runs.h"
#include "log/run_json.h"
#include "server/ndjson_reader.h"
#include "tests/json_sorted.h"
#include "tests/log_fixture.h"

namespace runlog {

// Keeps the text that run() borrows.
struct Suspended {
  std::string run_id;
  std::string flow = "leave_approval";
  std::string node = "hold";
  std::string correlation = "appr_1";
  std::string payload = "x";
  std::string variables = {}, context = {};

  SuspendedRun run() {
    variables = R"({"payload":")" + payload + R"("})";
    context = R"({"event":"manual","userId":"usr_1","tenantId":"acme","object":"crm_lead",)"
              R"("record":{"id":"rec_1"}})";
    SuspendedRun run;
    run.run_id = run_id;
    run.flow_name = flow;
    run.flow_version = 3;
    run.node_id = node;
    run.node_type = "hold";
    run.correlation = correlation;
    run.started_at = 1'792'454'400'000;
    run.variables_json = variables;
    run.context_json = context;
    return run;
  }
};

inline void save(Log& log, Suspended suspended) { must(log.paused().save(suspended.run())); }

inline bool is_paused(Log& log, const std::string& run_id) {
  const auto run = log.paused().load(run_id);
  if (!run) REQUIRE(run.error().code == ErrorCode::NotFound);
  return run.has_value();
}

// The ids of all paused runs, the newest save first.
inline std::vector<std::string> paused_ids(Log& log, PausedListRequest request = {}) {
  std::vector<std::string> ids;
  for (;;) {
    const auto page = log.paused().list(request);
    must(page);
    REQUIRE(page->runs.size() <= request.limit);
    for (const PausedRunPtr& run : page->runs) ids.push_back(run->run_id);
    if (page->next_before == 0) return ids;
    request.before = page->next_before;
  }
}

inline std::string json_of(const PausedRun& paused) {
  const auto suspended = paused.suspended();
  must(suspended);
  std::string json;
  write_json(suspended->run, json);
  return json;
}

// The lines of an NDJSON file, plain or compressed.
inline std::vector<std::string> lines_of(const std::filesystem::path& file) {
  auto source = ByteSource::open(file.string());
  must(source);
  NdjsonReader reader(std::move(*source), kMaxRunJsonBytes);
  std::vector<std::string> lines;
  for (;;) {
    const auto line = reader.next();
    must(line);
    if (!*line) return lines;
    lines.emplace_back((*line)->text);
  }
}

}  // namespace runlog
