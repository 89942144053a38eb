// Writes transactions to a plain LMDB environment and acknowledges each after its commit: the
// subject on which the shim and the replay are tried before they judge a log.
//
//   lmdb_driver DIRECTORY TRANSACTIONS ACK_FILE [nosync]
#include <lmdb.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/faults/lmdb_model.h"

namespace {

using runlog::faults::LmdbContent;

void must(int rc, const char* deed) {
  if (rc == 0) return;
  std::fprintf(stderr, "lmdb_driver: cannot %s: %s\n", deed, mdb_strerror(rc));
  std::exit(1);
}

void sync_directory(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || ::fsync(fd) != 0) must(errno, "sync the directory");
  ::close(fd);
}

// Brings the table from the content before transaction `number` to the one after it.
int write_transaction(MDB_env* env, LmdbContent& content, std::uint64_t number) {
  MDB_txn* transaction = nullptr;
  MDB_dbi table = 0;
  must(mdb_txn_begin(env, nullptr, 0, &transaction), "begin");
  must(mdb_dbi_open(transaction, "t", MDB_CREATE | MDB_INTEGERKEY, &table), "open the table");
  LmdbContent next = content;
  runlog::faults::apply_transaction(next, number);
  for (const auto& [key, value] : content) {
    std::uint64_t bytes = key;
    MDB_val k{sizeof bytes, &bytes};
    if (!next.contains(key)) must(mdb_del(transaction, table, &k, nullptr), "remove");
  }
  for (auto& [key, value] : next) {
    if (const auto old = content.find(key); old != content.end() && old->second == value) continue;
    std::uint64_t bytes = key;
    MDB_val k{sizeof bytes, &bytes}, v{value.size(), value.data()};
    must(mdb_put(transaction, table, &k, &v, 0), "put");
  }
  content = std::move(next);
  return mdb_txn_commit(transaction);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 4) return 2;
  const std::string directory = arguments[1];
  const auto transactions = std::strtoull(arguments[2], nullptr, 10);
  const int acks = ::open(arguments[3], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const unsigned flags = count > 4 && std::string(arguments[4]) == "nosync" ? MDB_NOSYNC : 0;

  ::mkdir(directory.c_str(), 0755);
  sync_directory(directory + "/..");
  MDB_env* env = nullptr;
  must(mdb_env_create(&env), "prepare");
  mdb_env_set_mapsize(env, 64u << 20);
  mdb_env_set_maxdbs(env, 2);
  must(mdb_env_open(env, directory.c_str(), MDB_NOTLS | flags, 0644), "open");
  sync_directory(directory);

  LmdbContent content;
  for (std::uint64_t number = 1; number <= transactions; ++number) {
    const int rc = write_transaction(env, content, number);
    if (rc != 0) {
      std::printf("failed %llu %d\n", static_cast<unsigned long long>(number), rc);
      std::fflush(stdout);
      break;
    }
    const std::string line = std::to_string(number) + "\n";
    if (::write(acks, line.data(), line.size()) < 0) return 1;
    std::printf("ack %s", line.c_str());
    std::fflush(stdout);
  }
  mdb_env_close(env);
  return 0;
}
