// `runlog verify`: its verdicts, and what other commands say of a log that lost runs.
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

#include "tests/cli_history.h"

using namespace runlog;
using Catch::Matchers::Contains;

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
  CHECK(repaired.exit_code == kDone);
  CHECK_THAT(repaired.out, Contains("repair: ") && Contains("repaired: "));
  CHECK(history.run({"verify"}).exit_code == kDone);
  // What is gone is gone, and every answer says so.
  const auto page = parse(history.run({"list", "--json"}).out);
  CHECK(page["total"].GetInt() == 59);
  CHECK(page["incomplete"].GetBool());
  CHECK(history.run({"export"}).exit_code == kBroken);
}
