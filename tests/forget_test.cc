// Forgetting removes runs from every file of a log, and nothing else.
#include "log/forget.h"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <fstream>

#include "log/file_io.h"
#include "log/segment.h"
#include "log/verify.h"
#include "tests/forget_fixture.h"

using namespace runlog;
using By = ForgetRequest::By;

namespace {

void check_sound(const std::filesystem::path& log) {
  const auto verified = verify_log(log);
  must(verified);
  CHECK(verified->damage == std::vector<std::string>());
  CHECK(verified->notes == std::vector<std::string>());
}

// Ids as they are, or with the word in them; as records have them if they are UUIDs.
constexpr const char* kUuidRun = "run_5a5b5c5d-7172-4374-8576-777879caf1d2";
const std::string kUuidBytes = "\x5a\x5b\x5c\x5d\x71\x72\x43\x74\x85\x76\x77\x78\x79\xca\xf1\xd2";

}  // namespace

TEST_CASE_METHOD(ForgetFixture, "no file of a log has a byte of runs that were forgotten",
                 "[forget]") {
  options_.train_dictionary = false;
  options_.merge = false;  // what is hidden stays until it is forgotten
  reopen();
  RetentionPolicy policy;
  policy.flows["capped"].max_per_flow = 2;
  set(policy);
  for (int i = 0; i < 70; ++i) {
    append("other" + std::to_string(i));
    if (i % 9 == 0) append_json(run_with("id " + word_ + std::to_string(i), word_, i));
  }
  append_json(run_with(kUuidRun, word_));
  append_json(run_with("again " + word_, word_, 1));
  append_json(run_with("again " + word_, word_, 2));  // supersedes
  for (int i = 0; i < 5; ++i)                          // the cap hides three
    append_json(run_with("capped " + word_ + std::to_string(i), word_, i, "capped"));
  must(log_->pin("again " + word_, "because of " + word_));
  pause("paused " + word_, word_);
  pause("claimed " + word_, word_);
  must(log_->paused().claim("claimed " + word_, "hold " + word_, word_, "owner " + word_));
  pause("ended " + word_, word_);
  must(log_->paused().erase("ended " + word_));
  append("newest");
  const auto others = [&] {
    auto ids = visible();
    std::erase_if(ids, [&](const std::string& id) { return trace_.is_in(id) || id == kUuidRun; });
    return ids;
  }();
  REQUIRE(others.size() == 71);

  const auto planned = log_->plan_forget(forget_user("user " + word_));
  must(planned);
  CHECK(traces({kUuidBytes}).size() >= 3);  // of segments and state/
  const ForgetReport report = forget(forget_user("user " + word_));
  CHECK(report.runs == 8 + 1 + 1 + 5);
  CHECK(report.records == 8 + 1 + 2 + 5);
  CHECK(report.record_bytes > 16 * 100);
  CHECK(report.paused == 2);
  CHECK(report.pins == 1);
  CHECK(report.rewritten_segments >= 2);
  CHECK(report.freed_bytes > 0);
  CHECK(report.may_hold.empty());
  for (const auto& [plan, done] :
       {std::pair(planned->runs, report.runs), std::pair(planned->records, report.records),
        std::pair(planned->record_bytes, report.record_bytes),
        std::pair(planned->paused, report.paused), std::pair(planned->pins, report.pins)})
    CHECK(plan == done);

  CHECK(traces({kUuidBytes}) == std::set<std::string>());
  CHECK(visible() == others);
  CHECK(log_->pins()->empty());
  CHECK(log_->describe().paused == 0);
  reopen();
  CHECK(traces({kUuidBytes}) == std::set<std::string>());
  CHECK(visible() == others);
  const auto snapshot = *log_->snapshot();
  CHECK(!snapshot->names->find(NameKind::kUser, "user " + word_));
  CHECK(snapshot->names->find(NameKind::kFlow, "capped") == std::nullopt);
  log_.reset();
  CHECK(traces({kUuidBytes}) == std::set<std::string>());
  check_sound(files_.path());
}

