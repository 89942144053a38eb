// The page check against the real library: what LMDB writes passes, and what is no such file does not.
#include "log/lmdb_check.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <random>

#include "log/file_io.h"
#include "log/lmdb_format.h"
#include "tests/lmdb_image.h"

using namespace runlog;
using namespace runlog::lmdb_tests;
namespace fs = std::filesystem;

TEST_CASE("a file that was just created passes, and so does one with a single commit") {
  TempDir dir;
  Env env(dir.path());
  auto state = must_pass(dir.file());
  CHECK(state.transaction == 0);
  CHECK(state.entries.empty());
  env.begin();
  env.put(env.table("r"), 1, "first");
  env.commit();
  state = must_pass(dir.file());
  CHECK(state.transaction == 1);
  CHECK(state.entries == std::map<std::string, std::uint64_t>{{"r", 1}});
  CHECK(state.previous_entries.empty());
  CHECK(state.used_bytes <= fs::file_size(dir.file()));
}

TEST_CASE("the entries of the newest two transactions are reported") {
  TempDir dir;
  Env env(dir.path());
  for (std::uint64_t i = 1; i <= 3; ++i) {
    env.begin();
    const MDB_dbi records = env.table("r");
    env.put(records, 2 * i, "a", MDB_APPEND);
    env.put(records, 2 * i + 1, "b", MDB_APPEND);
    env.commit();
  }
  const auto state = must_pass(dir.file());
  CHECK(state.transaction == 3);
  CHECK(state.entries.at("r") == 6);
  CHECK(state.previous_entries.at("r") == 4);
}

TEST_CASE("a segment as a log fills and seals it passes after every commit") {
  TempDir dir;
  Env env(dir.path());
  std::mt19937 random(1);
  std::uint64_t next = 1;
  env.begin();
  for (const char* name : {"r", "n", "d", "t", "s"}) env.table(name);
  env.commit();
  for (unsigned commit = 0; commit < 60; ++commit) {
    env.begin();
    const MDB_dbi records = env.table("r"), names = env.table("n");
    for (unsigned i = 0; i < 200; ++i, ++next) {
      const std::size_t bytes = random() % 100 == 0 ? 3000 + random() % 20000 : 100 + random() % 300;
      env.put(records, next, std::string(bytes, 'r'), MDB_APPEND);
      if (next % 10 == 0) env.put(names, next / 10, "a name");
    }
    env.commit();
    const auto state = must_pass(dir.file());
    CHECK(state.entries.at("r") == next - 1);
    CHECK(state.previous_entries.size() == 5);
  }
  env.begin();
  for (std::uint64_t table = 1; table <= 10; ++table)
    env.put(env.table("t"), table, std::string(table * 50000, 't'));
  env.commit();
  must_pass(dir.file());
}

TEST_CASE("random puts, overwrites and deletes pass after every commit") {
  const unsigned seed = GENERATE(1u, 2u, 3u, 4u);
  std::mt19937 random(seed);
  TempDir dir;
  Env env(dir.path());
  std::map<std::uint64_t, bool> live;
  std::map<std::string, bool> live_text;
  for (unsigned commit = 0; commit < 80; ++commit) {
    env.begin();
    const MDB_dbi numbers = env.table("numbers"), texts = env.table("texts", 0);
    const unsigned deeds = 1 + random() % 400;
    const bool shrinking = commit % 20 > 14;
    for (unsigned i = 0; i < deeds; ++i) {
      const std::uint64_t key = random() % 3000;
      const std::string text_key(1 + (key * 37) % 500, char('a' + key % 26));
      if (shrinking || random() % 4 == 0) {
        CHECK(env.remove(numbers, key) == (live.erase(key) == 1));
        CHECK(env.remove(texts, text_key) == (live_text.erase(text_key) == 1));
        continue;
      }
      const std::size_t bytes = random() % 30 == 0 ? random() % 30000 : random() % 600;
      env.put(numbers, key, std::string(bytes, 'x'));
      env.put(texts, text_key, std::string(bytes / 2, 'y'));
      live[key] = live_text[text_key] = true;
      if (random() % 10 == 0) env.put(numbers, key, std::string(random() % 6000, 'z'));
    }
    env.commit();
    const auto state = must_pass(dir.file());
    CHECK(state.entries.at("numbers") == live.size());
    CHECK(state.entries.at("texts") == live_text.size());
  }
}

