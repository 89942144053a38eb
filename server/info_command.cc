// `runlog info`: what a log consists of and what it costs.
#include <fmt/format.h>

#include "log/log.h"
#include "log/run_json.h"
#include "server/commands.h"
#include "server/display_text.h"
#include "server/json_answer.h"
#include "server/history.h"
#include "server/quantities.h"
#include "server/terminal_table.h"

namespace runlog {
namespace {

using Align = TerminalTable::Align;

std::string per_run(std::uint64_t bytes, std::uint64_t runs) {
  return runs == 0 ? std::string() : format_count(bytes / runs) + " B";
}

void print_for_people(const LogInfo& log, Console& console) {
  std::string text = fmt::format("{}\n{} in {}", log.directory.string(), count_of(log.runs, "run"),
                                 format_bytes(log.bytes));
  if (log.runs > 0) text += fmt::format(", {} a run", per_run(log.bytes, log.runs));
  if (log.hidden > 0) text += fmt::format("; {} hidden", format_count(log.hidden));
  if (log.paused > 0) text += fmt::format("; {} paused", format_count(log.paused));
  text += fmt::format("; {}; index in memory {}\n", count_of(log.names, "name"),
                      format_bytes(log.index_memory_bytes));
  console.out.write(text + "\n");

  TerminalTable table({{"SEGMENT", Align::kRight},
                       {"STATE"},
                       {"RUNS", Align::kRight},
                       {"HIDDEN", Align::kRight},
                       {"SIZE", Align::kRight},
                       {"A RUN", Align::kRight},
                       {"SEQUENCE", Align::kLeft, 0, 3},
                       {"OLDEST (UTC)", Align::kLeft, 0, 2},
                       {"NEWEST (UTC)", Align::kLeft, 0, 1}});
  for (const SegmentInfo& segment : log.segments) {
    const bool any = segment.runs > 0;
    table.add_row({{fmt::format("{}", segment.id)},
                   {segment.state},
                   {format_count(segment.runs)},
                   {format_count(segment.hidden)},
                   {format_bytes(segment.file_bytes)},
                   {per_run(segment.file_bytes, segment.runs)},
                   {any ? fmt::format("{}{}{}", segment.first, console.screen.dash(), segment.last)
                        : ""},
                   {any ? format_instant(segment.oldest) : ""},
                   {any ? format_instant(segment.newest) : ""}});
  }
  console.out.write(table.render(console.screen));
  for (const auto& dictionary : log.dictionaries) {
    console.out.write(fmt::format("dictionary {}: {}\n", dictionary.number,
                                  format_bytes(dictionary.bytes)));
  }
  if (!log.archive.empty())
    console.out.write(fmt::format("archive: {}\n", printable(log.archive)));
  if (!log.archive_problem.empty()) {
    console.out.write(console.screen.paint(printable(log.archive_problem), Style::kBad) + "\n");
  }
  if (log.incomplete) {
    console.out.write(console.screen.paint(
        "incomplete: a damaged segment is missing, see `runlog verify`", Style::kBad) + "\n");
  }
}

void write_segment(const SegmentInfo& segment, JsonAnswer& json) {
  json.StartObject();
  json.member("id", segment.id);
  json.member("state", segment.state);
  json.member("runs", segment.runs);
  json.member("hidden", segment.hidden);
  json.member("bytes", segment.file_bytes);
  if (segment.runs > 0) {
    json.member("firstSequence", segment.first);
    json.member("lastSequence", segment.last);
    json.member("oldest", format_time(segment.oldest));
    json.member("newest", format_time(segment.newest));
  }
  json.EndObject();
}

void print_json(const LogInfo& log, Console& console) {
  JsonAnswer json;
  json.StartObject();
  json.member("directory", printable(log.directory.string()));  // a path may be no UTF-8
  json.member("logId", fmt::format("{:016x}", log.log_id));
  json.member("runs", log.runs);
  json.member("hidden", log.hidden);
  json.member("paused", log.paused);
  json.member("bytes", log.bytes);
  if (log.runs > 0) json.member("bytesPerRun", log.bytes / log.runs);
  json.member("names", log.names);
  json.member("indexMemoryBytes", log.index_memory_bytes);
  json.key("segments");
  json.StartArray();
  for (const SegmentInfo& segment : log.segments) write_segment(segment, json);
  json.EndArray();
  json.key("dictionaries");
  json.StartArray();
  for (const auto& dictionary : log.dictionaries) {
    json.StartObject();
    json.member("number", std::uint64_t(dictionary.number));
    json.member("bytes", dictionary.bytes);
    json.EndObject();
  }
  json.EndArray();
  if (!log.archive.empty()) json.member("archive", printable(log.archive));
  if (!log.archive_problem.empty())
    json.member("archiveProblem", printable(log.archive_problem));
  json.flag("incomplete", log.incomplete);
  json.EndObject();
  console.out.write(json.line());
}

}  // namespace

ExitCode run_info(const LogPlace& place, const InfoOptions& options, Console& console) {
  auto history = open_history(place, Access::kRead);
  if (!history) return complain(console, history.error());
  auto log = (*history)->describe();
  if (!log) return complain(console, log.error());
  (options.json ? print_json : print_for_people)(*log, console);
  return ExitCode::kDone;
}

}  // namespace runlog
