// `runlog import`: what goes in, what is refused and how that is said.
#include <catch2/catch.hpp>
#include <zlib.h>
#include <zstd.h>

#include "tests/cli_history.h"

using namespace runlog;
using Catch::Matchers::Contains;

TEST_CASE("import counts what it stored, superseded, knew already and refused") {
  const History history;
  const std::string other = run_line(3, "lead_routing", 3, "changed") +
                            run_line(4, "lead_routing", 4) + run_line(60, "lead_routing", 60) +
                            "nonsense\n";
  const CliResult result = run_cli({"import", "--data", history.data, "-"}, other);
  CHECK(result.exit_code == kRefused);
  CHECK_THAT(result.out, Catch::StartsWith("imported 3 runs ("));
  CHECK_THAT(result.out, Contains(": 1 new, 1 superseding, 1 already there, 1 refused; "
                                  "the log holds 61 runs in "));
  CHECK_THAT(result.err, Catch::StartsWith("<stdin>:4: "));
  CHECK(parse(history.run({"list", "--json"}).out)["total"].GetInt() == 61);
}

TEST_CASE("refused lines are named with line, field and limit, and the others go in") {
  const CliFolder folder;
  const auto with = [](const std::string& member) {
    return R"({"runId":"r","flowName":"f","status":"failed","startedAt":"2026-10-20T00:00:00Z")" +
           (member.empty() ? "" : "," + member) + "}";
  };
  const std::vector<std::pair<std::string, std::string>> refused = {
      {"{not json", ""},
      {"[]", ""},
      {R"({"flowName":"f","status":"failed","startedAt":"2026-10-20T00:00:00Z"})", "runId"},
      {R"({"runId":"r","status":"failed","startedAt":"2026-10-20T00:00:00Z"})", "flowName"},
      {R"({"runId":"r","flowName":"f","startedAt":"2026-10-20T00:00:00Z"})", "status"},
      {R"({"runId":"r","flowName":"f","status":"paused","startedAt":"2026-10-20T00:00:00Z"})",
       "'paused'"},
      {R"({"runId":"r","flowName":"f","status":"failed"})", "startedAt"},
      {R"({"runId":"r","flowName":"f","status":"failed","startedAt":"yesterday"})", "startedAt"},
      {R"({"runId":")" + std::string(2000, 'x') +
           R"(","flowName":"f","status":"failed","startedAt":"2026-10-20T00:00:00Z"})", "1024"},
      {with("\"userId\":\"\xFF\""), ""},
      {with("\"note\":\"" + std::string(9 << 20, 'x') + "\""), "8,388,608"}};
  std::string input;
  for (const auto& [line, field] : refused) input += line + "\n";
  input += with("") + "\n";
  const std::string file = folder.write("in.ndjson", input);
  make_log_that_keeps_all(folder.file("history"));
  const CliResult result = run_cli({"import", "--data", folder.file("history"), file});
  CHECK(result.exit_code == kRefused);
  CHECK_THAT(result.out, Contains(fmt::format("1 new, 0 superseding, 0 already there, {} refused",
                                              refused.size())));
  const auto errors = lines_of(result.err);
  REQUIRE(errors.size() == refused.size());
  for (std::size_t i = 0; i < refused.size(); ++i) {
    CHECK_THAT(errors[i], Catch::StartsWith(fmt::format("{}:{}: ", file, i + 1)) &&
                              Contains(refused[i].second));
  }
}

TEST_CASE("a million equal complaints are cut short, but counted") {
  const CliFolder folder;
  std::string input;
  for (int i = 0; i < 250; ++i) input += "nonsense\n";
  const CliResult result = run_cli({"import", "--data", folder.file("history")}, input);
  CHECK(result.exit_code == kRefused);
  CHECK(lines_of(result.err).size() == 101);
  CHECK_THAT(result.err, Contains("... and 150 more lines refused"));
  CHECK_THAT(result.out, Contains("250 refused"));
}

TEST_CASE("import reads zstd, gzip and several files; a missing one does not stop the others") {
  const CliFolder folder;
  std::string packed(10'000, '\0');
  const std::string first = run_line(1, "a", 1), second = run_line(2, "b", 2);
  packed.resize(ZSTD_compress(packed.data(), packed.size(), first.data(), first.size(), 1));
  const std::string zst = folder.write("one.zst", packed), gz = folder.file("two.gz");
  gzFile out = ::gzopen(gz.c_str(), "wb");
  ::gzwrite(out, second.data(), unsigned(second.size()));
  ::gzclose(out);
  make_log_that_keeps_all(folder.file("history"));
  const CliResult result = run_cli({"import", "--data", folder.file("history"), zst,
                                    folder.file("missing"), gz});
  CHECK(result.exit_code == kRefused);
  CHECK_THAT(result.err, Contains(folder.file("missing") + " could not be opened"));
  CHECK_THAT(result.out, Contains("2 new"));
}

TEST_CASE("a compressed file that is cut off ends with 3 after what could be read was stored") {
  const CliFolder folder;
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += run_line(i, "a", i);
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 1));
  packed.resize(packed.size() * 9 / 10);
  make_log_that_keeps_all(folder.file("history"));
  const CliResult result =
      run_cli({"import", "--data", folder.file("history"), folder.write("cut.zst", packed),
               folder.write("sound", run_line(1, "another", 1))});
  CHECK(result.exit_code == kBroken);
  CHECK_THAT(result.err, Contains("it ends within a frame") && Contains("safely stored"));
  const auto total = [&](std::vector<std::string> filter) {
    filter.insert(filter.begin(), {"list", "--json", "--data", folder.file("history")});
    return parse(run_cli(filter).out)["total"].GetInt();
  };
  CHECK(total({}) > 1000);
  CHECK(total({"--flow", "another"}) == 1);  // the file after it was read
}

TEST_CASE("import stores what a pipe has brought before it waits, and ends well when told to") {
  const CliFolder folder;
  make_log_that_keeps_all(folder.file("history"));
  folder.write("one", run_line(1, "a", 1) + "nonsense\n" + run_line(2, "a", 2) + "{\"runId\":");
  const CliResult result = run_shell(
      "cd " + folder.path().string() + R"(
      export RUNLOG_DATA=history
      until_true() {
        for i in $(seq 600); do if "$@" >/dev/null 2>&1; then return 0; fi; sleep 0.05; done
        echo "in vain: $*"
        return 1
      }
      holds() { "$RUNLOG" list --json | grep -q '"total":'$1; }
      mkfifo pipe
      "$RUNLOG" import pipe >out 2>err &
      exec 3>pipe
      cat one >&3
      until_true holds 2
      until_true grep -q pipe:2: err
      kill -TERM $!
      wait $!
      echo "code $?"
      cat out err)");
  INFO(result.out << result.err);
  CHECK_THAT(result.out, Contains("code 3") && Contains("imported 2 runs") &&
                             Contains("2 new, 0 superseding, 0 already there, 1 refused") &&
                             Contains("ended early with 2 runs safely stored") &&
                             !Contains("in vain"));
}
