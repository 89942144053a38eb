// Damage: every byte of a small log's files is changed, and every file is cut at many lengths. The
// log must then say Corruption with a place, or answer exactly as the undamaged one does.
#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <unistd.h>

#include "log/paused_runs.h"
#include "log/run_json.h"
#include "log/verify.h"
#include "query/query.h"
#include "tests/faults/guarded_sweep.h"
#include "tests/faults/scenario.h"
#include "tests/faults/shim_support.h"
#include "tests/sanitized.h"

using namespace runlog;
using namespace runlog::faults;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kPageBytes = 4096;

using Files = std::map<std::string, std::string>;  // path below the log → content

LogOptions tiny_options() {
  LogOptions options;
  options.segment_runs = 4;
  options.merge = false;
  options.train_dictionary = false;
  options.retention = RetentionPolicy();
  return options;
}

// Two sealed segments and an active one with several commits, with a run that was superseded across
// segments.
std::vector<PlannedAppend> tiny_runs() {
  std::vector<PlannedAppend> runs;
  for (std::uint64_t i = 0; i < 11; ++i) runs.push_back({"run-" + std::to_string(i), i + 3});
  runs[6].run_id = "run-1";
  runs[10].run_id = "run-2";
  return runs;
}

// That does not compress.
std::string random_text(std::size_t bytes) {
  std::mt19937 random(1);
  std::string text;
  while (text.size() < bytes) text += static_cast<char>(' ' + 2 + random() % 58);
  // No escapes, so that the text is a string in JSON as it stands.
  std::replace(text.begin(), text.end(), '\\', '/');
  std::replace(text.begin(), text.end(), '"', '/');
  return text;
}

void make_log(const fs::path& directory) {
  auto log = Log::open(directory, tiny_options());
  REQUIRE(log.has_value());
  for (const PlannedAppend& planned : tiny_runs()) {
    const MadeRun made = make_run(planned.run_id, planned.content);
    REQUIRE((*log)->append(made.run).has_value());
    REQUIRE((*log)->wait_idle().has_value());
  }
  // A short one, one on pages of its own, one that was claimed, one that ended.
  for (const char* id : {"paused-1", "paused-2", "paused-3", "paused-4", "paused-5"}) {
    SuspendedRun paused;
    paused.run_id = id;
    paused.flow_name = "invoice_sync";
    paused.node_id = "hold";
    const std::string noise = id == std::string("paused-2") ? random_text(2100) : "x";
    const std::string variables = "\"" + noise + "\"";
    paused.variables_json = variables;
    REQUIRE((*log)->paused().save(paused).has_value());
  }
  REQUIRE((*(*log)->paused().claim("paused-3", "hold", std::nullopt, "engine")).run != nullptr);
  REQUIRE(*(*log)->paused().erase("paused-4"));
  REQUIRE((*log)->paused().complete(make_run("paused-5", 7).run).has_value());
  REQUIRE((*log)->close().has_value());
}

Files read_files(const fs::path& directory) {
  Files files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file() || entry.path().filename() != "data.mdb") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    files[fs::relative(entry.path(), directory).string()] = {std::istreambuf_iterator<char>(in),
                                                             std::istreambuf_iterator<char>()};
  }
  return files;
}

void write_files(const fs::path& directory, const Files& files) {
  fs::remove_all(directory);
  for (const auto& [name, content] : files) {
    fs::create_directories((directory / name).parent_path());
    std::ofstream(directory / name, std::ios::binary) << content;
  }
}

// ---- what a log answers -----------------------------------------------------------------------

// Everything that the log can be asked, as one text; an error if any answer is one.
class Answers {
 public:
  static Expected<std::string> of(Log& log) {
    Answers answers;
    auto done = answers.ask(log);
    // What is not there in an incomplete answer may be in what could not be read.
    const bool is_missing = !done && done.error().code == ErrorCode::NotFound;
    if (!done && !(answers.incomplete_ && is_missing)) return tl::unexpected(done.error());
    if (answers.incomplete_) return fail(ErrorCode::Corruption, "segments/ an answer is incomplete");
    return std::move(answers.text_);
  }

