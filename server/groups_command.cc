// `runlog groups`: how many runs share a property, the largest group first.
#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "server/commands.h"
#include "server/history.h"
#include "server/quantities.h"
#include "server/query_answers.h"
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

}  // namespace

ExitCode run_groups(const LogPlace& place, const GroupsOptions& options, Console& console) {
  auto history = open_history(place, Access::kRead);
  if (!history) return complain(console, history.error());
  auto all = (*history)->groups(options.by, options.filter);
  if (!all) return complain(console, all.error());
  auto matching = (*history)->count(options.filter);
  if (!matching) return complain(console, matching.error());
  auto incomplete = (*history)->is_incomplete();
  if (!incomplete) return complain(console, incomplete.error());
  const std::size_t shown = std::min<std::size_t>(all->size(), options.limit);
  if (options.json) {
    std::string answer;
    write_groups_answer(options.by_name, *all, shown, *matching, *incomplete, answer);
    console.out.write(answer + "\n");
  } else {
    print_for_people(*all, shown, *matching, options, console);
  }
  warn_if_incomplete(*incomplete, console);
  return ExitCode::kDone;
}

}  // namespace runlog
