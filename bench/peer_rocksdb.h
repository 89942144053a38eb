// RocksDB with the same access paths as runlog: runs by sequence number, the number by id, and index
// keys for flow, flow + status, status, and trigger object + record, newest first, all in one
// WriteBatch. Every index key ends with the 8 bytes of the sequence number, which cost next to
// nothing in a sorted block, where an id of 16 random bytes would cost all of them; and the runs of
// a page lie close together. A get takes two lookups for it.
//
// Set up as its own tuning guide says: 16 KiB blocks, dynamic levels, zstd with dictionaries on the
// last level, recycled log files, Bloom filters of 10 bits where they help; the block cache has room
// for everything, so that warm reads decompress nothing. Values are in the compact form of
// bench/compact_run.h. A commit is synced.
//
// What makes it do less than runlog: a put is blind, so an id that is there already is neither
// noticed nor superseded, where runlog looks up every id; and a block's checksum is verified when it
// is read into the cache, where runlog verifies two checksums on every get.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "bench/store.h"
#include "bench/text_buffer.h"

namespace rocksdb {
class DB;
class PinnableSlice;
class WriteBatch;
}  // namespace rocksdb

namespace runlog::bench {

class RocksdbStore final : public Store {
 public:
  // `directory` must exist; the database is created in it and must not be there.
  explicit RocksdbStore(const std::filesystem::path& directory);
  ~RocksdbStore() override;

  std::string_view name() const override { return "RocksDB"; }
  // Several threads may append at once.
  void append(std::span<const Run> runs) override;
  void load(std::span<const Run> runs) override;
  void settle() override;
  // Deletes the oldest `runs` runs and compacts. Ranges of keys where they lie together, one by one
  // by id and by record, where they do not. `flows` are the names of all flows.
  void expire(std::uint64_t runs, std::span<const std::string> flows);
  // Waits until no flush or compaction is running or due.
  void wait_idle();
  std::size_t get_stored(std::string_view run_id) override;
  const Run& get(std::string_view run_id) override;
  std::span<const RunHead> list(const PageRequest& request) override;
  std::string next_cursor() const override { return next_cursor_; }
  std::uint64_t count_flow(std::string_view flow) override;
  std::uint64_t count_status(RunStatus status) override;

 private:
  void write(std::span<const Run> runs, bool durable);
  // The stored bytes of a run, by way of its sequence number.
  void find(std::string_view run_id, rocksdb::PinnableSlice& value);
  std::uint64_t count_prefix(const std::string& prefix);
  void delete_range(const std::string& prefix, std::uint64_t runs);

  std::unique_ptr<rocksdb::DB> database_;
  std::atomic<std::uint64_t> next_sequence_{0};
  std::string value_;
  TextBuffer text_;
  Run run_;
  std::vector<RunHead> heads_;
  std::string next_cursor_;
};

}  // namespace runlog::bench