 private:
  Expected<void> ask(Log& log) {
    auto snapshot = log.snapshot();
    if (!snapshot) return tl::unexpected(snapshot.error());
    incomplete_ = (*snapshot)->incomplete;
    std::vector<Filter> filters(5);
    filters[1].flows = {"invoice_sync"};
    filters[2].statuses = {RunStatus::kFailed};
    filters[3].user = "user_1";
    filters[4].error_text = "GAVE UP";
    for (const Filter& filter : filters)
      for (const Direction direction : {Direction::kNewestFirst, Direction::kOldestFirst})
        if (auto done = ask_list(*snapshot, filter, direction); !done) return done;
    for (const PlannedAppend& planned : tiny_runs()) {
      auto run = get(*snapshot, planned.run_id);
      if (!run) return tl::unexpected(run.error());
      write_json(run->run, text_);
    }
    if (auto done = ask_paused(log); !done) return done;
    for (const TermKind kind : {TermKind::kFlow, TermKind::kUser, TermKind::kErrorCode}) {
      auto found = groups(**snapshot, kind, Filter{});
      if (!found) return tl::unexpected(found.error());
      for (const Group& group : *found) text_ += group.name + std::to_string(group.count) + ";";
    }
    auto flows = statistics(log, std::nullopt);
    if (!flows) return tl::unexpected(flows.error());
    snapshot = log.snapshot();
    if (!snapshot) return tl::unexpected(snapshot.error());
    incomplete_ = incomplete_ || (*snapshot)->incomplete;
    const auto history = log.history();
    if (!history) return tl::unexpected(history.error());
    incomplete_ = incomplete_ || history->uncounted > 0;
    for (const auto* periods : {&history->hours, &history->days})
      for (const CountedPeriod& period : *periods)
        text_ += std::to_string(period.start) + " " + std::to_string(period.counts.runs[1]) + " " +
                 std::to_string(period.counts.durations.percentile(1)) + ";";
    for (const FlowStatistics& flow : *flows)
      text_ += flow.flow + std::to_string(flow.p50_ms) + " " + std::to_string(flow.runs[0]) + ";";
    return {};
  }

  Expected<void> ask_paused(Log& log) {
    const auto page = log.paused().list({});
    if (!page) return tl::unexpected(page.error());
    for (const PausedRunPtr& paused : page->runs) {
      const auto suspended = paused->suspended();
      if (!suspended) return tl::unexpected(suspended.error());
      write_json(suspended->run, text_);
      text_ += paused->owner + "\n";
    }
    return {};
  }

  Expected<void> ask_list(const std::shared_ptr<const Snapshot>& snapshot, const Filter& filter,
                          Direction direction) {
    ListRequest request;
    request.filter = filter;
    request.direction = direction;
    request.limit = 4;
    for (;;) {
      auto page = list(snapshot, request);
      if (!page) return tl::unexpected(page.error());
      incomplete_ = incomplete_ || page->incomplete;
      for (const RunHead& head : page->runs) write_json(head, text_);
      text_ += "total " + std::to_string(page->total) + "\n";
      if (!page->has_more) return {};
      request.cursor = page->next_cursor;
    }
  }

  std::string text_;
  bool incomplete_ = false;
};

// ---- the damage -------------------------------------------------------------------------------

struct Damage {
  std::string file;
  std::size_t offset = 0;   // of the byte, or the length after the cut
  unsigned char mask = 0;   // 0: the file is cut
  std::string text() const {
    return file + (mask == 0 ? " cut at " + std::to_string(offset)
                             : ", byte " + std::to_string(offset) + " changed by " +
                                   std::to_string(mask));
  }
};

std::string damaged(std::string content, const Damage& damage) {
  if (damage.mask == 0) {
    content.resize(damage.offset);
  } else {
    content[damage.offset] = static_cast<char>(content[damage.offset] ^ damage.mask);
  }
  return content;
}

// Every byte; of long runs of zeros, which are the pages' unused middles, only some.
std::vector<Damage> every_byte(const Files& files, std::size_t step) {
  static constexpr std::array<unsigned char, 5> kMasks = {0x01, 0x80, 0xff, 0x10, 0x06};
  std::vector<Damage> damages;
  std::size_t counted = 0;
  for (const auto& [name, content] : files) {
    std::size_t zeros = 0;
    for (std::size_t i = 0; i < content.size(); ++i) {
      zeros = content[i] == 0 ? zeros + 1 : 0;
      if (zeros > 64 && i % 61 != 0) continue;
      if (++counted % step == 0) damages.push_back({name, i, kMasks[(i / step) % kMasks.size()]});
    }
  }
  return damages;
}

std::vector<Damage> every_cut(const Files& files, std::size_t step) {
  std::vector<Damage> damages;
  for (const auto& [name, content] : files)
    for (std::size_t length = 0; length < content.size(); ++length) {
      const std::size_t in_page = length % kPageBytes;
      const bool edge = in_page <= 2 || in_page >= kPageBytes - 2 || length < 300;
      if (edge ? length % step == 0 || in_page == 0 : length % (step * 113) == 0)
        damages.push_back({name, length, 0});
    }
  return damages;
}

bool names_place(const Error& error) {
  return error.code == ErrorCode::Corruption && (error.message.find("data.mdb") != std::string::npos ||
                                                 error.message.find("segments/") != std::string::npos);
}

