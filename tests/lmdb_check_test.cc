// The page check against the real library: what LMDB writes passes; what passes after damage, LMDB
// can still read and write without a crash.
#include "log/lmdb_check.h"

#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "log/file_io.h"
#include "log/lmdb_format.h"

using namespace runlog;
namespace fs = std::filesystem;

namespace {

class TempDir {
 public:
  TempDir() {
    std::string name = (fs::temp_directory_path() / "lmdb_check_XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TempDir() { fs::remove_all(path_); }
  fs::path file() const { return path_ / "data.mdb"; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

void must(int code) {
  INFO(mdb_strerror(code));
  REQUIRE(code == 0);
}

MDB_val val(const void* bytes, std::size_t size) { return {size, const_cast<void*>(bytes)}; }

// An environment as a log makes it, and as LMDB allows besides.
class Env {
 public:
  explicit Env(const fs::path& directory, unsigned flags = MDB_NOSYNC) {
    must(mdb_env_create(&env_));
    must(mdb_env_set_maxdbs(env_, 16));
    must(mdb_env_set_mapsize(env_, 1ull << 30));
    must(mdb_env_open(env_, directory.c_str(), flags | MDB_NOTLS, 0600));
  }
  ~Env() { mdb_env_close(env_); }
  Env(const Env&) = delete;

  void begin() { must(mdb_txn_begin(env_, nullptr, 0, &txn_)); }
  void commit() { must(mdb_txn_commit(txn_)); }
  MDB_dbi table(const char* name, unsigned flags = MDB_INTEGERKEY) {
    MDB_dbi dbi;
    must(mdb_dbi_open(txn_, name, flags | MDB_CREATE, &dbi));
    return dbi;
  }
  void put(MDB_dbi dbi, std::uint64_t key, const std::string& value, unsigned flags = 0) {
    MDB_val k = val(&key, sizeof key), v = val(value.data(), value.size());
    must(mdb_put(txn_, dbi, &k, &v, flags));
  }
  void put(MDB_dbi dbi, const std::string& key, const std::string& value) {
    MDB_val k = val(key.data(), key.size()), v = val(value.data(), value.size());
    must(mdb_put(txn_, dbi, &k, &v, 0));
  }
  bool remove(MDB_dbi dbi, std::uint64_t key) {
    MDB_val k = val(&key, sizeof key);
    return mdb_del(txn_, dbi, &k, nullptr) == 0;
  }
  bool remove(MDB_dbi dbi, const std::string& key) {
    MDB_val k = val(key.data(), key.size());
    return mdb_del(txn_, dbi, &k, nullptr) == 0;
  }
  MDB_env* env() { return env_; }

 private:
  MDB_env* env_ = nullptr;
  MDB_txn* txn_ = nullptr;
};

std::vector<std::byte> read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  return {bytes, bytes + text.size()};
}

// Overwrites in place: file systems flush a file that is cut to nothing and written again.
void write_at(const fs::path& path, std::size_t at, std::span<const std::byte> bytes) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || pwrite(fd, bytes.data(), bytes.size(), off_t(at)) != ssize_t(bytes.size())) abort();
  close(fd);
}

void write_file(const fs::path& path, const std::vector<std::byte>& bytes) {
  write_at(path, 0, bytes);
  fs::resize_file(path, bytes.size());
}

LmdbFileState must_pass(const fs::path& file) {
  auto state = check_lmdb_file(file);
  INFO((state ? std::string() : state.error().message));
  REQUIRE(state);
  return *state;
}

std::string problem_of(const std::vector<std::byte>& image) {
  auto state = check_lmdb_image(image, "image");
  if (state) return "";
  CHECK(state.error().code == ErrorCode::Corruption);
  return state.error().message;
}

// A small file with everything in it: leaves and branches, several tables, overflow pages, free
// pages, keys without gaps.
std::vector<std::byte> small_image() {
  TempDir dir;
  {
    Env env(dir.path());
    env.begin();
    const MDB_dbi names = env.table("n"), records = env.table("r"), tables = env.table("t");
    for (unsigned i = 1; i <= 40; ++i) env.put(names, i, "name " + std::to_string(i));
    env.commit();
    std::uint64_t next = 1;
    for (unsigned commit = 0; commit < 5; ++commit) {
      env.begin();
      for (unsigned i = 0; i < 30; ++i, ++next)
        env.put(records, next, std::string(100 + next % 90, char('a' + next % 26)), MDB_APPEND);
      env.commit();
    }
    env.begin();
    env.put(tables, 1, std::string(9000, 'x'));
    env.put(tables, 2, std::string(5000, 'y'));
    env.put(tables, 3, std::string(12, 'z'));
    env.commit();
    env.begin();
    REQUIRE(env.remove(tables, 1));
    env.commit();
    env.begin();
    env.put(tables, 1, std::string(6000, 'v'));
    env.commit();
  }
  must_pass(dir.file());
  return read_file(dir.file());
}

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
  for (unsigned round = 0; round < 20000; ++round) {
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