TEST_CASE_METHOD(ForgetFixture, "what is forgotten is found by organization, record and run id",
                 "[forget]") {
  append("other");
  const auto append_five = [&] {
    for (int i = 0; i < 5; ++i) append_json(run_with("run " + std::to_string(i), word_, i));
  };
  for (const ForgetRequest& request :
       {forget_by(By::kOrganization, {"org " + word_}),
        forget_by(By::kRecord, {"record " + word_}, "object " + word_),
        forget_runs({"run 0", "run 1", "run 2", "run 3", "run 4", "run 5"})}) {
    append_five();
    CHECK(visible().size() == 6);
    // Another object's record of the same id, another user: not this one.
    CHECK(forget(forget_by(By::kRecord, {"record " + word_}, "object")).runs == 0);
    CHECK(forget(forget_by(By::kUser, {"org " + word_})).runs == 0);
    CHECK(visible().size() == 6);
    CHECK(forget(request).runs == 5);
    CHECK(visible() == std::vector<std::string>{"other"});
    CHECK(traces() == std::set<std::string>());
  }
}

TEST_CASE_METHOD(ForgetFixture, "a value that is too long for a symbol is found", "[forget]") {
  const std::string user(400, 'u');
  SampleRun sample("long");
  Run run = sample.run();
  run.user_id = user;
  must(log_->append(run));
  append("other");
  CHECK(forget(forget_user(user)).runs == 1);
  CHECK(visible() == std::vector<std::string>{"other"});
}

TEST_CASE_METHOD(ForgetFixture, "all records and the pause of a run go, whichever of them matches",
                 "[forget]") {
  append_json(run_with("first", word_));
  append("first");  // ends again, as another user's
  append("second");
  pause("second", word_);
  append("third");
  const ForgetReport report = forget(forget_user("user " + word_));
  CHECK(report.runs == 2);
  CHECK(report.records == 3);
  CHECK(report.paused == 1);
  CHECK(visible() == std::vector<std::string>{"third"});
  CHECK(traces() == std::set<std::string>());
}

TEST_CASE_METHOD(ForgetFixture, "a run that comes again after it was forgotten is there again",
                 "[forget]") {
  append("one");
  append("two");
  CHECK(forget(forget_runs({"one"})).runs == 1);
  append("one");
  CHECK(visible() == std::vector<std::string>{"two", "one"});
  reopen();
  CHECK(visible() == std::vector<std::string>{"two", "one"});
  must(log_->pin("one", "kept"));
  CHECK(forget(forget_runs({"one"})).pins == 1);
  append("one");
  CHECK(log_->pins()->empty());
}

TEST_CASE_METHOD(ForgetFixture, "a forgotten name's symbol is given to no other name", "[forget]") {
  append_json(run_with("gone", word_, 0, "gone flow"));
  append("stays", "old flow");
  forget(forget_runs({"gone"}));
  reopen();
  for (int i = 0; i < 30; ++i) append("new" + std::to_string(i), "flow " + std::to_string(i));
  reopen();
  const auto snapshot = *log_->snapshot();
  CHECK(get(snapshot, "stays")->run.flow_name == "old flow");
  for (int i = 0; i < 30; ++i)
    CHECK(get(snapshot, "new" + std::to_string(i))->run.flow_name == "flow " + std::to_string(i));
  check_sound(files_.path());
}

