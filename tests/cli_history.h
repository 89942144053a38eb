// What the tests of the commands share: runs as JSON, a log that holds some, answers taken apart.
#pragma once

#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <rapidjson/document.h>

#include "log/run_json.h"
#include "tests/cli_process.h"

namespace runlog {

inline constexpr int kDone = 0, kRefused = 1, kUsage = 2, kBroken = 3;

inline rapidjson::Document parse(const std::string& json) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseFullPrecisionFlag>(json.data(), json.size());
  INFO(json);
  REQUIRE_FALSE(document.HasParseError());
  return document;
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// A run that started `minute` minutes after 2026-10-20T00:00Z and took a second.
inline std::string run_line(int number, const std::string& flow, int minute,
                            const std::string& error = "") {
  const std::string start = format_time(1'792'454'400'000 + minute * 60'000);
  const std::string end = format_time(1'792'454'400'000 + minute * 60'000 + 1000);
  std::string line = fmt::format(
      R"({{"runId":"run_{:04}","flowName":"{}","status":"{}","startedAt":"{}","finishedAt":"{}",)"
      R"("durationMs":1000,"triggerType":"api","userId":"usr_{}")",
      number, flow, error.empty() ? "completed" : "failed", start, end, number % 3);
  if (!error.empty()) line += fmt::format(R"(,"error":"{}","nodeId":"write")", error);
  return line + "}\n";
}

// 60 runs of two flows, every tenth failed.
inline std::string sixty_runs() {
  std::string text;
  for (int i = 0; i < 60; ++i) {
    text += run_line(i, i % 2 == 0 ? "lead_routing" : "invoice_dunning", i,
                     i % 10 == 9 ? fmt::format("Record {} not found", i) : "");
  }
  return text;
}

// Makes a log that keeps everything: the runs of tests are older than what a new one keeps.
inline void make_log_that_keeps_all(const std::string& data, const std::string& tenant = "default") {
  const CliResult set = run_cli({"retention", "set", "--data", data, "--tenant", tenant, "--max-age",
                                 "none", "--max-per-flow", "none"});
  INFO(set.err);
  REQUIRE(set.exit_code == kDone);
}

// A folder with a log of sixty runs.
struct History {
  CliFolder folder;
  std::string data = folder.file("history");
  explicit History(const std::string& runs = sixty_runs()) {
    make_log_that_keeps_all(data);
    const CliResult imported = run_cli({"import", "--data", data, folder.write("in.ndjson", runs)});
    INFO(imported.err);
    REQUIRE(imported.exit_code == kDone);
  }
  CliResult run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--data", data});
    return run_cli(arguments);
  }
};

inline std::vector<std::string> ids_of(const rapidjson::Value& page) {
  std::vector<std::string> ids;
  for (const auto& run : page["runs"].GetArray()) ids.push_back(run["runId"].GetString());
  return ids;
}

}  // namespace runlog
