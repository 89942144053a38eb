#include "log/lmdb_env.h"

#include <lmdb.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "log/file_io.h"
#include "log/kill_point.h"
#include "log/lmdb_check.h"

namespace runlog {
namespace {

constexpr const char* kTableNames[kLmdbTableCount] = {"r", "n", "d", "t", "s"};
constexpr unsigned kMaxReaders = 512;
// More than so many readers need. LMDB maps its lock file and writes to it; where the disk has no
// room for a page of it, that would kill the process.
constexpr std::uint64_t kLockFileBytes = 64u << 10;

MDB_val as_val(std::uint64_t& key) { return {sizeof key, &key}; }
MDB_val as_val(Bytes value) { return {value.size(), const_cast<std::byte*>(value.data())}; }
Bytes as_bytes(const MDB_val& value) {
  return {static_cast<const std::byte*>(value.mv_data), value.mv_size};
}

}  // namespace

LmdbEnv::LmdbEnv(std::filesystem::path directory, const Options& options)
    : directory_(std::move(directory)), file_(directory_ / "data.mdb"), options_(options) {}

Expected<std::shared_ptr<LmdbEnv>> LmdbEnv::open(const std::filesystem::path& directory,
                                                 const Options& options) {
  static std::mutex mutex;
  static std::map<std::filesystem::path, std::weak_ptr<LmdbEnv>> environments;
  std::error_code ignored;
  const auto key = std::filesystem::weakly_canonical(directory, ignored);
  std::lock_guard lock(mutex);
  std::erase_if(environments, [](const auto& entry) { return entry.second.expired(); });
  if (const auto found = environments.find(key); found != environments.end()) {
    if (auto known = found->second.lock(); known && known->is_current()) {
      if (known->options_.is_read_only() && !options.is_read_only())
        return fail(ErrorCode::Busy,
                    fmt::format("'{}' is open for reading in this process; close that first",
                                known->file_.string()));
      return known;
    }
  }
  std::shared_ptr<LmdbEnv> env(new LmdbEnv(directory, options));
  if (auto started = env->start(false); !started) return tl::unexpected(started.error());
  environments[key] = env;
  return env;
}

LmdbEnv::~LmdbEnv() { stop(); }

bool LmdbEnv::is_current() const {
  std::lock_guard lock(mutex_);
  struct stat now {};
  return ::stat(file_.c_str(), &now) == 0 && now.st_dev == device_ && now.st_ino == inode_;
}

Error LmdbEnv::error(int code, const char* deed) const {
  if (code > 0) return system_error(code, deed, file_);
  const ErrorCode kind = code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND ||
                                 code == MDB_INVALID || code == MDB_VERSION_MISMATCH
                             ? ErrorCode::Corruption
                             : ErrorCode::IoError;
  return {kind, fmt::format("cannot {} '{}': {}", deed, file_.string(), mdb_strerror(code))};
}

// What can be known of an existing file before LMDB sees it.
Expected<void> LmdbEnv::check_file(bool after_failed_commit) const {
  if (options_.mode == OpenMode::kRead) return check_lmdb_metas(file_);
  auto checked = check_lmdb_file(file_, after_failed_commit);
  if (!checked) return tl::unexpected(checked.error());
  // Records are only ever added. A state with fewer than the one before it means that the number of
  // the newest transaction is damaged, and that acknowledged records would vanish.
  const char* const records = kTableNames[unsigned(LmdbTable::kRecords)];
  if (checked->previous_entries[records] > checked->entries[records])
    return fail(ErrorCode::Corruption,
                fmt::format("'{}' is damaged: a meta page has a wrong transaction number",
                            file_.string()));
  return {};
}

Expected<void> LmdbEnv::start(bool after_failed_commit) {
  const auto length = file_bytes(file_);
  const bool exists = length && *length > 0;
  if (!length && options_.is_read_only())
    return fail(ErrorCode::NotFound, fmt::format("there is no file '{}'", file_.string()));
  if (exists && options_.settle_with) {
    auto settled = settle_last_commit(file_, options_.settle_with, after_failed_commit);
    if (!settled) return tl::unexpected(settled.error());
    was_settled_ = was_settled_ || *settled != LastCommit::kMarked;
  }
  if (exists || options_.is_read_only())
    if (auto checked = check_file(after_failed_commit); !checked) return checked;

  if (!options_.is_read_only())
    if (auto reserved = reserve_file(directory_ / "lock.mdb", kLockFileBytes); !reserved)
      return reserved;
  if (int rc = mdb_env_create(&env_); rc != 0)
    return tl::unexpected(error(rc, "prepare to open"));
  mdb_env_set_maxdbs(env_, kLmdbTableCount);
  mdb_env_set_maxreaders(env_, kMaxReaders);
  mdb_env_set_mapsize(env_, options_.map_bytes);
  unsigned flags = MDB_NOTLS;
  if (options_.is_read_only()) flags |= MDB_RDONLY;
  if (options_.no_sync) flags |= MDB_NOSYNC;
  int rc = mdb_env_open(env_, directory_.c_str(), flags, 0644);
  if (options_.is_read_only() && rc == EROFS) {
    // A read-only file system has no writer, so nobody needs to know of this reader.
    mdb_env_close(env_);
    mdb_env_create(&env_);
    mdb_env_set_maxdbs(env_, kLmdbTableCount);
    mdb_env_set_mapsize(env_, options_.map_bytes);
    rc = mdb_env_open(env_, directory_.c_str(), flags | MDB_NOLOCK, 0644);
  }
  if (rc != 0) {
    // A reader that cannot enter itself there would have its pages reused by the writer.
    Error failure = rc == EACCES && options_.is_read_only()
                        ? system_error(rc, "open for writing, as readers must,",
                                       directory_ / "lock.mdb")
                        : error(rc, "open");
    stop();
    return tl::unexpected(std::move(failure));
  }
  // Of the file that is open: its name may be another's by now.
  mdb_filehandle_t descriptor = -1;
  struct stat opened {};
  if (mdb_env_get_fd(env_, &descriptor) == 0 && ::fstat(descriptor, &opened) == 0) {
    device_ = opened.st_dev;
    inode_ = opened.st_ino;
  }
  forget_dead_readers();

  auto opened_tables = open_tables(exists);
  if (!opened_tables) stop();
  return opened_tables;
}

Expected<void> LmdbEnv::open_tables(bool exists) {
  MDB_txn* transaction = nullptr;
  int rc = mdb_txn_begin(env_, nullptr, options_.is_read_only() ? MDB_RDONLY : 0, &transaction);
  if (rc == 0 && options_.is_read_only()) {
    if (auto checked = check_pinned(transaction); !checked) {
      mdb_txn_abort(transaction);
      return checked;
    }
  }
  for (unsigned i = 0; rc == 0 && i < kLmdbTableCount; ++i) {
    const unsigned create = options_.is_read_only() || exists ? 0 : MDB_CREATE;
    rc = mdb_dbi_open(transaction, kTableNames[i], MDB_INTEGERKEY | create, &tables_[i]);
  }
  if (rc == 0) {
    rc = mdb_txn_commit(transaction);
  } else if (transaction != nullptr) {
    mdb_txn_abort(transaction);
    if (rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE) rc = MDB_CORRUPTED;
  }
  if (rc != 0) return tl::unexpected(error(rc, "open the tables of"));
  return {};
}

// A writer may be at work, so only the state that the transaction pins can be checked; and while it
// commits, the meta page of that state may be overwritten before we have read it: then the
// transaction is renewed and the newer state is checked.
Expected<void> LmdbEnv::check_pinned(MDB_txn* transaction) const {
  constexpr int kTries = 1000;
  for (int tries = 1;; ++tries) {
    auto mapping = FileMapping::open(file_);
    if (!mapping) return tl::unexpected(mapping.error());
    auto checked =
        check_lmdb_transaction((*mapping)->bytes(), file_, mdb_txn_id(transaction));
    if (checked) return {};
    if (checked.error().code != ErrorCode::Busy || tries == kTries)
      return tl::unexpected(checked.error());
    mdb_txn_reset(transaction);
    if (int rc = mdb_txn_renew(transaction); rc != 0) return tl::unexpected(error(rc, "read"));
  }
}

void LmdbEnv::stop() {
  for (MDB_txn* transaction : idle_) mdb_txn_abort(transaction);
  idle_.clear();
  if (env_ != nullptr) mdb_env_close(env_);
  env_ = nullptr;
}

Expected<void> LmdbEnv::sync() {
  if (int rc = mdb_env_sync(env_, 1); rc != 0) return tl::unexpected(error(rc, "sync"));
  return {};
}

Expected<void> LmdbEnv::mark_closed() { return mark_last_commit(file_); }

std::uint64_t LmdbEnv::file_bytes_used() const {
  const std::lock_guard lock(mutex_);  // not while it is opened again
  if (env_ == nullptr) return 0;
  MDB_envinfo env{};
  MDB_stat status{};
  mdb_env_info(env_, &env);
  mdb_env_stat(env_, &status);
  return (std::uint64_t(env.me_last_pgno) + 1) * status.ms_psize;
}

Expected<void> LmdbEnv::copy_to(NewFile& out) {
  // A reader of ours keeps the environment from being reopened meanwhile.
  auto reader = LmdbRead::begin(*this);
  if (!reader) return tl::unexpected(reader.error());
  if (int rc = mdb_env_copyfd2(env_, out.descriptor(), 0); rc != 0)
    return tl::unexpected(error(rc, "copy"));
  return {};
}

void LmdbEnv::forget_dead_readers() {
  int dead = 0;
  mdb_reader_check(env_, &dead);
}

Expected<void> LmdbEnv::reopen() { return restart(true, {}); }

Expected<void> LmdbEnv::replace_with(const std::filesystem::path& prepared) {
  return restart(false, [&] { return exchange_directories(prepared, directory_); });
}

Expected<void> LmdbEnv::follow_name() {
  if (!options_.is_read_only()) return {};  // shared with the writer, who has replaced it itself
  return restart(false, [&]() -> Expected<void> {
    options_.mode = OpenMode::kRead;
    return {};
  });
}

Expected<void> LmdbEnv::restart(bool after_failed_commit,
                                const std::function<Expected<void>()>& while_closed) {
  std::unique_lock lock(mutex_);
  reopening_ = true;
  all_returned_.wait(lock, [&] { return in_use_ == 0; });
  stop();
  const Expected<void> done = while_closed ? while_closed() : Expected<void>();
  auto started = start(after_failed_commit);
  if (started && !options_.is_read_only() && mdb_env_sync(env_, 1) != 0)
    started = fail(ErrorCode::IoError, fmt::format("cannot sync '{}'", file_.string()));
  reopening_ = false;
  lock.unlock();
  all_returned_.notify_all();
  return started ? done : started;
}

Expected<MDB_txn*> LmdbEnv::borrow() {
  std::unique_lock lock(mutex_);
  all_returned_.wait(lock, [&] { return !reopening_; });
  if (env_ == nullptr)
    return fail(ErrorCode::IoError,
                fmt::format("'{}' could not be opened again after a failure", file_.string()));
  MDB_txn* transaction = nullptr;
  if (!idle_.empty()) {
    transaction = idle_.back();
    idle_.pop_back();
    if (int rc = mdb_txn_renew(transaction); rc != 0) {
      mdb_txn_abort(transaction);
      return tl::unexpected(error(rc, "read"));
    }
  } else if (int rc = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &transaction); rc != 0) {
    return tl::unexpected(error(rc, "read"));
  }
  ++in_use_;
  return transaction;
}

