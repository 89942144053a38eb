#include "bench/peer_sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <array>
#include <limits>
#include <stdexcept>

namespace runlog::bench {
namespace {

constexpr const char* kTable = R"(
CREATE TABLE IF NOT EXISTS sys_automation_run (
  id TEXT PRIMARY KEY, organization_id TEXT, flow_name TEXT, flow_version INTEGER, node_id TEXT,
  node_type TEXT, status TEXT, correlation TEXT, user_id TEXT, trigger_type TEXT,
  trigger_object TEXT, trigger_record_id TEXT, variables_json TEXT, steps_json TEXT,
  context_json TEXT, screen_json TEXT, started_at INTEGER, start_time INTEGER,
  finished_at INTEGER, duration_ms INTEGER, error TEXT, selected_count INTEGER,
  acted_count INTEGER, skipped_count INTEGER, unmeasured_count INTEGER, summary_json TEXT,
  created_at INTEGER, updated_at INTEGER);
CREATE INDEX IF NOT EXISTS run_flow_status ON sys_automation_run(flow_name, status);
CREATE INDEX IF NOT EXISTS run_status_updated ON sys_automation_run(status, updated_at);
CREATE INDEX IF NOT EXISTS run_flow_started ON sys_automation_run(flow_name, started_at);
CREATE INDEX IF NOT EXISTS run_status_created ON sys_automation_run(status, created_at);
CREATE INDEX IF NOT EXISTS run_trigger ON sys_automation_run(trigger_object, trigger_record_id);
)";

constexpr const char* kInsert =
    "INSERT INTO sys_automation_run(id, organization_id, flow_name, flow_version, node_id, status,"
    " user_id, trigger_type, trigger_object, trigger_record_id, steps_json, context_json,"
    " started_at, finished_at, duration_ms, error, selected_count, acted_count, skipped_count,"
    " unmeasured_count, summary_json, created_at, updated_at)"
    " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?14,?14)";

// The columns of a summary, in the order that read_head() expects.
#define HEAD_COLUMNS                                                                       \
  "id, organization_id, flow_name, flow_version, node_id, status, user_id, trigger_type, " \
  "trigger_object, trigger_record_id, started_at, finished_at, duration_ms, error, "       \
  "selected_count, acted_count, unmeasured_count"
constexpr int kHeadColumns = 17;

constexpr const char* kGet = "SELECT " HEAD_COLUMNS
                             ", steps_json, context_json, summary_json "
                             "FROM sys_automation_run WHERE id = ?1";
// Runs of one status are looked up by the index on flow and status. SQLite's planner, even with
// statistics, would rather walk the whole flow by time, which takes a hundred times as long for a
// flow that rarely fails.
constexpr const char* kListFlow = "SELECT " HEAD_COLUMNS
                                  " FROM sys_automation_run WHERE flow_name = ?1 "
                                  "ORDER BY started_at DESC LIMIT ?2";
constexpr const char* kListFlowAfter = "SELECT " HEAD_COLUMNS
                                       " FROM sys_automation_run WHERE flow_name = ?1 AND "
                                       "started_at < ?4 ORDER BY started_at DESC LIMIT ?2";
constexpr const char* kListFlowStatus =
    "SELECT " HEAD_COLUMNS
    " FROM sys_automation_run INDEXED BY run_flow_status WHERE flow_name = ?1 AND status = ?3 "
    "AND started_at < ?4 ORDER BY started_at DESC LIMIT ?2";
#undef HEAD_COLUMNS

constexpr std::array<std::string_view, kRunStatusCount> kStatusNames = {"completed", "failed",
                                                                        "cancelled", "timed_out"};

// Leaves a statement ready for its next use, whatever happened in between.
class Reset {
 public:
  explicit Reset(sqlite3_stmt* statement) : statement_(statement) {}
  ~Reset() { sqlite3_reset(statement_); }
  Reset(const Reset&) = delete;
  Reset& operator=(const Reset&) = delete;

 private:
  sqlite3_stmt* statement_;
};

RunStatus status_of(std::string_view name) {
  for (std::size_t i = 0; i < kStatusNames.size(); ++i)
    if (kStatusNames[i] == name) return RunStatus(i);
  throw std::runtime_error("SQLite returned an unknown run status");
}

std::optional<std::int64_t> integer_at(sqlite3_stmt* statement, int column) {
  if (sqlite3_column_type(statement, column) == SQLITE_NULL) return std::nullopt;
  return sqlite3_column_int64(statement, column);
}

void bind_integer(sqlite3_stmt* statement, int column, std::optional<std::int64_t> value) {
  if (value) {
    sqlite3_bind_int64(statement, column, *value);
  } else {
    sqlite3_bind_null(statement, column);
  }
}

}  // namespace

