// `runlog groups`: how many runs share a property, the largest group first.
#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "server/commands.h"
#include "server/json_answer.h"
#include "server/open_log.h"
#include "server/quantities.h"
#include "server/terminal_table.h"

namespace runlog {
namespace {

constexpr unsigned kLeastName = 20;

void print_for_people(const std::vector<Group>& all, std::size_t shown, std::uint64_t matching,
                      const GroupsOptions& options, Console& console) {
  if (all.empty()) {
    return remark(console, fmt::format("no group by {} among {}", options.by_name,
                                       count_of(matching, "matching run")));
  }
  // Shares of the runs that have the property: of all errors, not of all runs.
  std::uint64_t grouped = 0;
  for (const Group& group : all) grouped += group.count;
  std::string title = options.by_name;
  std::transform(title.begin(), title.end(), title.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  TerminalTable table({{"RUNS", TerminalTable::Align::kRight},
                       {"SHARE", TerminalTable::Align::kRight},
                       {title, TerminalTable::Align::kLeft, kLeastName}});
  for (std::size_t i = 0; i < shown; ++i) {
    table.add_row({{format_count(all[i].count)}, {format_share(all[i].count, grouped)},
                   {all[i].object ? *all[i].object + "/" + all[i].name : all[i].name}});
  }
  console.out.write(table.render(console.screen));
  remark(console, fmt::format("{} of {}, among {}", format_count(shown),
                              count_of(all.size(), "group"), count_of(matching, "matching run")));
}

void print_json(const std::vector<Group>& all, std::size_t shown, std::uint64_t matching,
                bool incomplete, const GroupsOptions& options, Console& console) {
  JsonAnswer json;
  json.StartObject();
  json.member("by", options.by_name);
  json.key("groups");
  json.StartArray();
  for (std::size_t i = 0; i < shown; ++i) {
    json.StartObject();
    if (all[i].object) json.member("object", *all[i].object);
    json.member("name", all[i].name);
    json.member("count", all[i].count);
    json.EndObject();
  }
  json.EndArray();
  json.flag("hasMore", shown < all.size());
  json.member("totalGroups", std::uint64_t(all.size()));
  json.member("totalRuns", matching);
  if (incomplete) json.flag("incomplete", true);
  json.EndObject();
  console.out.write(json.line());
}

}  // namespace

ExitCode run_groups(const LogPlace& place, const GroupsOptions& options, Console& console) {
  auto opened = open_snapshot(place);
  if (!opened) return complain(console, opened.error());
  auto all = groups(*opened->snapshot, options.by, options.filter);
  if (!all) return complain(console, all.error());
  auto matching = count(*opened->snapshot, options.filter);
  if (!matching) return complain(console, matching.error());
  const std::size_t shown = std::min<std::size_t>(all->size(), options.limit);
  if (options.json) {
    print_json(*all, shown, *matching, opened->snapshot->incomplete, options, console);
  } else {
    print_for_people(*all, shown, *matching, options, console);
  }
  warn_if_incomplete(*opened->snapshot, console);
  return ExitCode::kDone;
}

}  // namespace runlog