void LmdbEnv::give_back(MDB_txn* transaction) {
  std::unique_lock lock(mutex_);
  mdb_txn_reset(transaction);
  idle_.push_back(transaction);
  --in_use_;
  if (reopening_ && in_use_ == 0) {
    lock.unlock();
    all_returned_.notify_all();
  }
}

Expected<LmdbRead> LmdbRead::begin(LmdbEnv& env) {
  auto transaction = env.borrow();
  if (!transaction) return tl::unexpected(transaction.error());
  return LmdbRead(&env, *transaction);
}

LmdbRead::LmdbRead(LmdbRead&& other) noexcept
    : env_(other.env_), transaction_(std::exchange(other.transaction_, nullptr)) {}

LmdbRead::~LmdbRead() {
  if (transaction_ != nullptr) env_->give_back(transaction_);
}

Expected<std::optional<Bytes>> LmdbRead::get(LmdbTable table, std::uint64_t key) const {
  MDB_val k = as_val(key), v{};
  const int rc = mdb_get(transaction_, env_->tables_[unsigned(table)], &k, &v);
  if (rc == MDB_NOTFOUND) return std::optional<Bytes>();
  if (rc != 0) return tl::unexpected(env_->error(rc, "read"));
  return std::optional<Bytes>(as_bytes(v));
}

