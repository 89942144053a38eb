// What `verify` says of damaged paused runs, and what --repair leaves.
#include <cstring>

#include "tests/damaged_log.h"
#include "tests/paused_fixture.h"

namespace runlog {
namespace {

// A log with a record and three paused runs.
void make_log(const std::filesystem::path& directory) {
  const auto log = open_log(directory);
  must(log->append(SampleRun("done").run()));
  for (const char* id : {"run_1", "run_2", "run_3"}) save(*log, {id});
  must(log->close());
}

// Changes the number in each copy of an entry, of which state/ may have old ones on free pages.
unsigned damage_entry(const std::filesystem::path& file, std::uint64_t number) {
  std::ifstream in(file, std::ios::binary);
  std::string content((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  unsigned found = 0;
  for (std::size_t at = 0; (at = content.find("RLPE", at)) != std::string::npos; ++at) {
    std::uint64_t stored = 0;
    if (at + 16 > content.size()) break;
    std::memcpy(&stored, content.data() + at + 8, sizeof stored);
    if (stored != number) continue;
    flip_byte(file, at + 8);
    ++found;
  }
  return found;
}

VerifyReport verify(const std::filesystem::path& directory, bool repair) {
  VerifyOptions options;
  options.repair = repair;
  auto report = verify_log(directory, options);
  must(report);
  return *report;
}

}  // namespace

TEST_CASE("a damaged paused run is named, and a repair removes it alone") {
  TempDir dir;
  make_log(dir.path());
  const auto state = dir.path() / "state" / "data.mdb";
  CHECK(verify(dir.path(), false).damage.empty());
  REQUIRE(damage_entry(state, 2) >= 1);

  const auto opened = Log::open_read_only(dir.path());
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ErrorCode::Corruption);
  CHECK(opened.error().message.find(state.string()) != std::string::npos);
  CHECK(opened.error().message.find("paused run 2") != std::string::npos);

  const VerifyReport report = verify(dir.path(), true);
  CHECK(mentions(report.damage, "paused run 2"));
  CHECK(mentions(report.repairs, "paused run 2 was removed"));
  CHECK(verify(dir.path(), false).damage.empty());
  const auto log = open_log(dir.path());
  CHECK(paused_ids(*log) == std::vector<std::string>{"run_3", "run_1"});
  CHECK((*log->snapshot())->live() == 1);
  save(*log, {"run_4"});
  CHECK((*log->paused().load("run_4"))->number == 4);
}

TEST_CASE("a damaged header of the paused runs is made again, and none of them is lost") {
  TempDir dir;
  make_log(dir.path());
  REQUIRE(damage_text(dir.path() / "state" / "data.mdb", "RLPH") >= 1);
  CHECK_FALSE(Log::open_read_only(dir.path()));
  CHECK(mentions(verify(dir.path(), true).damage, "header of the paused runs"));
  CHECK(verify(dir.path(), false).damage.empty());
  const auto log = open_log(dir.path());
  CHECK(paused_ids(*log) == std::vector<std::string>{"run_3", "run_2", "run_1"});
}

TEST_CASE("paused runs outlive a catalog that has to be made again") {
  TempDir dir;
  make_log(dir.path());
  REQUIRE(damage_text(dir.path() / "state" / "data.mdb", "RNLG") >= 1);  // the log's identity
  const VerifyReport report = verify(dir.path(), true);
  CHECK(mentions(report.repairs, "3 paused runs were found again"));
  CHECK(verify(dir.path(), false).damage.empty());
  const auto log = open_log(dir.path());
  CHECK(paused_ids(*log) == std::vector<std::string>{"run_3", "run_2", "run_1"});
}

TEST_CASE("paused runs are found again by a repair that follows one which did not end") {
  TempDir dir;
  make_log(dir.path());
  const auto quarantine = dir.path() / "segments" / "quarantine";
  std::filesystem::create_directories(quarantine);
  std::filesystem::rename(dir.path() / "state", quarantine / "state");
  verify(dir.path(), true);
  CHECK(verify(dir.path(), false).damage.empty());
  const auto log = open_log(dir.path());
  CHECK(paused_ids(*log) == std::vector<std::string>{"run_3", "run_2", "run_1"});
}

TEST_CASE("a paused run that is newer than the log's end still ends with its next record") {
  TempDir dir;
  make_log(dir.path());
  {
    const auto log = open_log(dir.path());
    for (unsigned i = 0; i < 20; ++i) must(log->append(SampleRun("more_" + std::to_string(i)).run()));
    save(*log, {"late"});
    must(log->close());
  }
  // The only segment goes, and with it every record.
  std::filesystem::remove_all(dir.path() / "segments" / "00000001");
  verify(dir.path(), true);
  {
    const auto log = open_log(dir.path());
    REQUIRE(is_paused(*log, "late"));
    must(log->append(SampleRun("late").run()));
    CHECK_FALSE(is_paused(*log, "late"));
    // Not even this process removes it from state/.
    must(log->close());
  }
  const auto log = open_log(dir.path());
  CHECK_FALSE(is_paused(*log, "late"));
}

}  // namespace runlog
