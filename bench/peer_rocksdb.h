// RocksDB with the same access paths as runlog: runs by id, and index keys for flow, flow + status,
// status, and trigger object + record, newest first, all in one WriteBatch. Set up as its own
// tuning guide says: 16 KiB blocks, Bloom filters of 10 bits, dynamic levels, zstd; the block cache
// has room for everything, so that warm reads decompress nothing.
//
// Values are in the compact form of bench/compact_run.h. A commit is synced.
#pragma once

#include <memory>
#include <vector>

#include "bench/store.h"
#include "bench/text_buffer.h"

namespace rocksdb {
class DB;
class Iterator;
class WriteBatch;
}  // namespace rocksdb

namespace runlog::bench {

class RocksdbStore final : public Store {
 public:
  // `directory` must exist; the database is created in it, or opened if it is there.
  explicit RocksdbStore(const std::filesystem::path& directory);
  ~RocksdbStore() override;

  std::string_view name() const override { return "RocksDB"; }
  // Several threads may append at once.
  void append(std::span<const Run> runs) override;
  void load(std::span<const Run> runs) override;
  void settle() override;
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
  std::uint64_t count_prefix(const std::string& prefix);

  std::unique_ptr<rocksdb::DB> database_;
  std::string value_;
  TextBuffer text_;
  Run run_;
  std::vector<RunHead> heads_;
  std::string next_cursor_;
};

}  // namespace runlog::bench
