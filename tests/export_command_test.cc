// `runlog export`: what went in comes out, filtered, into a pipe or a file.
#include <filesystem>
#include <map>

#include <catch2/catch.hpp>

#include "tests/cli_history.h"

using namespace runlog;
using Catch::Matchers::Contains;

TEST_CASE("real runs come out of export as they went into import") {
  const std::string input =
      read_text(std::filesystem::path(RUNLOG_TEST_DATA_DIR) / "sample-runs.ndjson");
  REQUIRE_FALSE(input.empty());
  const History history(input);
  const CliResult exported = history.run({"export"});
  CHECK(exported.exit_code == kDone);
  const auto before = lines_of(input), after = lines_of(exported.out);
  REQUIRE(before.size() == after.size());
  std::size_t different = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    rapidjson::Document in = parse(before[i]), out = parse(after[i]);
    if (in.HasMember("error") && in["error"].IsString()) {
      // Normalised: a bare string becomes the message of {code, message, nodeId}.
      REQUIRE(out["error"].IsObject());
      CHECK(out["error"]["message"] == in["error"]);
      in.RemoveMember("error");
      out.RemoveMember("error");
    }
    if (in == out) continue;
    if (++different > 3) continue;
    UNSCOPED_INFO("in:  " << before[i] << "\nout: " << after[i]);
  }
  CHECK(different == 0);
}

TEST_CASE("4-byte characters, escapes and unknown fields survive") {
  const std::string line =
      R"({"runId":"r1","flowName":"客户👍","status":"cancelled",)"
      R"("startedAt":"2026-10-20T00:00:00.000Z","future":{"a":[1,null,"\u0000\"\\"]},"userId":null,"steps":[],"nodeId":""})";
  const History history(line + "\n");
  CHECK(parse(history.run({"export"}).out) == parse(line));
  CHECK(parse(history.run({"get", "r1", "--json"}).out) == parse(line));
  CHECK_THAT(history.run({"get", "r1"}).out, Contains("客户👍") && Contains("\"future\""));
}

TEST_CASE("export filters, and writes a file as a whole") {
  const History history;
  const std::string file = history.folder.write("out.ndjson", "before");
  const CliResult result = history.run({"export", "--status", "failed", "--output", file});
  CHECK(result.exit_code == kDone);
  CHECK_THAT(result.out, Contains("exported 6 runs"));
  const auto lines = lines_of(read_text(file));
  REQUIRE(lines.size() == 6);
  CHECK(parse(lines.front())["runId"] == "run_0009");
  CHECK(parse(lines.back())["runId"] == "run_0059");

  const CliResult failed = history.run({"export", "--output", "/nowhere/at/all"});
  CHECK(failed.exit_code == kBroken);
  CHECK_THAT(failed.err, Contains("/nowhere/at/all could not be written"));
}

TEST_CASE("a reader that goes away is no error, a full device is") {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += run_line(i, "a", i);
  const History history(text);
  const CliResult piped = run_shell("\"$RUNLOG\" export --data " + history.data + " | head -n 1");
  CHECK(piped.exit_code == 0);
  CHECK(piped.err.empty());
  CHECK(lines_of(piped.out).size() == 1);
  const CliResult full = run_shell("\"$RUNLOG\" export --data " + history.data + " > /dev/full");
  CHECK(full.exit_code == kBroken);
  CHECK_THAT(full.err, Contains("No space left on device"));
}

TEST_CASE("export writes into a pipe that was there, and leaves it a pipe") {
  const History history;
  const std::string fifo = history.folder.file("fifo"), read = history.folder.file("read");
  const CliResult result =
      run_shell("mkfifo " + fifo + "; timeout 60 cat " + fifo + " > " + read +
                " & \"$RUNLOG\" export --data " + history.data + " --output " + fifo +
                "; code=$?; test -p " + fifo + " || exit 9; wait; exit $code");
  CHECK(result.exit_code == kDone);
  CHECK(lines_of(read_text(read)).size() == 60);
}

TEST_CASE("export replaces what a symbolic link leads to, with its permissions, and not the link") {
  const History history;
  namespace fs = std::filesystem;
  fs::create_directory(history.folder.path() / "elsewhere");
  const std::string target = history.folder.write("elsewhere/runs.ndjson", "before");
  fs::permissions(target, fs::perms::owner_read | fs::perms::owner_write);
  const std::string link = history.folder.file("link");
  fs::create_symlink("elsewhere/runs.ndjson", link);
  CHECK(history.run({"export", "--output", link}).exit_code == kDone);
  CHECK(fs::is_symlink(link));
  CHECK(lines_of(read_text(target)).size() == 60);
  CHECK(fs::status(target).permissions() == (fs::perms::owner_read | fs::perms::owner_write));

  fs::remove(target);
  const CliResult dangling = history.run({"export", "--output", link});
  CHECK(dangling.exit_code == kBroken);
  CHECK_THAT(dangling.err, Contains(link + " could not be written"));
  CHECK(fs::is_symlink(link));
}