Expected<void> LmdbRead::scan(
    LmdbTable table, std::uint64_t from,
    const std::function<bool(std::uint64_t key, Bytes value)>& visit) const {
  MDB_cursor* cursor = nullptr;
  int rc = mdb_cursor_open(transaction_, env_->tables_[unsigned(table)], &cursor);
  if (rc != 0) return tl::unexpected(env_->error(rc, "read"));
  MDB_val k = as_val(from), v{};
  rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
  while (rc == 0) {
    std::uint64_t key = 0;
    if (k.mv_size != sizeof key) {
      rc = MDB_CORRUPTED;
      break;
    }
    std::memcpy(&key, k.mv_data, sizeof key);
    if (!visit(key, as_bytes(v))) break;
    rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
  }
  mdb_cursor_close(cursor);
  if (rc != 0 && rc != MDB_NOTFOUND) return tl::unexpected(env_->error(rc, "read"));
  return {};
}

Expected<std::uint64_t> LmdbRead::entries(LmdbTable table) const {
  MDB_stat status{};
  if (int rc = mdb_stat(transaction_, env_->tables_[unsigned(table)], &status); rc != 0)
    return tl::unexpected(env_->error(rc, "read"));
  return status.ms_entries;
}

std::uint64_t LmdbRead::transaction() const { return mdb_txn_id(transaction_); }