SqliteStore::SqliteStore(const std::filesystem::path& directory, bool gives_back) {
  if (sqlite3_open((directory / "runs.sqlite").c_str(), &database_) != SQLITE_OK) fail("open");
  if (gives_back) execute("PRAGMA auto_vacuum=INCREMENTAL");
  execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=25000;"
          "PRAGMA cache_size=-4194304; PRAGMA mmap_size=2147418112;");
  execute(kTable);
  begin_ = prepare("BEGIN IMMEDIATE");
  commit_ = prepare("COMMIT");
  insert_ = prepare(kInsert);
  get_ = prepare(kGet);
  list_flow_ = prepare(kListFlow);
  list_flow_status_ = prepare(kListFlowStatus);
  list_flow_after_ = prepare(kListFlowAfter);
  count_flow_ = prepare("SELECT count(*) FROM sys_automation_run WHERE flow_name = ?1");
  count_status_ = prepare("SELECT count(*) FROM sys_automation_run WHERE status = ?1");
}

SqliteStore::~SqliteStore() {
  for (sqlite3_stmt* statement : {begin_, commit_, insert_, get_, list_flow_, list_flow_status_,
                                  list_flow_after_, count_flow_, count_status_})
    sqlite3_finalize(statement);
  sqlite3_close(database_);
}

void SqliteStore::fail(const char* what) {
  throw std::runtime_error(std::string("SQLite failed to ") + what + ": " +
                           sqlite3_errmsg(database_));
}

void SqliteStore::execute(const char* sql) {
  if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(sql);
}

sqlite3_stmt* SqliteStore::prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(database_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) !=
      SQLITE_OK)
    fail(sql);
  return statement;
}

void SqliteStore::bind_text(sqlite3_stmt* statement, int column, OptionalText value) {
  if (value) {
    sqlite3_bind_text(statement, column, value->data(), int(value->size()), SQLITE_STATIC);
  } else {
    sqlite3_bind_null(statement, column);
  }
}

void SqliteStore::insert(const Run& run) {
  const RunSummary none;
  const RunSummary& summary = run.summary ? *run.summary : none;
  int column = 0;
  const auto text = [&](OptionalText value) { bind_text(insert_, ++column, value); };
  const auto integer = [&](std::optional<std::int64_t> value) {
    bind_integer(insert_, ++column, value);
  };
  text(run.run_id);
  text(run.organization_id);
  text(run.flow_name);
  integer(run.flow_version);
  text(run.node_id);
  text(kStatusNames[std::size_t(run.status)]);
  text(run.user_id);
  text(run.trigger_type);
  text(run.trigger_object);
  text(run.trigger_record_id);
  text(run.steps ? writer_.steps(*run.steps) : OptionalText());
  text(run.trigger_record_json.empty() ? OptionalText() : run.trigger_record_json);
  integer(run.started_at);
  integer(run.finished_at);
  integer(run.duration_ms);
  text(run.error ? run.error->message : OptionalText());
  integer(summary.selected);
  integer(summary.acted);
  integer(summary.skipped);
  integer(summary.unmeasured);
  text(run.summary ? writer_.summary(*run.summary) : OptionalText());
  const Reset reset(insert_);
  if (sqlite3_step(insert_) != SQLITE_DONE) fail("insert");
}

void SqliteStore::append(std::span<const Run> runs) {
  if (sqlite3_step(begin_) != SQLITE_DONE) fail("begin");
  sqlite3_reset(begin_);
  for (const Run& run : runs) insert(run);
  if (sqlite3_step(commit_) != SQLITE_DONE) fail("commit");
  sqlite3_reset(commit_);
}

void SqliteStore::load(std::span<const Run> runs) {
  execute("PRAGMA synchronous=OFF");
  append(runs);
  execute("PRAGMA synchronous=FULL");
}

void SqliteStore::settle() {
  execute("ANALYZE");
  execute("PRAGMA wal_checkpoint(TRUNCATE)");
}

void SqliteStore::vacuum() {
  execute("VACUUM");
  execute("PRAGMA wal_checkpoint(TRUNCATE)");
}

void SqliteStore::expire(UnixMs until) {
  execute(fmt::format("DELETE FROM sys_automation_run WHERE updated_at <= {}", until).c_str());
  execute("PRAGMA incremental_vacuum");
  execute("PRAGMA wal_checkpoint(TRUNCATE)");
}

OptionalText SqliteStore::text_at(sqlite3_stmt* statement, int column) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
  if (text == nullptr) return std::nullopt;
  return text_.keep({text, std::size_t(sqlite3_column_bytes(statement, column))});
}

