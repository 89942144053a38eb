// LMDB behind our error type: an environment, its read and write transactions, and the handful of
// operations that a log needs. Nothing above this file names LMDB.
//
// Tables are keyed by one native 64-bit number. Values are borrowed from the map: they live as long
// as the transaction that read them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "index/error.h"
#include "log/last_commit.h"

struct MDB_env;
struct MDB_txn;
struct MDB_cursor;

namespace runlog {

class NewFile;

using Bytes = std::span<const std::byte>;

// Persistent: never renumber. The named tables of an environment, each by its one-letter name.
enum class LmdbTable : unsigned {
  kRecords = 0,       // "r": sequence number → record
  kNames = 1,         // "n": symbol → name
  kDictionaries = 2,  // "d": number → dictionary
  kTables = 3,        // "t": TableId, header, footer → bytes
  kSegments = 4,      // "s": segment id → catalog entry (in state/ only)
};
inline constexpr unsigned kLmdbTableCount = 5;

// kReadAtRest: nobody writes the file while it is being opened, so that all of it can be checked.
enum class OpenMode { kWrite, kRead, kReadAtRest };

class LmdbEnv {
 public:
  struct Options {
    std::size_t map_bytes = 0;  // 0 for reading: as large as the writer's
    OpenMode mode = OpenMode::kWrite;
    bool is_read_only() const { return mode != OpenMode::kWrite; }
    // Leaves syncing to sync(): for a segment that nothing names before it is complete.
    bool no_sync = false;
    // Set for a file that is written with commit_additions(): opening it for writing settles its
    // last commit (see log/last_commit.h). What it makes says whether an entry is whole.
    MakeEntryCheck settle_with;
  };
  // Opens data.mdb in `directory`, which must exist; creates the file and its tables if it is not
  // there. An existing file is checked page by page first. A process must not open an environment
  // twice (the second close would drop the first one's locks), so one that is open is shared.
  // Errors: Corruption; IoError; DiskFull; NotFound (read-only and no file); Busy (wanted for
  // writing, and open in this process for reading only).
  static Expected<std::shared_ptr<LmdbEnv>> open(const std::filesystem::path& directory,
                                                 const Options& options);
  ~LmdbEnv();
  LmdbEnv(const LmdbEnv&) = delete;
  LmdbEnv& operator=(const LmdbEnv&) = delete;

  // Writes everything to disk (only with no_sync). Errors: IoError; DiskFull.
  Expected<void> sync();

  // Says that the last commit is on disk and that no other follows in this process, so that damage
  // to it is never taken for a commit that a power cut tore. Errors: IoError; DiskFull.
  Expected<void> mark_closed();

  // How far the file is used, and how far it may grow: pages that a slow reader keeps from being
  // used again count.
  std::uint64_t file_bytes_used() const;
  std::uint64_t map_bytes() const { return options_.map_bytes; }
  // Writes a consistent copy of the file, as of now, into `out`; commits go on meanwhile, but the pages
  // of now are not used again before it is done. Errors: IoError; DiskFull.
  Expected<void> copy_to(NewFile& out);

  // Frees the places of readers whose process died, which keep pages from being used again.
  void forget_dead_readers();

  // Closes the environment after a failed commit and opens it again, checked. Waits until no read
  // transaction is under way. Errors: as open; the environment is unusable then.
  Expected<void> reopen();

  // Closes the environment, puts `prepared`, a directory beside its own, in its place and opens what
  // is there then. Waits until no read transaction is under way; `prepared` has the old files
  // afterwards, which other processes may still read. Errors: as reopen, and those of
  // exchange_directories(), after which the old files are open again.
  Expected<void> replace_with(const std::filesystem::path& prepared);

  // Whether the file that is open still has its name. Thread-safe.
  bool is_current() const;
  // Opens the file that has the name now, which another process writes. Waits until no read
  // transaction is under way. Only for reading. Errors: as reopen.
  Expected<void> follow_name();
  // Whether the file was not closed with a mark when it was opened: the process that wrote it last
  // died, perhaps within a commit.
  bool was_settled() const { return was_settled_; }