TEST_CASE("a long free list in overflow pages passes") {
  TempDir dir;
  Env env(dir.path());
  env.begin();
  MDB_dbi records = env.table("r");
  for (std::uint64_t i = 1; i <= 20000; ++i) env.put(records, i, std::string(1500, 'x'));
  env.commit();
  for (unsigned part = 0; part < 4; ++part) {
    env.begin();
    for (std::uint64_t i = part + 1; i <= 20000; i += 4) env.remove(records, i);
    env.commit();
    must_pass(dir.file());
  }
  for (unsigned commit = 0; commit < 5; ++commit) {
    env.begin();
    env.put(records, commit + 1, std::string(100, 'y'));
    env.commit();
    CHECK(must_pass(dir.file()).entries.at("r") == commit + 1);
  }
}

TEST_CASE("an error names the file, the page, the table and the check") {
  auto image = small_image();
  lmdb::Meta meta;
  const auto transaction = check_lmdb_image(image, "image")->transaction;
  std::memcpy(&meta, image.data() + (transaction & 1) * 4096 + lmdb::kPageHeaderBytes, sizeof meta);
  image[meta.main.root * 4096 + lmdb::kPageFlagsAt] = std::byte{0x12};
  const std::string problem = problem_of(image);
  CHECK_THAT(problem, Catch::Contains("'image', page " + std::to_string(meta.main.root)));
  CHECK_THAT(problem, Catch::Contains("the main table"));
  CHECK_THAT(problem, Catch::Contains("the page is not a leaf"));
}

TEST_CASE("what is no LMDB file, and none at all, are clear errors") {
  CHECK_FALSE(problem_of(std::vector<std::byte>(100, std::byte{1})).empty());
  CHECK_FALSE(problem_of(std::vector<std::byte>(20000, std::byte{0})).empty());
  CHECK_FALSE(problem_of(std::vector<std::byte>(20000, std::byte{0xFF})).empty());
  TempDir dir;
  auto state = check_lmdb_file(dir.file());
  REQUIRE_FALSE(state);
  CHECK(state.error().code == ErrorCode::NotFound);
  write_file(dir.file(), {});
  state = check_lmdb_file(dir.file());
  REQUIRE_FALSE(state);
  CHECK(state.error().code == ErrorCode::Corruption);
}

TEST_CASE("tables with flags that no log uses are refused") {
  TempDir dir;
  Env env(dir.path());
  env.begin();
  env.put(env.table("r", MDB_DUPSORT | MDB_INTEGERKEY), 1, "x");
  env.commit();
  CHECK_FALSE(check_lmdb_file(dir.file()));
}

TEST_CASE("the state that a read transaction pins passes while the writer goes on") {
  TempDir dir;
  Env env(dir.path());
  std::uint64_t next = 1;
  auto append = [&] {
    env.begin();
    const MDB_dbi records = env.table("r");
    for (unsigned i = 0; i < 100; ++i, ++next)
      env.put(records, next, std::string(300, 'x'), MDB_APPEND);
    env.commit();
  };
  for (unsigned i = 0; i < 20; ++i) append();
  for (unsigned round = 0; round < 20; ++round) {
    MDB_txn* reader;
    must(mdb_txn_begin(env.env(), nullptr, MDB_RDONLY, &reader));
    const std::uint64_t transaction = mdb_txn_id(reader);
    const auto mapping = FileMapping::open(dir.file());
    REQUIRE(mapping);
    const auto file = (*mapping)->bytes();
    auto checked = check_lmdb_transaction(file, dir.file(), transaction);
    INFO((checked ? "" : checked.error().message));
    REQUIRE(checked);
    CHECK(checked->transaction == transaction);
    CHECK(checked->entries.at("r") == next - 1);
    CHECK(checked->previous_entries.empty());
    append();
    checked = check_lmdb_transaction(file, dir.file(), transaction);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().code == ErrorCode::Busy);
    mdb_txn_abort(reader);
  }
}

TEST_CASE("the entries of a checked file are visited in order, wherever their values stand") {
  TempDir dir;
  Env env(dir.path());
  env.begin();
  const MDB_dbi records = env.table("r");
  for (std::uint64_t i = 1; i <= 500; ++i)
    env.put(records, i, std::string(i * 20, char('a' + i % 26)), MDB_APPEND);
  env.commit();
  const auto image = read_file(dir.file());
  std::uint64_t next = 1;
  const auto visit = [&](const std::string& table, std::uint64_t key,
                         std::span<const std::byte> value) {
    CHECK(table == "r");
    CHECK(key == next);
    CHECK(value.size() == next * 20);
    CHECK(value[value.size() - 1] == std::byte('a' + next % 26));
    ++next;
  };
  REQUIRE(check_lmdb_image(image, "image", visit));
  CHECK(next == 501);
  next = 1;
  CHECK(*newest_lmdb_transaction(image, "image") == 1);
  REQUIRE(check_lmdb_transaction(image, "image", 1, visit));
  CHECK(next == 501);
}
