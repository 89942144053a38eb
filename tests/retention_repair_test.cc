// What retention keeps in state/, damaged: reported, repaired, and known again in a catalog that is
// made anew.
#include <filesystem>
#include <fstream>
#include <string_view>

#include "log/verify.h"
#include "tests/cli_process.h"
#include "tests/damaged_log.h"
#include "tests/retention_fixture.h"

using namespace runlog;

TEST_CASE_METHOD(RetentionFixture,
                 "a catalog that is made again knows the policy, the pins and what was hidden") {
  set(cap(10));
  append_some(0, 60);
  must(log_->pin("flow55", "an audit"));
  append_some(0, 5, "other");
  must(log_->seal_now());
  set(cap(20));  // what the smaller cap has hidden does not come back
  append_some(60, 63);
  const auto expected = visible();
  log_.reset();
  const auto state = files_.path() / "state" / "data.mdb";
  SECTION("of whose file the meta pages are damaged") {
    flip_byte(state, 16);
    flip_byte(state, 4096 + 16);
  }
  SECTION("for an entry of a segment fails its checksum") {
    std::string bytes = read_text(state);
    const auto pages = bytes.size() / 4096;
    std::size_t flipped = 0;
    // An entry begins with version 1 and its state, 5 zeros, and the segment's number twice.
    for (std::size_t at = 2 * 4096; at + 64 < pages * 4096; at += 2) {
      const std::string_view head(bytes.data() + at, 16);
      if (head[0] == 1 && head[1] == 0 && head[2] == 3 && head.substr(3, 5) == std::string(5, 0) &&
          head[8] > 0 && head[8] < 30 && head.substr(9, 7) == std::string(7, 0)) {
        bytes[at + 40] = char(bytes[at + 40] ^ 0x5A);
        ++flipped;
      }
    }
    REQUIRE(flipped > 0);
    std::ofstream(state, std::ios::binary) << bytes;
  }
  VerifyOptions repair;
  repair.repair = true;
  const auto repaired = verify_log(files_.path(), repair);
  must(repaired);
  CHECK_FALSE(repaired->damage.empty());
  CHECK(verify_log(files_.path())->damage.empty());
  reopen();
  CHECK(*log_->retention() == cap(20));
  REQUIRE(log_->pins()->size() == 1);
  CHECK(visible() == expected);
  append_some(63, 90);
  auto later = names(0, 5, "other");
  later.insert(later.begin(), "flow55");
  const auto newest = names(70, 90);
  later.insert(later.end(), newest.begin(), newest.end());
  CHECK(visible() == later);
}

TEST_CASE_METHOD(RetentionFixture, "damage to what retention keeps is reported, and repaired") {
  set(cap(10));
  append_some(0, 40);
  must(log_->pin("flow35", "a reason that stands in the file"));
  const auto expected = visible();
  log_.reset();
  const auto state = files_.path() / "state" / "data.mdb";
  std::string bytes = read_text(state);
  for (auto at = bytes.find("that stands in the file"); at != std::string::npos;
       at = bytes.find("that stands in the file", at + 1))
    bytes[at] = 'T';
  std::ofstream(state, std::ios::binary) << bytes;
  CHECK(Log::open(files_.path(), options_).error().code == ErrorCode::Corruption);
  const auto found = verify_log(files_.path());
  must(found);
  REQUIRE(found->damage.size() == 1);
  CHECK(found->damage.front().find("a pin") != std::string::npos);
  VerifyOptions repair;
  repair.repair = true;
  must(verify_log(files_.path(), repair));
  CHECK(verify_log(files_.path())->damage.empty());
  reopen();
  CHECK(log_->pins()->empty());
  CHECK(visible() == expected);
}
