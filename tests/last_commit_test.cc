// The last commit of an active segment after a power cut: its meta page may be there without all of
// its pages. A file as it was before the commit, with the meta page of after, is just that.
#include "log/last_commit.h"

#include <cstring>
#include <fstream>
#include <iterator>

#include "log/verify.h"
#include "query/query.h"
#include "tests/log_fixture.h"
#include "tests/temp_dir.h"

using namespace runlog;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kPageBytes = 4096;
const fs::path kSegment = fs::path("segments") / "00000001" / "data.mdb";

std::string read_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void write_file(const fs::path& file, const std::string& content) {
  std::ofstream(file, std::ios::binary) << content;
}

// The number of the newest transaction that a file's meta pages name, and where its page begins.
std::size_t newest_meta_page(const std::string& file) {
  std::uint64_t numbers[2];
  for (std::size_t slot = 0; slot < 2; ++slot)
    std::memcpy(&numbers[slot], file.data() + slot * kPageBytes + 16 + 128, sizeof numbers[slot]);
  return numbers[0] < numbers[1] ? kPageBytes : 0;
}

// A log of three commits, copied as a crash would leave it, before and after the third.
struct CrashedLog {
  TempDir dir;
  std::string before, after;

  CrashedLog() {
    auto log = Log::open(dir.path() / "running", keep_all());
    REQUIRE(log);
    for (int i = 0; i < 3; ++i) {
      before = read_file(dir.path() / "running" / kSegment);
      REQUIRE((*log)->append(SampleRun("run " + std::to_string(i), "flow " + std::to_string(i)).run()));
    }
    after = read_file(dir.path() / "running" / kSegment);
    fs::copy(dir.path() / "running", path(), fs::copy_options::recursive);
    REQUIRE((*log)->close());
  }
  fs::path path() const { return dir.path() / "crashed"; }

  // The last commit's pages never reached the disk, but its meta page did.
  void tear() const {
    std::string torn = before;
    const std::size_t meta = newest_meta_page(after);
    torn.replace(meta, kPageBytes, after, meta, kPageBytes);
    write_file(path() / kSegment, torn);
  }
};

std::uint64_t live_runs(Log& log) { return (*log.snapshot())->live(); }

}  // namespace

TEST_CASE("a last commit that is whole stays after a crash") {
  const CrashedLog crashed;
  auto log = Log::open(crashed.path());
  REQUIRE(log);
  CHECK(live_runs(**log) == 3);
}

TEST_CASE("a last commit that a power cut tore is undone, and the log goes on") {
  const CrashedLog crashed;
  crashed.tear();
  auto log = Log::open(crashed.path());
  REQUIRE(log);
  CHECK(live_runs(**log) == 2);
  const auto again = (*log)->append(SampleRun("run 2", "flow 2").run());
  REQUIRE(again);
  CHECK(again->outcome == AppendResult::Outcome::kAppended);
  CHECK(again->sequence == 3);
  REQUIRE((*log)->close());
  const auto report = verify_log(crashed.path());
  REQUIRE(report);
  CHECK(report->damage.empty());
  CHECK(report->records == 3);
}

TEST_CASE("a torn last commit is no damage to verify, which says that it will be undone") {
  const CrashedLog crashed;
  crashed.tear();
  const auto report = verify_log(crashed.path());
  REQUIRE(report);
  CHECK(report->damage.empty());
  CHECK(report->records == 2);
  REQUIRE(report->notes.size() == 1);
  CHECK(report->notes.front().find("torn") != std::string::npos);
}

TEST_CASE("damage to the last commit of a log that was closed is never taken for a torn commit") {
  const CrashedLog crashed;
  const fs::path closed = crashed.dir.path() / "running";
  const std::string file = read_file(closed / kSegment);
  const std::string& before = crashed.before;
  unsigned refused = 0;
  // Each page that the last commit wrote gets back what stood there before.
  for (std::size_t at = 2 * kPageBytes; at < before.size(); at += kPageBytes) {
    if (file.compare(at, kPageBytes, before, at, kPageBytes) == 0) continue;
    std::string damaged = file;
    damaged.replace(at, kPageBytes, before, at, kPageBytes);
    write_file(closed / kSegment, damaged);
    const auto log = Log::open(closed);
    if (log) CHECK(live_runs(**log) == 3);
    else CHECK(log.error().code == ErrorCode::Corruption);
    refused += log ? 0 : 1;
  }
  CHECK(refused > 0);
}
