// The shim and the replay, tried on plain LMDB: what they say of a library whose promises are known
// shows that they can be believed about ours.
#include <catch2/catch.hpp>

#include <lmdb.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/faults/child_process.h"
#include "tests/faults/io_shim.h"
#include "tests/faults/lmdb_model.h"
#include "tests/faults/replay.h"
#include "tests/faults/shim_support.h"

using namespace runlog::faults;
namespace fs = std::filesystem;

namespace {

// Reads the whole table; the text "empty" when there is none, or what LMDB says is wrong.
std::string read_table(const fs::path& directory, LmdbContent& content) {
  MDB_env* env = nullptr;
  mdb_env_create(&env);
  mdb_env_set_mapsize(env, 64u << 20);
  mdb_env_set_maxdbs(env, 2);
  int rc = mdb_env_open(env, directory.c_str(), MDB_NOTLS, 0644);
  MDB_txn* transaction = nullptr;
  if (rc == 0) rc = mdb_txn_begin(env, nullptr, MDB_RDONLY, &transaction);
  MDB_dbi table = 0;
  if (rc == 0) rc = mdb_dbi_open(transaction, "t", MDB_INTEGERKEY, &table);
  MDB_cursor* cursor = nullptr;
  if (rc == 0) rc = mdb_cursor_open(transaction, table, &cursor);
  MDB_val key{}, value{};
  while (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
    std::uint64_t number = 0;
    std::memcpy(&number, key.mv_data, sizeof number);
    content[number] = std::string(static_cast<const char*>(value.mv_data), value.mv_size);
  }
  const bool ended = cursor != nullptr && rc == MDB_NOTFOUND;
  if (transaction != nullptr) mdb_txn_abort(transaction);
  mdb_env_close(env);
  if (ended || rc == MDB_NOTFOUND) return "";
  return mdb_strerror(rc);
}

// What is wrong with the table after a crash that came when `acked` transactions were acknowledged;
// empty when nothing is.
std::string judge_table(const fs::path& directory, std::uint64_t acked) {
  const auto result = run_guarded(
      [&]() -> std::string {
        LmdbContent content, expected;
        const std::string error = read_table(directory, content);
        // LMDB writes its first two pages without a sync, so before its first commit the file may
        // be one that LMDB itself refuses; whoever creates one must be ready for that.
        if (!error.empty()) return acked == 0 ? "" : error;
        const std::uint64_t number = content.contains(0) ? std::stoull(content[0]) : 0;
        if (number < acked)
          return "transaction " + std::to_string(acked) + " was acknowledged, found only " +
                 std::to_string(number);
        if (number > acked + 1) return "a transaction that was never begun";
        for (std::uint64_t i = 1; i <= number; ++i) apply_transaction(expected, i);
        return content == expected ? "" : "content differs";
      },
      20);
  if (result.ending.exit_code != 0) return result.ending.text();
  return result.output;
}

struct Recording {
  TempDir dir;
  fs::path root = dir.path() / "root";
  fs::path journal = dir.path() / "journal";
  fs::path acks = dir.path() / "acks";

  Ending run(const std::vector<std::string>& more = {}, Environment environment = {}) {
    fs::create_directories(root);
    environment.merge(shim_environment(root, journal, acks));
    std::vector<std::string> arguments{(root / "env").string(), "25", acks.string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    ChildProcess driver(RUNLOG_LMDB_DRIVER_PATH, arguments, environment);
    return driver.wait();
  }
  std::uint64_t last_ack() const {
    std::ifstream in(acks);
    std::uint64_t last = 0;
    for (std::uint64_t number; in >> number;) last = number;
    return last;
  }
};

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Judges the table after a cut at every point; returns the first complaint with its place.
std::string judge_every_cut(const Recording& recording, Loss loss, unsigned seeds) {
  Replay replay(read_journal(recording.journal));
  const fs::path state = recording.dir.path() / "state";
  for (;; replay.advance()) {
    const std::uint64_t acked = replay.acks().empty() ? 0 : std::stoull(replay.acks().back());
    for (unsigned seed = 0; seed < seeds; ++seed) {
      replay.write(state, loss, seed * 7919 + replay.position());
      if (std::string wrong = judge_table(state / "env", acked); !wrong.empty())
        return "at " + std::to_string(replay.position()) + ", seed " + std::to_string(seed) + ": " +
               wrong;
    }
    if (replay.position() == replay.size()) return "";
  }
}

}  // namespace

TEST_CASE("the replay of a whole journal is the directory that the program left", "[faults]") {
  RUNLOG_NEEDS_SHIM();
  Recording recording;
  REQUIRE(recording.run().exit_code == 0);
  Replay replay(read_journal(recording.journal));
  while (replay.position() < replay.size()) replay.advance();
  CHECK(replay.acks().size() == 25);
  const fs::path state = recording.dir.path() / "state";
  replay.write(state, Loss::kNothing, 0);
  CHECK(bytes_of(state / "env/data.mdb") == bytes_of(recording.root / "env/data.mdb"));
  CHECK(judge_table(state / "env", 25).empty());
}

TEST_CASE("LMDB keeps every acknowledged transaction through any power cut", "[faults]") {
  RUNLOG_NEEDS_SHIM();
  Recording recording;
  REQUIRE(recording.run().exit_code == 0);
  CHECK(judge_every_cut(recording, Loss::kNothing, 1) == "");
  CHECK(judge_every_cut(recording, Loss::kPages, 2 * test_rounds()) == "");
  CHECK(judge_every_cut(recording, Loss::kSectors, 2 * test_rounds()) == "");
}

TEST_CASE("the replay finds that LMDB without syncs loses transactions", "[faults]") {
  RUNLOG_NEEDS_SHIM();
  Recording recording;
  REQUIRE(recording.run({"nosync"}).exit_code == 0);
  CHECK(judge_every_cut(recording, Loss::kNothing, 1) == "");
  CHECK(judge_every_cut(recording, Loss::kPages, 1) != "");
}

TEST_CASE("the shim kills a process before the operation it was told", "[faults]") {
  RUNLOG_NEEDS_SHIM();
  for (int nth = 1; nth < 60; nth += 3) {
    Recording recording;
    const Ending ending = recording.run({}, {{kShimKill, std::to_string(nth)}});
    REQUIRE(ending.killed());
    CHECK(judge_table(recording.root / "env", recording.last_ack()) == "");
  }
}

TEST_CASE("a write or a sync that the shim refuses makes the commit fail", "[faults]") {
  RUNLOG_NEEDS_SHIM();
  for (const char* which : {kShimFailWrite, kShimFailSync})
    for (const char* with : {"EIO", "ENOSPC", "SHORT"})
      for (int nth = 3; nth < 24; nth += 5) {
        Recording recording;
        INFO(which << "=" << nth << " with " << with);
        recording.run({}, {{which, std::to_string(nth)}, {kShimFailWith, with}});
        CHECK(recording.last_ack() < 25);
        CHECK(judge_table(recording.root / "env", recording.last_ack()) == "");
      }
}
