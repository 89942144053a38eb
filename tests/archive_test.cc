// What retention removes is written to an archive first.
#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "log/archive_file.h"
#include "log/run_json.h"
#include "log/verify.h"
#include "tests/cli_process.h"
#include "tests/retention_fixture.h"

using namespace runlog;

namespace {

class ArchiveFixture : public RetentionFixture {
 public:
  ArchiveFixture() {
    options_.merge = false;  // unless a test asks for it
    reopen();
  }

 protected:
  RetentionPolicy archived(RetentionPolicy policy) {
    policy.archive = place().string();
    return policy;
  }
  std::filesystem::path place() const { return archive_.path() / "archive"; }
  std::vector<std::filesystem::path> files(const std::string& suffix) const {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(place()))
      if (entry.path().string().ends_with(suffix)) found.push_back(entry.path());
    std::sort(found.begin(), found.end());
    return found;
  }
  // Run ids in the order of the files' names.
  std::vector<std::string> ids() const {
    std::vector<std::string> found;
    RunJsonParser parser;
    for (const auto& file : files(".zst"))
      must(read_archive_file(file, [&](std::string_view line) -> Expected<void> {
        TextArena arena;
        Run run;
        if (auto parsed = parser.parse(line, arena, run); !parsed) return parsed;
        found.emplace_back(run.run_id);
        return {};
      }));
    return found;
  }

  TempDir archive_;
};

}  // namespace

TEST_CASE_METHOD(ArchiveFixture, "what a sweep removes is in the archive, once and in order",
                 "[archive]") {
  set(archived(cap(30)));
  append_some(0, 100);
  must(log_->seal_now());
  const auto swept = log_->sweep();
  must(swept);
  CHECK(visible() == names(70, 100));
  // Runs 60 to 69 are hidden, but stand in a segment of which half is visible.
  CHECK(ids() == names(0, 60));
  CHECK(swept->archived_runs == 60);
  CHECK(swept->dropped_segments == 3);
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(place()))
    bytes += entry.file_size();
  CHECK(swept->archived_bytes == bytes);
  CHECK(log_->describe().archive == place().string());
  CHECK(log_->describe().archive_problem == "");
  must(log_->sweep());
  CHECK(ids() == names(0, 60));
}

TEST_CASE_METHOD(ArchiveFixture, "a manifest says what its file holds", "[archive]") {
  set(archived(age(kHour)));
  append_some(0, 20);
  must(log_->seal_now());
  now_ += kHour;
  must(log_->sweep());
  const auto data = files(".ndjson.zst"), manifests = files(".json");
  REQUIRE(data.size() == 1);
  REQUIRE(manifests.size() == 1);
  CHECK(data[0].string() == manifests[0].string().substr(0, manifests[0].string().size() - 5) +
                                ".ndjson.zst");
  const auto content = read_archive_file(data[0], [](std::string_view) { return Expected<void>(); });
  must(content);
  const std::string text = read_text(manifests[0]);
  const auto has = [&](const std::string& member) {
    INFO(member << " in " << text);
    CHECK(text.find(member) != std::string::npos);
  };
  has(fmt::format("\"logId\":\"{:016x}\"", log_->describe().log_id));
  has("\"runs\":20,\"firstSequence\":1,\"lastSequence\":20,");
  has("\"recordedFrom\":\"" + format_time(kStart));
  has("\"file\":\"" + data[0].filename().string() + "\"");
  has(fmt::format("\"bytes\":{},\"xxh3\":\"{:016x}\"", content->bytes, content->checksum));
  has(fmt::format("\"jsonBytes\":{},\"jsonXxh3\":\"{:016x}\"", content->json_bytes,
                  content->json_checksum));
  CHECK(content->bytes == std::filesystem::file_size(data[0]));
}

TEST_CASE_METHOD(ArchiveFixture, "archived runs can be imported again", "[archive]") {
  set(archived(age(kHour)));
  append_some(0, 20);
  append("why", "flow", true);
  const std::string before = [&] {
    std::string json;
    write_json(get(*log_->snapshot(), "why")->run, json);
    return json;
  }();
  must(log_->seal_now());
  now_ += kHour;
  must(log_->sweep());
  CliFolder folder;
  std::vector<std::string> command{"import", "--data", folder.file("data")};
  for (const auto& file : files(".zst")) command.push_back(file.string());
  // A log that keeps everything, or the runs would be too old for it.
  CHECK(run_cli({"retention", "set", "--data", folder.file("data"), "--max-age", "none",
                 "--max-per-flow", "none"}).exit_code == 0);
  CHECK(run_cli(command).exit_code == 0);
  const auto copy = Log::open_read_only(folder.path() / "data" / "default");
  must(copy);
  CHECK(visible(**copy).size() == 21);
  std::string after;
  write_json(get(*(*copy)->snapshot(), "why")->run, after);
  CHECK(after == before);
}

TEST_CASE_METHOD(ArchiveFixture, "a replaced run is not archived, also when what replaced it is gone",
                 "[archive]") {
  RetentionPolicy policy;
  policy.flows["gone"].max_age_ms = kHour;
  policy.flows["flow"].max_age_ms = kDay;
  set(archived(policy));
  append_some(0, 20);
  must(log_->seal_now());
  for (int i = 0; i < 20; i += 3) append("flow" + std::to_string(i), "gone", true);
  must(log_->seal_now());
  now_ += kHour;
  must(log_->sweep());
  auto replacing = ids();
  CHECK(replacing.size() == 7);  // of the flow "gone"
  reopen();
  now_ += kDay;
  must(log_->sweep());
  CHECK(visible().empty());
  const auto all = ids();
  CHECK(all.size() == 20);
  CHECK(std::set<std::string>(all.begin(), all.end()).size() == 20);
  CHECK(segments() == 1);
  CHECK(verify_log(files_.path())->damage.empty());
}

