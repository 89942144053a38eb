// LMDB files made with LMDB itself, for the tests of the page check.
#pragma once

#include <fcntl.h>
#include <lmdb.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "log/lmdb_check.h"

namespace runlog::lmdb_tests {

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "lmdb_check_XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  std::filesystem::path file() const { return path_ / "data.mdb"; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline void must(int code) {
  INFO(mdb_strerror(code));
  REQUIRE(code == 0);
}

inline MDB_val val(const void* bytes, std::size_t size) { return {size, const_cast<void*>(bytes)}; }

// An environment as a log makes it, and as LMDB allows besides.
class Env {
 public:
  explicit Env(const std::filesystem::path& directory, unsigned flags = MDB_NOSYNC) {
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

inline std::vector<std::byte> read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  return {bytes, bytes + text.size()};
}

// Overwrites in place: file systems flush a file that is cut to nothing and written again.
inline void write_at(const std::filesystem::path& path, std::size_t at, std::span<const std::byte> bytes) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || pwrite(fd, bytes.data(), bytes.size(), off_t(at)) != ssize_t(bytes.size())) abort();
  close(fd);
}

inline void write_file(const std::filesystem::path& path, const std::vector<std::byte>& bytes) {
  write_at(path, 0, bytes);
  std::filesystem::resize_file(path, bytes.size());
}

inline LmdbFileState must_pass(const std::filesystem::path& file) {
  auto state = check_lmdb_file(file);
  INFO((state ? std::string() : state.error().message));
  REQUIRE(state);
  return *state;
}

inline std::string problem_of(const std::vector<std::byte>& image) {
  auto state = check_lmdb_image(image, "image");
  if (state) return "";
  CHECK(state.error().code == ErrorCode::Corruption);
  return state.error().message;
}

// A small file with everything in it: leaves and branches, several tables, overflow pages, free
// pages, keys without gaps.
inline std::vector<std::byte> small_image() {
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

}  // namespace runlog::lmdb_tests
