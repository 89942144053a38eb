// `runlog verify`: its verdicts, and what other commands say of a log that lost runs.
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

#include "tests/cli_history.h"

using namespace runlog;
using Catch::Matchers::Contains;

TEST_CASE("segments without their catalog are damage, not a log that is not there yet") {
  const History history;
  std::filesystem::remove_all(history.data + "/default/state");
  for (const char* command : {"list", "export", "stats", "groups", "info", "verify"}) {
    INFO(command);
    const CliResult result = history.run({command});
    CHECK(result.exit_code == kBroken);
    CHECK_THAT(result.err + result.out, Contains("segments but no catalog"));
  }
  CHECK(run_cli({"import", "--data", history.data}).exit_code == kBroken);
  CHECK(history.run({"verify", "--repair"}).exit_code == kDone);
  CHECK(parse(history.run({"list", "--json"}).out)["total"].GetInt() == 60);
}

TEST_CASE("verify finds a sound log sound and a damaged one damaged, and repairs it") {
  const History history;
  const CliResult sound = history.run({"verify"});
  INFO(sound.out << sound.err);
  CHECK(sound.exit_code == kDone);
  CHECK_THAT(sound.out, Contains("no damage: 1 segment, 60 records"));

  std::filesystem::path file;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(history.data)) {
    if (entry.path().filename() == "data.mdb" &&
        entry.path().string().find("/segments/") != std::string::npos) {
      file = entry.path();
    }
  }
  REQUIRE_FALSE(file.empty());
  std::string bytes = read_text(file);
  const std::size_t at = bytes.find("Record 59 not found");
  REQUIRE(at != std::string::npos);
  bytes[at] = 'X';
  std::ofstream(file, std::ios::binary) << bytes;
  const CliResult damaged = history.run({"verify"});
  CHECK(damaged.exit_code == kBroken);
  CHECK_THAT(damaged.out, Contains("damage: ") && Contains("data.mdb"));
  CHECK(history.run({"list", "--status", "failed"}).exit_code == kBroken);

  const CliResult repaired = history.run({"verify", "--repair"});
  INFO(repaired.out << repaired.err);
  CHECK(repaired.exit_code == kBroken);
  CHECK_THAT(repaired.out, Contains("repair: ") && Contains("repaired, and the log is incomplete"));
  const CliResult later = history.run({"verify"});
  CHECK(later.exit_code == kBroken);
  CHECK_THAT(later.out, Contains("no damage, and the log is incomplete") &&
                            !Contains("mends what can be mended"));
  // What is gone is gone, and every answer says so.
  CHECK(parse(history.run({"list", "--json"}).out)["total"].GetInt() == 59);
  for (const char* command : {"list", "groups", "stats"}) {
    INFO(command);
    const CliResult json = history.run({command, "--json"});
    CHECK(parse(json.out)["incomplete"].GetBool());
    CHECK_THAT(json.err, Contains("the answer is incomplete"));
    CHECK_THAT(history.run({command}).err, Contains("the answer is incomplete"));
  }
  CHECK(history.run({"export"}).exit_code == kBroken);
}
