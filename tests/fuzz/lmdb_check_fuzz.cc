// Arbitrary bytes as an LMDB file. The first byte of the input chooses how the rest is read: as the
// file itself, or as changes to a sound file, which get deeper. The changes are 4 bytes each: page,
// u16 offset in the page, new byte.
#include <lmdb.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "log/file_io.h"
#include "log/lmdb_check.h"

namespace {

constexpr std::size_t kPageBytes = 4096;

void must(bool good) {
  if (!good) abort();
}

void put(MDB_txn* txn, MDB_dbi dbi, std::uint64_t key, std::size_t bytes) {
  std::string content(bytes, 'x');
  MDB_val k{sizeof key, &key}, v{content.size(), content.data()};
  must(mdb_put(txn, dbi, &k, &v, 0) == 0);
}

// A file with branches, several tables, overflow pages and a free list.
std::vector<std::byte> sound_file() {
  std::string name = (std::filesystem::temp_directory_path() / "lmdb_fuzz_XXXXXX").string();
  const std::filesystem::path directory = mkdtemp(name.data());
  MDB_env* env;
  must(mdb_env_create(&env) == 0 && mdb_env_set_maxdbs(env, 4) == 0);
  must(mdb_env_set_mapsize(env, 16 << 20) == 0);
  must(mdb_env_open(env, directory.c_str(), MDB_NOSYNC, 0600) == 0);
  for (std::uint64_t commit = 1; commit <= 4; ++commit) {
    MDB_txn* txn;
    MDB_dbi records, tables;
    must(mdb_txn_begin(env, nullptr, 0, &txn) == 0);
    must(mdb_dbi_open(txn, "r", MDB_INTEGERKEY | MDB_CREATE, &records) == 0);
    must(mdb_dbi_open(txn, "t", MDB_CREATE, &tables) == 0);
    for (std::uint64_t i = 0; i < 20; ++i) put(txn, records, commit * 100 + i, 100 + i);
    put(txn, tables, commit % 3, commit * 3000);
    must(mdb_txn_commit(txn) == 0);
  }
  mdb_env_close(env);
  auto mapping = runlog::FileMapping::open(directory / "data.mdb");
  must(mapping.has_value());
  const auto bytes = (*mapping)->bytes();
  std::vector<std::byte> image(bytes.begin(), bytes.end());
  std::filesystem::remove_all(directory);
  must(runlog::check_lmdb_image(image, "sound").has_value());
  return image;
}

// In a block of its own size, so that a read behind its end is seen.
void check(std::span<const std::byte> file) {
  const auto state = runlog::check_lmdb_image(file, "fuzz");
  if (state) must(state->used_bytes <= file.size());
  for (std::uint64_t transaction = 0; transaction < 6; ++transaction)
    (void)runlog::check_lmdb_transaction(file, "fuzz", transaction);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  static const std::vector<std::byte> sound = sound_file();
  if (size == 0) return 0;
  if (input[0] == 0) {
    check(std::as_bytes(std::span(input + 1, size - 1)));
    return 0;
  }
  std::vector<std::byte> file = sound;
  for (std::size_t at = 1; at + 4 <= size; at += 4) {
    std::uint16_t offset;
    std::memcpy(&offset, input + at + 1, sizeof offset);
    const std::size_t place = input[at] * kPageBytes + offset % kPageBytes;
    if (place < file.size()) file[place] = std::byte{input[at + 3]};
  }
  if (input[0] == 2) file.resize(file.size() / 2);
  file.shrink_to_fit();
  check(file);
  return 0;
}
