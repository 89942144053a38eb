// The page check against damaged files: what passes it, LMDB can read and write without a crash.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <random>

#include "log/lmdb_format.h"
#include "tests/lmdb_image.h"
#include "tests/sanitized.h"

using namespace runlog;
using namespace runlog::lmdb_tests;
namespace fs = std::filesystem;

namespace {

// ---- reading a damaged file with LMDB, in a process that may die of it -------------------------

// Entries by table name; the values are not kept, only touched.
using Keys = std::map<std::string, std::vector<std::string>>;

std::string text(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

bool read_table(MDB_txn* txn, MDB_dbi dbi, std::vector<std::string>& keys, unsigned& sum) {
  MDB_cursor* cursor;
  if (mdb_cursor_open(txn, dbi, &cursor) != 0) return false;
  MDB_val key, value;
  int rc;
  while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
    keys.push_back(text(key));
    for (std::size_t i = 0; i < value.mv_size; ++i) sum += static_cast<unsigned char*>(value.mv_data)[i];
    MDB_val again;
    if (mdb_get(txn, dbi, &key, &again) != 0) rc = -1;
  }
  mdb_cursor_close(cursor);
  return rc == MDB_NOTFOUND;
}

bool read_all(MDB_env* env, Keys& keys) {
  MDB_txn* txn;
  if (mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn) != 0) return false;
  MDB_dbi main;
  bool good = mdb_dbi_open(txn, nullptr, 0, &main) == 0;
  unsigned sum = 0;
  if (good) good = read_table(txn, main, keys[""], sum);
  const std::vector<std::string> names = keys[""];
  for (const std::string& name : names) {
    MDB_dbi dbi;
    good = good && mdb_dbi_open(txn, name.c_str(), 0, &dbi) == 0;
    good = good && read_table(txn, dbi, keys[name], sum);
  }
  mdb_txn_abort(txn);
  return good;
}

// Adds to, removes from and commits to every table, so that the free list is used up.
bool write_some(MDB_env* env, const Keys& keys) {
  for (unsigned round = 0; round < 3; ++round) {
    MDB_txn* txn;
    if (mdb_txn_begin(env, nullptr, 0, &txn) != 0) return false;
    for (const std::string& name : keys.at("")) {
      MDB_dbi dbi;
      if (mdb_dbi_open(txn, name.c_str(), 0, &dbi) != 0) return false;
      const auto& table = keys.at(name);
      if (table.empty()) continue;
      MDB_val key = val(table[table.size() / 2].data(), table[table.size() / 2].size());
      std::string content(round == 1 ? 9000 : 300, 'w');
      MDB_val value = val(content.data(), content.size());
      if (mdb_put(txn, dbi, &key, &value, 0) != 0) return false;
      key = val(table.front().data(), table.front().size());
      const int removed = mdb_del(txn, dbi, &key, nullptr);
      if (removed != 0 && removed != MDB_NOTFOUND) return false;
    }
    if (mdb_txn_commit(txn) != 0) return false;
  }
  return true;
}

// What became of a damaged file in LMDB's hands.
enum Outcome { kSame, kRefused, kOtherNames, kOtherEndKey, kOtherKeys, kWriteFailed };
constexpr unsigned kOutcomes = 6;

// A table's first and last key have a neighbour on one side only, so that damage can move them; the
// record's own checksum covers its number. All others stand between two that follow each other.
Outcome compare(const Keys& keys, const Keys& expected) {
  if (keys == expected) return kSame;
  if (keys.at("") != expected.at("")) return kOtherNames;
  for (const auto& [name, table] : expected) {
    const auto& found = keys.at(name);
    if (found.size() != table.size()) return kOtherKeys;
    if (!table.empty() && !std::equal(table.begin() + 1, table.end() - 1, found.begin() + 1))
      return kOtherKeys;
  }
  return kOtherEndKey;
}

Outcome use(const fs::path& directory, const Keys& expected, bool write) {
  MDB_env* env;
  mdb_env_create(&env);
  mdb_env_set_maxdbs(env, 16);
  mdb_env_set_mapsize(env, 64u << 20);
  if (mdb_env_open(env, directory.c_str(), MDB_NOSYNC | MDB_NOLOCK | MDB_NOTLS, 0600) != 0) {
    mdb_env_close(env);
    return kRefused;
  }
  Keys keys;
  Outcome outcome = read_all(env, keys) ? compare(keys, expected) : kRefused;
  if (write && outcome != kRefused && !write_some(env, keys)) outcome = kWriteFailed;
  mdb_env_close(env);
  return outcome;
}

Keys keys_of(const std::vector<std::byte>& image) {
  TempDir dir;
  write_file(dir.file(), image);
  Env env(dir.path());
  Keys keys;
  REQUIRE(read_all(env.env(), keys));
  return keys;
}

struct Flip {
  std::size_t at;
  std::byte mask;
};

// What the child reports, in memory shared with it.
struct Progress {
  std::size_t done;
  unsigned outcomes[kOutcomes];
};

// A number of the last page that is too high leaves no room to write: an error, but no crash.
bool is_last_page(std::size_t at) {
  const std::size_t field = lmdb::kPageHeaderBytes + offsetof(lmdb::Meta, last_page);
  return at < 2 * 4096 && at % 4096 >= field && at % 4096 < field + sizeof(std::uint64_t);
}