  const std::filesystem::path& file() const { return file_; }
  const Options& options() const { return options_; }

 private:
  friend class LmdbRead;
  friend class LmdbWrite;
  LmdbEnv(std::filesystem::path directory, const Options& options);
  Expected<void> start(bool after_failed_commit);
  Expected<void> check_file(bool after_failed_commit) const;
  Expected<void> open_tables(bool exists);
  Expected<void> restart(bool after_failed_commit,
                         const std::function<Expected<void>()>& while_closed);
  Expected<void> check_pinned(MDB_txn* transaction) const;
  void stop();
  Error error(int code, const char* deed) const;
  Expected<MDB_txn*> borrow();
  void give_back(MDB_txn* transaction);

  std::filesystem::path directory_, file_;
  Options options_;
  MDB_env* env_ = nullptr;
  bool was_settled_ = false;
  std::uint64_t device_ = 0, inode_ = 0;  // of the file that env_ has open
  unsigned tables_[kLmdbTableCount] = {};
  // Read transactions are kept and renewed, since making one costs a slot search in the lock file.
  mutable std::mutex mutex_;
  std::condition_variable all_returned_;
  std::vector<MDB_txn*> idle_;
  unsigned in_use_ = 0;
  bool reopening_ = false;
};

// One consistent view. Hold it for one question, never across a wait: while it lives, the writer
// cannot reuse pages. Not thread-safe.
class LmdbRead {
 public:
  // Errors: IoError (too many readers).
  static Expected<LmdbRead> begin(LmdbEnv& env);
  LmdbRead(LmdbRead&& other) noexcept;
  LmdbRead& operator=(LmdbRead&&) = delete;
  ~LmdbRead();

  Expected<std::optional<Bytes>> get(LmdbTable table, std::uint64_t key) const;
  // Calls `visit` for each entry with key >= `from`, in order, until it returns false.
  Expected<void> scan(LmdbTable table, std::uint64_t from,
                      const std::function<bool(std::uint64_t key, Bytes value)>& visit) const;
  Expected<std::uint64_t> entries(LmdbTable table) const;
  // Number of the transaction whose state this reads.
  std::uint64_t transaction() const;
  // Where in the file a value that this transaction read begins.
  std::uint64_t file_offset(Bytes value) const;

 private:
  LmdbRead(LmdbEnv* env, MDB_txn* transaction) : env_(env), transaction_(transaction) {}
  LmdbEnv* env_;
  MDB_txn* transaction_;
};

// A write transaction; aborted unless commit() was called. One at a time in a process, and begun and
// ended by one thread.
class LmdbWrite {
 public:
  static Expected<LmdbWrite> begin(LmdbEnv& env);
  LmdbWrite(LmdbWrite&& other) noexcept;
  LmdbWrite& operator=(LmdbWrite&&) = delete;
  ~LmdbWrite();

  Expected<void> put(LmdbTable table, std::uint64_t key, Bytes value);
  // Adds an entry whose key is higher than all others of the table, which fills pages completely.
  Expected<void> append(LmdbTable table, std::uint64_t key, Bytes value);
  Expected<void> remove(LmdbTable table, std::uint64_t key);
  // Data, sync, meta page, sync: a power cut leaves all of the transaction or nothing.
  // Errors: DiskFull; IoError. Whether the transaction took effect is unknown then: reopen().
  Expected<void> commit();
  // The same in one sync, for a transaction that only adds entries with checksums of their own to a
  // file with `settle_with`. The transaction before it must be on disk.
  Expected<void> commit_additions();

 private:
  LmdbWrite(LmdbEnv* env, MDB_txn* transaction) : env_(env), transaction_(transaction) {}
  LmdbEnv* env_;
  MDB_txn* transaction_;
};

}  // namespace runlog