TEST_CASE_METHOD(ArchiveFixture, "merges archive what they do not carry on", "[archive]") {
  options_.merge = true;
  reopen();
  RetentionPolicy policy = cap(3);
  policy.flows["flow"].max_per_flow = kNoLimit;
  set(archived(policy));
  for (int i = 0; i < 80; ++i) append("r" + std::to_string(i), i % 8 == 0 ? "rare" : "flow");
  must(log_->seal_now());
  CHECK(segments() < 5);
  CHECK(ids() == std::vector<std::string>{"r0", "r8", "r16", "r24", "r32", "r40", "r48"});
}

TEST_CASE_METHOD(ArchiveFixture, "an archive that fails keeps runs and space, says so, and is tried again",
                 "[archive]") {
  set(archived(cap(10)));
  std::filesystem::remove(place());  // a disk that is not there, say
  append_some(0, 60);
  must(log_->seal_now());
  const auto before = segments();
  const auto swept = log_->sweep();
  REQUIRE(!swept);
  CHECK(swept.error().code == ErrorCode::ArchiveFailed);
  CHECK(swept.error().message.find(place().string()) != std::string::npos);
  CHECK(segments() == before);
  CHECK(log_->describe().archive_problem == swept.error().message);
  CHECK(!std::filesystem::exists(place()));
  {
    const auto reader = Log::open_read_only(files_.path());
    must(reader);
    CHECK((*reader)->describe().archive_problem == swept.error().message);
    const auto info = run_cli({"info", "--data", files_.path().parent_path().string(), "--tenant",
                               files_.path().filename().string()});
    CHECK(info.out.find("stay in the log") != std::string::npos);
  }
  reopen();
  CHECK(log_->describe().archive_problem != "");
  append("more");
  must(log_->wait_idle());
  std::filesystem::create_directory(place());
  must(log_->sweep());
  CHECK(log_->describe().archive_problem == "");
  CHECK(ids() == names(0, 51));
  const auto reader = Log::open_read_only(files_.path());
  must(reader);
  CHECK((*reader)->describe().archive_problem == "");
}

TEST_CASE_METHOD(ArchiveFixture, "an archive within the log, or one that cannot be made, is refused",
                 "[archive]") {
  std::ofstream(archive_ / "file") << "text";
  for (const auto& bad : {files_.path() / "archive", files_.path(), archive_.path() / "file",
                          std::filesystem::path("relative")}) {
    RetentionPolicy policy = cap(10);
    policy.archive = bad.string();
    const auto set = log_->set_retention(policy);
    REQUIRE(!set);
    CHECK(set.error().code == ErrorCode::InvalidArgument);
    CHECK(log_->retention()->archive == "");
  }
  CHECK(verify_log(files_.path())->notes.empty());
}

TEST_CASE_METHOD(ArchiveFixture, "a log that was restored from a copy adds to its archive",
                 "[archive]") {
  set(archived(age(kHour)));
  append_some(0, 10);
  must(log_->seal_now());
  log_.reset();
  TempDir copies;
  std::filesystem::copy(files_.path(), copies / "copy", std::filesystem::copy_options::recursive);
  reopen();
  append_some(10, 20);
  must(log_->seal_now());
  now_ += kHour;
  must(log_->sweep());
  CHECK(ids() == names(0, 20));
  // Its next segment has the number and the sequence numbers of one that is archived.
  log_ = open_log(copies / "copy", options_);
  append_some(100, 110);
  must(log_->seal_now());
  now_ += kHour;
  must(log_->sweep());
  auto all = ids();
  CHECK(all.size() == 30);
  CHECK(std::set<std::string>(all.begin(), all.end()).size() == 30);
}

TEST_CASE_METHOD(ArchiveFixture, "a copy of a log that keeps more takes nothing from the archive",
                 "[archive]") {
  append_some(0, 20);
  must(log_->seal_now());
  log_.reset();
  const TempDir elsewhere;
  std::filesystem::copy(files_.path(), elsewhere / "copy", std::filesystem::copy_options::recursive);
  reopen();
  set(archived(cap(2)));
  must(log_->sweep());
  REQUIRE(ids() == names(0, 18));
  auto copy = Log::open(elsewhere / "copy", options_);
  must(copy);
  must((*copy)->set_retention(archived(cap(8))));
  must((*copy)->sweep());
  CHECK((*copy)->describe().runs == 8);
  CHECK(ids() == names(0, 18));
}

TEST_CASE_METHOD(ArchiveFixture, "`none` ends an archive, and its problem", "[archive]") {
  set(archived(cap(10)));
  std::filesystem::remove(place());
  append_some(0, 60);
  must(log_->seal_now());
  CHECK(!log_->sweep());
  set(cap(10));
  must(log_->sweep());
  CHECK(log_->describe().archive == "");
  CHECK(log_->describe().archive_problem == "");
  CHECK(visible() == names(50, 60));
}