// Gives every damaged image that the check let pass to LMDB, in a child; if it dies, the flip that
// it was at is named. Writing changes the whole file, so only every 16th is also written to.
void survive(const std::vector<std::byte>& image, const std::vector<Flip>& flips,
             Progress& total) {
  const Keys expected = keys_of(image);
  auto* progress = static_cast<Progress*>(mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE,
                                               MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  *progress = {};
  TempDir dir;
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGABRT, SIG_DFL);
    signal(SIGSEGV, SIG_DFL);
    alarm(300);
    write_file(dir.file(), image);
    for (const Flip& flip : flips) {
      const bool write = progress->done % 16 == 0 || flip.at % 4096 < lmdb::kPageHeaderBytes ||
                         flip.at < 2 * 4096;
      const std::byte damaged = image[flip.at] ^ flip.mask;
      write_at(dir.file(), flip.at, {&damaged, 1});
      const Outcome outcome = use(dir.path(), expected, write);
      ++progress->outcomes[outcome];
      if (outcome == kWriteFailed && is_last_page(flip.at)) --progress->outcomes[outcome];
      ++progress->done;
      if (write)
        write_file(dir.file(), image);
      else
        write_at(dir.file(), flip.at, {&image[flip.at], 1});
    }
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  total = *progress;
  munmap(progress, sizeof(Progress));
  if (total.done < flips.size()) {
    const Flip& fatal = flips[total.done];
    FAIL("LMDB died of byte " << fatal.at << " (page " << fatal.at / 4096 << ", offset "
                              << fatal.at % 4096 << ") xor " << unsigned(fatal.mask));
  }
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
}

}  // namespace

TEST_CASE("a damaged byte anywhere is reported, or LMDB lives and finds the same keys") {
  const auto image = small_image();
  // Beside single bits, whole bytes: they reach values that no single bit does.
  const unsigned turn = GENERATE(0u, 8u);
  auto mask = [&](std::size_t at) {
    return turn == 8 ? std::byte{0xFF} : std::byte(1 << ((at + turn) % 8));
  };
  std::vector<std::byte> damaged = image;
  std::vector<std::size_t> reported;
  for (std::size_t at = 0; at < image.size(); ++at) {
    damaged[at] ^= mask(at);
    if (!check_lmdb_image(damaged, "image")) reported.push_back(at);
    damaged[at] ^= mask(at);
  }
  CHECK(reported.size() > 1000);
  // What lies far from any byte that the check looks at is the middle of a value or unused room:
  // a sample of that is enough.
  std::vector<Flip> passed;
  for (std::size_t at = 0; at < image.size(); ++at) {
    const auto near = std::lower_bound(reported.begin(), reported.end(), at < 16 ? 0 : at - 16);
    const bool beside = near != reported.end() && *near <= at + 16;
    if (std::binary_search(reported.begin(), reported.end(), at)) continue;
    if (at % one_in(5) != 0) continue;
    if (beside || at % 64 == 0) passed.push_back({at, mask(at)});
  }
  Progress progress{};
  survive(image, passed, progress);
  CHECK(progress.outcomes[kRefused] == 0);
  CHECK(progress.outcomes[kOtherKeys] == 0);
  CHECK(progress.outcomes[kWriteFailed] == 0);
  CHECK(progress.outcomes[kOtherNames] <= 3);  // the tables' one-letter names
}

TEST_CASE("random damage of several bytes is reported, or LMDB lives") {
  const auto image = small_image();
  const std::size_t pages = image.size() / 4096;
  std::mt19937 random(7);
  const Keys expected = keys_of(image);
  TempDir dir;
  unsigned passed = 0;
  for (unsigned round = 0; round < 20000 / one_in(5); ++round) {
    std::vector<std::byte> damaged = image;
    const unsigned deeds = 1 + random() % 3;
    for (unsigned i = 0; i < deeds; ++i) {
      // Mostly in what is structure: the headers, the offsets, the first nodes.
      const std::size_t at = (random() % pages) * 4096 + random() % (random() % 2 ? 64 : 4096);
      const std::uint64_t some[] = {0, 1, 2, 4, 0xFF, random() % pages, random() % 256};
      damaged[at] = std::byte(some[random() % 7]);
    }
    if (!check_lmdb_image(damaged, "image")) continue;
    ++passed;
    if (passed % 60 != 0) continue;
    write_file(dir.file(), damaged);
    const pid_t child = fork();
    if (child == 0) {
      signal(SIGABRT, SIG_DFL);
      signal(SIGSEGV, SIG_DFL);
      alarm(20);
      _exit(use(dir.path(), expected, true));
    }
    int status = 0;
    waitpid(child, &status, 0);
    INFO("round " << round);
    REQUIRE(WIFEXITED(status));
  }
}

TEST_CASE("a file cut at any page is reported unless nothing of the rest is in use") {
  const auto image = small_image();
  const auto whole = check_lmdb_image(image, "image");
  REQUIRE(whole);
  for (std::size_t bytes = 0; bytes < image.size(); bytes += 512) {
    const std::vector<std::byte> cut(image.begin(), image.begin() + std::ptrdiff_t(bytes));
    INFO(bytes);
    CHECK(problem_of(cut).empty() == (bytes >= whole->used_bytes));
  }
}

TEST_CASE("a damaged transaction number is reported even where it fits the other meta page") {
  const auto image = small_image();
  auto at = [](unsigned slot) {
    return slot * 4096 + lmdb::kPageHeaderBytes + offsetof(lmdb::Meta, transaction);
  };
  const auto newest = check_lmdb_image(image, "image")->transaction;
  auto with = [&](unsigned slot, std::uint64_t transaction) {
    auto changed = image;
    std::memcpy(changed.data() + at(slot), &transaction, sizeof transaction);
    return problem_of(changed);
  };
  const unsigned slot = newest & 1;
  CHECK(with(slot, newest).empty());
  CHECK_FALSE(with(slot, newest - 2).empty());      // the older state would win
  CHECK_FALSE(with(1 - slot, newest + 1).empty());  // likewise
  CHECK_FALSE(with(slot, newest + 2).empty());
  CHECK_FALSE(with(slot, 0).empty());
}
