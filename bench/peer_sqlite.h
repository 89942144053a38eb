// SQLite as ObjectStack uses it: one table with its columns and its five indexes, steps and summary
// as JSON text that is parsed on get. Tuned fairly: write-ahead log, a commit that is on disk
// (synchronous=FULL), a checkpoint only every 25,000 pages, prepared statements, one transaction a
// batch, ANALYZE before reads; the first 2 GB of the file are mapped (SQLite maps no more) and the
// page cache has 4 GB for the rest, as RocksDB's. Times are integers, not text, which makes
// its rows and indexes smaller than an ObjectStack server's.
#pragma once

#include <vector>

#include "bench/run_text.h"
#include "bench/store.h"
#include "bench/text_buffer.h"

struct sqlite3;
struct sqlite3_stmt;

namespace runlog::bench {

class SqliteStore final : public Store {
 public:
  // `directory` must exist; the database is created in it, or opened if it is there. With
  // `gives_back` it keeps what incremental_vacuum needs.
  explicit SqliteStore(const std::filesystem::path& directory, bool gives_back = false);
  ~SqliteStore() override;
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;

  std::string_view name() const override { return "SQLite"; }
  void append(std::span<const Run> runs) override;
  void load(std::span<const Run> runs) override;
  void settle() override;
  // Packs the file as tightly as SQLite can, as a full compaction does for RocksDB.
  void vacuum();
  // Deletes the runs that finished until then in one transaction, and gives their space back.
  void expire(UnixMs until);
  std::size_t get_stored(std::string_view run_id) override;
  const Run& get(std::string_view run_id) override;
  std::span<const RunHead> list(const PageRequest& request) override;
  std::string next_cursor() const override { return next_cursor_; }
  std::uint64_t count_flow(std::string_view flow) override;
  std::uint64_t count_status(RunStatus status) override;

 private:
  void execute(const char* sql);
  sqlite3_stmt* prepare(const char* sql);
  [[noreturn]] void fail(const char* what);
  void insert(const Run& run);
  void bind_text(sqlite3_stmt* statement, int column, OptionalText value);
  OptionalText text_at(sqlite3_stmt* statement, int column);
  void read_head(sqlite3_stmt* statement, RunHead& out);
  std::uint64_t count(sqlite3_stmt* statement, std::string_view value);

  sqlite3* database_ = nullptr;
  sqlite3_stmt *begin_ = nullptr, *commit_ = nullptr, *insert_ = nullptr, *get_ = nullptr;
  sqlite3_stmt *list_flow_ = nullptr, *list_flow_status_ = nullptr;
  sqlite3_stmt* list_flow_after_ = nullptr;
  sqlite3_stmt *count_flow_ = nullptr, *count_status_ = nullptr;
  RunTextWriter writer_;
  RunTextReader reader_;
  TextBuffer text_;  // of the run or the heads last read
  Run run_;
  std::vector<RunHead> heads_;
  std::string next_cursor_;
};

}  // namespace runlog::bench
