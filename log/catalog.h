// The catalog: which segments a log consists of, kept in state/. Every change is one synced
// transaction and raises the generation, by which readers in other processes notice it.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "index/error.h"
#include "log/lmdb_env.h"
#include "log/segment_format.h"

namespace runlog {

// An entry of state's table "t" that is not the catalog's own (see log/retention_state.h). Without a
// value it is removed.
struct StateEntry {
  std::uint64_t key = 0;
  std::vector<std::byte> value;
};

class Catalog {
 public:
  // Makes the state directory of a new log. Errors: IoError; DiskFull.
  static Expected<std::unique_ptr<Catalog>> create(const std::filesystem::path& log);
  // Errors: NotFound (no log here); Corruption (also segments without a catalog); IoError.
  static Expected<std::unique_ptr<Catalog>> open(const std::filesystem::path& log, OpenMode mode);

  const LogIdentity& identity() const { return identity_; }

  struct Contents {
    std::uint64_t generation = 0;
    std::uint64_t next_segment_id = 1;
    std::vector<CatalogEntry> segments;  // by base, then id
  };
  // Reads everything, consistently. Thread-safe. Errors: Corruption; IoError.
  Expected<Contents> read() const;
  // Only the generation. Thread-safe. Errors: as read().
  Expected<std::uint64_t> generation() const;

  // Writes and removes entries in one transaction. Thread-safe. After a failure the catalog
  // mends itself, and what it says is either the old or the new state: read() it again, after an
  // empty change, which writes nothing but succeeds only when what the catalog says is on disk.
  // Errors: DiskFull; IoError.
  Expected<void> change(std::span<const CatalogEntry> put,
                        std::span<const std::uint64_t> remove = {});
  // Writes and removes other entries in one transaction, and raises the generation, too: readers
  // must read the records of the log anew. Thread-safe. Errors: as change().
  Expected<void> write_state(std::span<const StateEntry> entries);
  // Calls `visit` with each of them until it returns false. Thread-safe. Errors: as read().
  Expected<void> read_state(
      const std::function<bool(std::uint64_t key, Bytes value)>& visit) const;

  // Names a segment that is about to be made, under an id that no segment ever had. Until change()
  // says what became of it, the next open removes it. Errors: as change().
  Expected<std::uint64_t> begin_segment(SequenceNumber base);

  // What stands in state/ beside the catalog's own entries: reads it consistently, or makes one
  // synced transaction of what `write` puts and removes. The generation stays. Thread-safe.
  // Errors: as change(), and those of `write`; what state/ says then is the old or the new.
  Expected<LmdbRead> begin_read() const { return LmdbRead::begin(*env_); }
  Expected<void> write_beside(const std::function<Expected<void>(LmdbWrite&)>& write);
  const std::filesystem::path& file() const { return env_->file(); }
  // To be copied.
  LmdbEnv& environment() const { return *env_; }

  // Writes everything but the entry under `key` of table "t" into a new file, which takes the place
  // of this one: pages keep bytes of what was removed. Raises the generation. Thread-safe. What a
  // crash leaves of it is state.new, see remove_leftover(). Errors: as change(); it may have
  // taken effect then, and is safe to repeat.
  Expected<void> rewrite_without(std::uint64_t key);
  // Tries whether the file system can do what rewrite_without() needs. Thread-safe. Errors: IoError.
  Expected<void> check_rewritable();
  // Removes what was left of a rewrite, and with it the bytes that it was made for. Call before the
  // log is opened for writing, so that none is under way. Errors: IoError.
  static Expected<void> remove_leftover(const std::filesystem::path& log);
  // False once the file was rewritten by another process. Thread-safe.
  bool is_current() const { return env_->is_current(); }
  // Reads the new file from here on. Only for reading. Thread-safe. Errors: Corruption; IoError.
  Expected<void> follow_rewrite() { return env_->follow_name(); }

 private:
  explicit Catalog(std::shared_ptr<LmdbEnv> env) : env_(std::move(env)) {}
  Expected<void> load_identity();
  Expected<void> mend();
  Expected<void> change_locked(std::span<const CatalogEntry> put,
                               std::span<const std::uint64_t> remove,
                               std::span<const StateEntry> state = {});
  Expected<void> commit(std::span<const CatalogEntry> put, std::span<const std::uint64_t> remove,
                        std::span<const StateEntry> state);
  Expected<void> copy_without(std::uint64_t key, const std::filesystem::path& directory) const;
  Expected<CatalogGeneration> load_generation(const LmdbRead& read) const;

  std::shared_ptr<LmdbEnv> env_;
  LogIdentity identity_;
  std::mutex change_mutex_;  // guards what follows
  std::uint64_t generation_ = 0;
  std::uint64_t next_segment_id_ = 1;
  bool needs_mending_ = false;  // a commit failed, and whether it took effect is not known
};

}  // namespace runlog