void SqliteStore::read_head(sqlite3_stmt* statement, RunHead& out) {
  int column = 0;
  out.run_id = text_at(statement, column++).value_or("");
  out.organization_id = text_at(statement, column++);
  out.flow_name = text_at(statement, column++).value_or("");
  out.flow_version = integer_at(statement, column++);
  out.node_id = text_at(statement, column++);
  out.status = status_of(text_at(statement, column++).value_or(""));
  out.user_id = text_at(statement, column++);
  out.trigger_type = text_at(statement, column++);
  out.trigger_object = text_at(statement, column++);
  out.trigger_record_id = text_at(statement, column++);
  out.started_at = sqlite3_column_int64(statement, column++);
  out.finished_at = integer_at(statement, column++);
  out.duration_ms = integer_at(statement, column++);
  out.error_message = text_at(statement, column++);
  out.selected = sqlite3_column_int64(statement, column++);
  out.acted = sqlite3_column_int64(statement, column++);
  out.unmeasured = sqlite3_column_int64(statement, column++);
}

std::size_t SqliteStore::get_stored(std::string_view run_id) {
  const Reset reset(get_);
  bind_text(get_, 1, run_id);
  if (sqlite3_step(get_) != SQLITE_ROW) throw std::runtime_error("SQLite does not find a run");
  text_.clear();
  std::size_t bytes = 0;
  for (int column = 0; column < kHeadColumns + 3; ++column)
    bytes += text_at(get_, column).value_or("").size();
  return bytes;
}

const Run& SqliteStore::get(std::string_view run_id) {
  const Reset reset(get_);
  bind_text(get_, 1, run_id);
  if (sqlite3_step(get_) != SQLITE_ROW) throw std::runtime_error("SQLite does not find a run");
  text_.clear();
  RunHead head;
  read_head(get_, head);
  run_ = {};
  run_.run_id = head.run_id;
  run_.flow_name = head.flow_name;
  run_.flow_version = head.flow_version;
  run_.status = head.status;
  run_.started_at = head.started_at;
  run_.finished_at = head.finished_at;
  run_.duration_ms = head.duration_ms;
  run_.node_id = head.node_id;
  run_.organization_id = head.organization_id;
  run_.user_id = head.user_id;
  run_.trigger_type = head.trigger_type;
  run_.trigger_object = head.trigger_object;
  run_.trigger_record_id = head.trigger_record_id;
  if (head.error_message) run_.error.emplace().message = head.error_message;
  const auto json_at = [&](int column) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(get_, column));
    if (text == nullptr) return std::string_view();
    return std::string_view(text, std::size_t(sqlite3_column_bytes(get_, column)));
  };
  if (const auto json = json_at(kHeadColumns); !json.empty())
    reader_.read_steps(json, text_, run_.steps.emplace());
  run_.trigger_record_json = text_at(get_, kHeadColumns + 1).value_or("");
  if (const auto json = json_at(kHeadColumns + 2); !json.empty())
    reader_.read_summary(json, text_, run_.summary.emplace());
  return run_;
}

std::span<const RunHead> SqliteStore::list(const PageRequest& request) {
  const bool first = request.cursor.empty();
  sqlite3_stmt* statement = request.status ? list_flow_status_
                            : first        ? list_flow_
                                           : list_flow_after_;
  const Reset reset(statement);
  bind_text(statement, 1, request.flow);
  sqlite3_bind_int64(statement, 2, request.limit);
  if (request.status) bind_text(statement, 3, kStatusNames[std::size_t(*request.status)]);
  if (statement != list_flow_) {
    sqlite3_bind_int64(statement, 4, first ? std::numeric_limits<std::int64_t>::max()
                                           : std::stoll(request.cursor));
  }
  text_.clear();
  if (heads_.size() < request.limit) heads_.resize(request.limit);
  std::size_t count = 0;
  while (sqlite3_step(statement) == SQLITE_ROW) read_head(statement, heads_[count++]);
  next_cursor_ = count == request.limit ? std::to_string(heads_[count - 1].started_at) : "";
  return std::span(heads_).first(count);
}

std::uint64_t SqliteStore::count(sqlite3_stmt* statement, std::string_view value) {
  const Reset reset(statement);
  bind_text(statement, 1, value);
  if (sqlite3_step(statement) != SQLITE_ROW) fail("count");
  return std::uint64_t(sqlite3_column_int64(statement, 0));
}

std::uint64_t SqliteStore::count_flow(std::string_view flow) { return count(count_flow_, flow); }
std::uint64_t SqliteStore::count_status(RunStatus status) {
  return count(count_status_, kStatusNames[std::size_t(status)]);
}

}  // namespace runlog::bench