// ---- the judgement ----------------------------------------------------------------------------

struct Judge {
  Files files;
  std::string answers;
  fs::path work;
  // Verifying and opening for writing are the slow parts; a long run does both for every case.
  std::size_t verify_every = test_rounds() > 1 ? 1 : 4;
  std::size_t write_every = test_rounds() > 1 ? 1 : 16;

  // What is wrong with how a log answers for the damage; empty if nothing is. `refused` says whether
  // it reported it.
  std::string judge_open(const Expected<std::shared_ptr<Log>>& log, const char* how,
                         bool& refused) const {
    Expected<std::string> found = log ? Answers::of(**log) : tl::unexpected(log.error());
    refused = !found;
    if (found) return *found == answers ? "" : std::string(how) + ": other answers";
    if (names_place(found.error())) return "";
    return std::string(how) + ": " + std::to_string(static_cast<int>(found.error().code)) + " " +
           found.error().message;
  }

  std::string check(const Damage& damage, std::size_t number, unsigned worker) const {
    // What only reads changes none of the other files, so they stay from the case before.
    const fs::path directory = work / std::to_string(worker);
    const bool opens_for_writing = number % write_every == 0;
    if (opens_for_writing || !fs::exists(directory)) write_files(directory, files);
    const auto put = [&](const std::string& content) {
      std::ofstream(directory / damage.file, std::ios::binary) << content;
    };
    const std::string& sound = files.at(damage.file);
    put(damaged(sound, damage));
    const std::string wrong = judge(directory, number, opens_for_writing);
    if (opens_for_writing) {
      fs::remove_all(directory);
    } else {
      put(sound);
    }
    return wrong;
  }

  std::string judge(const fs::path& directory, std::size_t number, bool opens_for_writing) const {
    bool refused = false;
    if (std::string wrong = judge_open(Log::open_read_only(directory), "read only", refused);
        !wrong.empty())
      return wrong;
    if (number % verify_every != 0) return "";
    const auto report = verify_log(directory);
    if (!report && !names_place(report.error()))
      return "verify: " + report.error().message;
    if (report && report->damage.empty() && refused)
      return "verify finds nothing wrong";
    if (!opens_for_writing) return "";
    const auto log = Log::open(directory, tiny_options());
    if (std::string wrong = judge_open(log, "for writing", refused); !wrong.empty())
      return wrong;
    if (!log || refused) return "";
    const MadeRun made = make_run("one more", 9);
    const auto appended = (*log)->append(made.run);
    if (!appended && !names_place(appended.error()))
      return "append: " + appended.error().message;
    return "";
  }
};

Judge make_judge(const TempDir& dir) {
  Judge judge;
  judge.work = dir.path();
  make_log(dir.path() / "log");
  judge.files = read_files(dir.path() / "log");
  auto log = Log::open_read_only(dir.path() / "log");
  REQUIRE(log.has_value());
  const auto answers = Answers::of(**log);
  if (!answers) FAIL(answers.error().message);
  judge.answers = *answers;
  return judge;
}

// A complaint without its numbers and its directory, by which like ones are counted together.
std::string kind_of(const std::string& text) {
  std::string kind;
  for (const char letter : text)
    if (letter < '0' || letter > '9') kind += letter;
  return kind;
}

void judge_all(const Judge& judge, const std::vector<Damage>& damages) {
  const auto complaints =
      guarded_sweep(damages.size(), 2, 20, 2000, [&](std::size_t number, unsigned worker) {
        return judge.check(damages[number], number, worker);
      });
  std::map<std::string, std::vector<SweepComplaint>> kinds;
  for (const SweepComplaint& complaint : complaints)
    kinds[kind_of(complaint.text)].push_back(complaint);
  INFO(complaints.size() << " complaints in " << damages.size() << " cases");
  for (const auto& [kind, alike] : kinds)
    UNSCOPED_INFO(alike.size() << " × such as " << damages[alike.front().number].text() << ": "
                               << alike.front().text);
  CHECK(complaints.empty());
}

// A long run damages every byte and cuts at every length; the others, which have minutes, some.
std::size_t step() {
  return one_in(9) * (test_rounds() > 1 ? 1 : 9);
}

}  // namespace

TEST_CASE("a changed byte anywhere is reported with its place, or is harmless", "[faults]") {
  TempDir dir;
  const Judge judge = make_judge(dir);
  judge_all(judge, every_byte(judge.files, step()));
}

TEST_CASE("a file cut at any length is reported with its place, or is harmless", "[faults]") {
  TempDir dir;
  const Judge judge = make_judge(dir);
  judge_all(judge, every_cut(judge.files, step()));
}