std::uint64_t LmdbRead::file_offset(Bytes value) const {
  MDB_stat status{};
  mdb_stat(transaction_, env_->tables_[0], &status);
  // LMDB does not tell where its map begins, but each page begins with its own number.
  const std::uint64_t within = reinterpret_cast<std::uintptr_t>(value.data()) % status.ms_psize;
  std::uint64_t page = 0;
  std::memcpy(&page, value.data() - within, sizeof page);
  return page * status.ms_psize + within;
}

Expected<LmdbWrite> LmdbWrite::begin(LmdbEnv& env) {
  if (env.env_ == nullptr)
    return fail(ErrorCode::IoError,
                fmt::format("'{}' could not be opened again after a failure", env.file_.string()));
  MDB_txn* transaction = nullptr;
  if (int rc = mdb_txn_begin(env.env_, nullptr, 0, &transaction); rc != 0)
    return tl::unexpected(env.error(rc, "write"));
  return LmdbWrite(&env, transaction);
}

LmdbWrite::LmdbWrite(LmdbWrite&& other) noexcept
    : env_(other.env_), transaction_(std::exchange(other.transaction_, nullptr)) {}

LmdbWrite::~LmdbWrite() {
  if (transaction_ != nullptr) mdb_txn_abort(transaction_);
}

Expected<void> LmdbWrite::put(LmdbTable table, std::uint64_t key, Bytes value) {
  MDB_val k = as_val(key), v = as_val(value);
  if (int rc = mdb_put(transaction_, env_->tables_[unsigned(table)], &k, &v, 0); rc != 0)
    return tl::unexpected(env_->error(rc, "write"));
  return {};
}

Expected<void> LmdbWrite::append(LmdbTable table, std::uint64_t key, Bytes value) {
  MDB_val k = as_val(key), v = as_val(value);
  if (int rc = mdb_put(transaction_, env_->tables_[unsigned(table)], &k, &v, MDB_APPEND); rc != 0)
    return tl::unexpected(env_->error(rc, "write"));
  return {};
}

Expected<void> LmdbWrite::remove(LmdbTable table, std::uint64_t key) {
  MDB_val k = as_val(key);
  const int rc = mdb_del(transaction_, env_->tables_[unsigned(table)], &k, nullptr);
  if (rc != 0 && rc != MDB_NOTFOUND) return tl::unexpected(env_->error(rc, "write"));
  return {};
}

Expected<void> LmdbWrite::commit() {
  kill_point("commit.before_sync");
  const int rc = mdb_txn_commit(std::exchange(transaction_, nullptr));
  kill_point("commit.after_sync");
  if (rc != 0) return tl::unexpected(env_->error(rc, "commit to"));
  return {};
}

Expected<void> LmdbWrite::commit_additions() {
  kill_point("commit.before_write");
  // The flag belongs to the environment, but only commits look at it, and there is one at a time.
  mdb_env_set_flags(env_->env_, MDB_NOSYNC, 1);
  int rc = mdb_txn_commit(std::exchange(transaction_, nullptr));
  mdb_env_set_flags(env_->env_, MDB_NOSYNC, 0);
  kill_point("commit.before_sync");
  if (rc == 0) rc = mdb_env_sync(env_->env_, 1);
  kill_point("commit.after_sync");
  if (rc != 0) return tl::unexpected(env_->error(rc, "commit to"));
  return {};
}

}  // namespace runlog