TEST_CASE_METHOD(ForgetFixture, "a reader that stays open follows a log through a forget",
                 "[forget]") {
  append_json(run_with("gone", word_, 0, "gone flow"));
  append("stays");
  const auto reader = Log::open_read_only(files_.path());
  must(reader);
  const auto held = *(*reader)->snapshot();
  CHECK(visible(**reader).size() == 2);
  forget(forget_runs({"gone"}));
  CHECK(visible(**reader) == std::vector<std::string>{"stays"});
  CHECK(get(held, "gone")->run.run_id == "gone");
  append("newer");
  CHECK(visible(**reader) == std::vector<std::string>{"stays", "newer"});
  reopen();
  // The name has another symbol now than the reader knows.
  append("newest", "gone flow");
  CHECK(visible(**reader) == std::vector<std::string>{"stays", "newer", "newest"});
  CHECK(get(*(*reader)->snapshot(), "newest")->run.flow_name == "gone flow");
}

TEST_CASE_METHOD(ForgetFixture, "caps and floors count anew what is left", "[forget]") {
  set(cap(5));
  append_some(0, 5);
  forget(forget_runs({"flow3", "flow4"}));
  append_some(5, 7);
  CHECK(visible() == std::vector<std::string>{"flow0", "flow1", "flow2", "flow5", "flow6"});
  append_some(7, 8);
  CHECK(visible() == std::vector<std::string>{"flow1", "flow2", "flow5", "flow6", "flow7"});
}

TEST_CASE_METHOD(ForgetFixture, "nothing to forget changes nothing that can be seen", "[forget]") {
  append_some(0, 30);
  pause("waits", word_);
  const ForgetReport report = forget(forget_user("nobody"));
  CHECK(report.runs + report.records + report.paused + report.rewritten_segments == 0);
  CHECK(visible() == names(0, 30));
  CHECK(log_->describe().paused == 1);
  reopen();
  CHECK(visible() == names(0, 30));
  CHECK(log_->describe().paused == 1);
}

TEST_CASE_METHOD(ForgetFixture, "a plan says what would go and changes nothing", "[forget]") {
  for (int i = 0; i < 30; ++i) append_json(run_with("run" + std::to_string(i), word_, i));
  append("other");
  const auto before = visible();
  const auto plan = log_->plan_forget(forget_user("user " + word_));
  must(plan);
  CHECK(plan->runs == 30);
  CHECK(plan->dropped_segments + plan->rewritten_segments >= 2);
  CHECK(plan->freed_bytes > 0);
  const auto reader = Log::open_read_only(files_.path());
  must(reader);
  const auto same = (*reader)->plan_forget(forget_user("user " + word_));
  must(same);
  CHECK(same->records == plan->records);
  CHECK(visible() == before);
}

TEST_CASE_METHOD(ForgetFixture, "a request that names nothing is refused", "[forget]") {
  append("one");
  const auto reader = Log::open_read_only(files_.path());
  must(reader);
  for (const ForgetRequest& request :
       {forget_user(""), forget_runs({}), forget_by(By::kRecord, {"1"}),
        forget_by(By::kUser, {"1"}, "lead")}) {
    const auto refused = log_->forget(request);
    REQUIRE(!refused);
    CHECK(refused.error().code == ErrorCode::InvalidArgument);
    CHECK(!(*reader)->plan_forget(request));
  }
  CHECK((*reader)->forget(forget_user("u")).error().code == ErrorCode::InvalidArgument);
  must(log_->close());
  CHECK(log_->forget(forget_user("u")).error().code == ErrorCode::Closed);
}

TEST_CASE_METHOD(ForgetFixture, "what a repair set aside is named, for it may hold forgotten runs",
                 "[forget]") {
  append("one");
  const auto aside = files_.path() / "segments" / "quarantine" / "00000007";
  std::filesystem::create_directories(aside);
  CHECK(forget(forget_runs({"one"})).may_hold == std::vector{aside});
}

TEST_CASE_METHOD(ForgetFixture, "queued runs of interval mode are forgotten with the others",
                 "[forget]") {
  options_.durability = LogOptions::Durability::kInterval;
  options_.interval = std::chrono::milliseconds(10'000);
  reopen();
  append_json(run_with("queued", word_));
  CHECK(forget(forget_user("user " + word_)).runs == 1);
  CHECK(visible().empty());
  CHECK(traces() == std::set<std::string>());
}

TEST_CASE_METHOD(ForgetFixture, "bytes of a commit that was cut short go with the first forget",
                 "[forget]") {
  append("one");
  const auto file = log_->describe().segments.back();
  log_.reset();
  leave_cut_commit(file);
  reopen();
  append("two");
  must(log_->seal_now());
  REQUIRE(traces().size() == 1);
  reopen();
  CHECK(forget(forget_user("nobody")).rewritten_segments == 1);
  CHECK(traces() == std::set<std::string>());
  CHECK(visible() == std::vector<std::string>{"one", "two"});
  CHECK(forget(forget_user("nobody")).rewritten_segments == 0);
}

TEST_CASE_METHOD(ForgetFixture, "a forget that fails on its way is finished later", "[forget]") {
  append_json(run_with("gone", word_));
  append("stays");
  pause("waits", "of others");
  // No file can be written from the first segment on.
  const auto allow_bytes = [](rlim_t bytes) {
    const rlimit limit{bytes, RLIM_INFINITY};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  };
  std::signal(SIGXFSZ, SIG_IGN);
  const auto failed = log_->forget(forget_user("user " + word_),
                                   [&](std::uint64_t, std::uint64_t) { allow_bytes(0); });
  REQUIRE(!failed);
  CHECK(visible() == std::vector<std::string>{"stays"});
  CHECK(!log_->wait_idle());
  CHECK(log_->describe().problem != "");
  allow_bytes(RLIM_INFINITY);
  const bool reopened = GENERATE(false, true);
  if (reopened) reopen();
  must(log_->wait_idle());
  CHECK(log_->describe().problem == "");
  CHECK(traces() == std::set<std::string>());
  CHECK(visible() == std::vector<std::string>{"stays"});
  CHECK(log_->describe().paused == 1);
  log_.reset();
  check_sound(files_.path());
}

TEST_CASE_METHOD(ForgetFixture,
                 "forgotten runs are not archived, and archives that hold some are named", "[forget]") {
  const TempDir elsewhere;
  RetentionPolicy policy = cap(2);
  policy.archive = elsewhere.path().string();
  set(policy);
  append_json(run_with("archived", word_));
  append_some(0, 4);  // the cap hides more than half, which is archived
  must(log_->seal_now());
  must(log_->sweep());
  REQUIRE(files_with(elsewhere.path(), trace_).size() == 1);
  append_json(run_with("hidden", word_));
  append_json(run_with("visible", word_));
  append_some(4, 5);
  CHECK(visible() == std::vector<std::string>{"visible", "flow4"});
  const auto plan = log_->plan_forget(forget_user("user " + word_));
  must(plan);
  CHECK(plan->may_hold.size() == 1);
  const ForgetReport report = forget(forget_user("user " + word_));
  REQUIRE(report.may_hold.size() == 1);
  CHECK(is_within(report.may_hold[0], elsewhere.path()));
  CHECK(traces() == std::set<std::string>());
  CHECK(files_with(elsewhere.path(), trace_) ==
        std::set<std::string>{report.may_hold[0].filename().string()});
  CHECK(forget(forget_runs({"archived"})).may_hold == report.may_hold);
  CHECK(forget(forget_user("somebody")).may_hold.empty());
  // An archive that cannot be read may hold anything.
  std::filesystem::resize_file(report.may_hold[0], 20);
  CHECK(forget(forget_user("somebody")).may_hold == report.may_hold);
  // The other runs are there once they go too.
  must(log_->sweep());
  std::size_t others = 0;
  for (const auto& file : std::filesystem::directory_iterator(elsewhere.path()))
    others += file.path().extension() == ".zst";
  CHECK(others >= 2);
}

TEST_CASE_METHOD(ForgetFixture,
                 "a forget waits for an archive of other runs that go with the forgotten ones",
                 "[forget]") {
  const TempDir elsewhere;
  RetentionPolicy policy = cap(2);
  policy.archive = elsewhere / "archive";
  set(policy);
  append_some(0, 4);
  append_json(run_with("gone", word_));
  std::filesystem::rename(elsewhere / "archive", elsewhere / "aside");
  const auto failed = log_->forget(forget_runs({"gone"}));
  REQUIRE(!failed);
  CHECK(failed.error().code == ErrorCode::ArchiveFailed);
  CHECK(visible() == std::vector<std::string>{"flow3"});
  std::filesystem::rename(elsewhere / "aside", elsewhere / "archive");
  must(log_->sweep());
  CHECK(traces() == std::set<std::string>());
  CHECK(visible() == std::vector<std::string>{"flow3"});
  CHECK(files_with(elsewhere.path(), trace_) == std::set<std::string>());
}

TEST_CASE_METHOD(ForgetFixture, "a second forget finishes what the first could not", "[forget]") {
  const TempDir elsewhere;
  RetentionPolicy policy = cap(2);
  policy.archive = elsewhere / "archive";
  set(policy);
  append_some(0, 4);
  append_json(run_with("gone", word_));
  std::filesystem::rename(elsewhere / "archive", elsewhere / "aside");
  REQUIRE(!log_->forget(forget_runs({"gone"})));
  must(log_->wait_idle());
  append_some(4, 6);
  CHECK(!log_->forget(forget_runs({"flow4"})));
  std::filesystem::rename(elsewhere / "aside", elsewhere / "archive");
  must(log_->sweep());
  CHECK(traces() == std::set<std::string>());
  CHECK(visible() == std::vector<std::string>{"flow5"});
}

TEST_CASE_METHOD(ForgetFixture, "damage elsewhere keeps no run from being forgotten", "[forget]") {
  append_some(0, 20);
  must(log_->seal_now());
  const auto damaged = segment_directory(files_.path(), log_->describe().segments.front().id);
  append_json(run_with("gone", word_));
  must(log_->seal_now());
  {
    std::fstream file(damaged / "data.mdb", std::ios::in | std::ios::out | std::ios::binary);
    const std::string bytes = read_text(damaged / "data.mdb");
    for (auto at = bytes.find("flow17"); at != std::string::npos; at = bytes.find("flow17", at + 1)) {
      file.seekp(std::streamoff(at));
      file << 'F';
    }
  }
  set(cap(5));
  REQUIRE(!log_->sweep());
  REQUIRE(!log_->wait_idle());
  CHECK(forget(forget_runs({"gone"})).runs == 1);
  CHECK(traces() == std::set<std::string>());
}

TEST_CASE_METHOD(ForgetFixture, "bytes of a first commit that was cut short go too", "[forget]") {
  const auto segment = log_->describe().segments.back();
  log_.reset();
  leave_cut_commit(segment);
  reopen();
  REQUIRE(traces().size() == 1);
  forget(forget_user("nobody"));
  CHECK(traces() == std::set<std::string>());
  append("one");
  reopen();
  CHECK(visible() == std::vector<std::string>{"one"});
  log_.reset();
  check_sound(files_.path());
}

TEST_CASE_METHOD(ForgetFixture, "progress counts the segments that hold something", "[forget]") {
  options_.merge = false;
  reopen();
  for (int i = 0; i < 60; ++i)
    i % 20 == 0 ? append_json(run_with("run" + std::to_string(i), word_, i))
                : append("other" + std::to_string(i));
  std::vector<std::pair<std::uint64_t, std::uint64_t>> seen;
  must(log_->forget(forget_user("user " + word_), [&](std::uint64_t done, std::uint64_t total) {
    seen.emplace_back(done, total);
  }));
  CHECK(seen == std::vector<std::pair<std::uint64_t, std::uint64_t>>{{0, 3}, {1, 3}, {2, 3}, {3, 3}});
}
