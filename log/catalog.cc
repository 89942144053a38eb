#include "log/catalog.h"

#include <algorithm>
#include <chrono>
#include <random>

#include <fmt/format.h>

#include "log/file_io.h"
#include "log/kill_point.h"

namespace runlog {
namespace {

// The catalog is a few pages, paused runs may be many; address space is free.
constexpr std::size_t kStateMapBytes = 16ull << 30;

std::uint64_t random_id() {
  std::random_device device;
  return (std::uint64_t(device()) << 32) | device();
}

std::filesystem::path rewritten(const std::filesystem::path& log) { return log / "state.new"; }

Error damaged(const LmdbEnv& env, const std::string& what) {
  return {ErrorCode::Corruption, fmt::format("'{}' is damaged: {}", env.file().string(), what)};
}

// A process that began to make this log may have died between making a directory and syncing the one
// that holds it; make_directory() finds it there and does nothing. Which directories above the log
// were made for it nobody knows any more, but those could be opened.
Expected<void> sync_path_to(const std::filesystem::path& log) {
  if (auto synced = sync_directory(log); !synced) return synced;
  auto parent = std::filesystem::absolute(log / ".").lexically_normal().parent_path().parent_path();
  if (auto synced = sync_directory(parent); !synced) return synced;
  while (parent.has_relative_path()) {
    parent = parent.parent_path();
    (void)sync_directory(parent);
  }
  return {};
}

}  // namespace

Expected<std::unique_ptr<Catalog>> Catalog::create(const std::filesystem::path& log) {
  if (auto made = make_directory(log / "state"); !made) return tl::unexpected(made.error());
  if (auto made = make_directory(log / "segments"); !made) return tl::unexpected(made.error());
  if (auto synced = sync_path_to(log); !synced) return tl::unexpected(synced.error());
  LmdbEnv::Options options;
  options.map_bytes = kStateMapBytes;
  auto env = LmdbEnv::open(log / "state", options);
  if (!env) return tl::unexpected(env.error());
  std::unique_ptr<Catalog> catalog(new Catalog(std::move(*env)));
  LogIdentity& identity = catalog->identity_;
  identity.log_id = random_id();
  identity.created_at = std::chrono::duration_cast<std::chrono::milliseconds>(
                            std::chrono::system_clock::now().time_since_epoch())
                            .count();
  auto write = LmdbWrite::begin(*catalog->env_);
  if (!write) return tl::unexpected(write.error());
  CatalogGeneration generation;
  auto put = write->put(LmdbTable::kTables, kIdentityKey, sealed_bytes(identity));
  if (put) put = write->put(LmdbTable::kTables, kGenerationKey, sealed_bytes(generation));
  if (put) put = write->commit();
  if (!put) return tl::unexpected(put.error());
  if (auto synced = sync_directory(log / "state"); !synced) return tl::unexpected(synced.error());
  return catalog;
}

Expected<std::unique_ptr<Catalog>> Catalog::open(const std::filesystem::path& log,
                                                 OpenMode mode) {
  const auto length = file_bytes(log / "state" / "data.mdb");
  if (!length) {
    if (length.error().code != ErrorCode::NotFound) return tl::unexpected(length.error());
    std::error_code ignored;
    const auto segments = log / "segments";
    if (std::filesystem::exists(segments, ignored) && !std::filesystem::is_empty(segments, ignored))
      return fail(ErrorCode::Corruption,
                  fmt::format("'{}' has segments but no catalog", log.string()));
    return fail(ErrorCode::NotFound, fmt::format("there is no log in '{}'", log.string()));
  }
  if (*length == 0)
    return fail(ErrorCode::Corruption,
                fmt::format("'{}' is damaged: it is empty",
                            (log / "state" / "data.mdb").string()));
  LmdbEnv::Options options;
  options.map_bytes = mode == OpenMode::kWrite ? kStateMapBytes : 0;
  options.mode = mode;
  auto env = LmdbEnv::open(log / "state", options);
  if (!env) return tl::unexpected(env.error());
  std::unique_ptr<Catalog> catalog(new Catalog(std::move(*env)));
  if (auto loaded = catalog->load_identity(); !loaded) return tl::unexpected(loaded.error());
  return catalog;
}

Expected<void> Catalog::load_identity() {
  auto read = LmdbRead::begin(*env_);
  if (!read) return tl::unexpected(read.error());
  auto stored = read->get(LmdbTable::kTables, kIdentityKey);
  if (!stored) return tl::unexpected(stored.error());
  const auto identity = *stored ? read_sealed<LogIdentity>(**stored) : std::nullopt;
  if (!identity || identity->magic != LogIdentity::kMagic || identity->version != 1)
    return tl::unexpected(damaged(*env_, "the log's identity fails its checksum"));
  identity_ = *identity;
  auto generation = load_generation(*read);
  if (!generation) return tl::unexpected(generation.error());
  generation_ = generation->generation;
  next_segment_id_ = generation->next_segment_id;
  return {};
}

Expected<CatalogGeneration> Catalog::load_generation(const LmdbRead& read) const {
  auto stored = read.get(LmdbTable::kTables, kGenerationKey);
  if (!stored) return tl::unexpected(stored.error());
  const auto generation = *stored ? read_sealed<CatalogGeneration>(**stored) : std::nullopt;
  if (!generation)
    return tl::unexpected(damaged(*env_, "the catalog's generation fails its checksum"));
  return *generation;
}

Expected<std::uint64_t> Catalog::generation() const {
  auto read = LmdbRead::begin(*env_);
  if (!read) return tl::unexpected(read.error());
  auto generation = load_generation(*read);
  if (!generation) return tl::unexpected(generation.error());
  return generation->generation;
}

Expected<Catalog::Contents> Catalog::read() const {
  auto read = LmdbRead::begin(*env_);
  if (!read) return tl::unexpected(read.error());
  auto generation = load_generation(*read);
  if (!generation) return tl::unexpected(generation.error());
  Contents contents;
  contents.generation = generation->generation;
  contents.next_segment_id = generation->next_segment_id;
  Expected<void> result;
  auto scanned = read->scan(LmdbTable::kSegments, 0, [&](std::uint64_t id, Bytes value) {
    const auto entry = read_sealed<CatalogEntry>(value);
    if (!entry || entry->id != id || entry->version != kSegmentFormatVersion ||
        id >= generation->next_segment_id) {
      result = tl::unexpected(
          damaged(*env_, fmt::format("the catalog's entry for segment {} fails its checksum", id)));
      return false;
    }
    contents.segments.push_back(*entry);
    return true;
  });
  if (!scanned) return tl::unexpected(scanned.error());
  if (!result) return tl::unexpected(result.error());
  std::sort(contents.segments.begin(), contents.segments.end(),
            [](const CatalogEntry& a, const CatalogEntry& b) {
              return std::pair(a.base, a.id) < std::pair(b.base, b.id);
            });
  return contents;
}

Expected<void> Catalog::commit(std::span<const CatalogEntry> put,
                               std::span<const std::uint64_t> remove,
                               std::span<const StateEntry> state) {
  auto write = LmdbWrite::begin(*env_);
  if (!write) return tl::unexpected(write.error());
  for (CatalogEntry entry : put)
    if (auto done = write->put(LmdbTable::kSegments, entry.id, sealed_bytes(entry)); !done)
      return done;
  for (const std::uint64_t id : remove)
    if (auto done = write->remove(LmdbTable::kSegments, id); !done) return done;
  for (const StateEntry& entry : state) {
    auto done = entry.value.empty() ? write->remove(LmdbTable::kTables, entry.key)
                                    : write->put(LmdbTable::kTables, entry.key, entry.value);
    if (!done) return done;
  }
  CatalogGeneration generation;
  generation.generation = generation_ + 1;
  generation.next_segment_id = next_segment_id_;
  if (auto done = write->put(LmdbTable::kTables, kGenerationKey, sealed_bytes(generation)); !done)
    return done;
  kill_point("catalog.before_commit");
  return write->commit();
}

Expected<void> Catalog::change(std::span<const CatalogEntry> put,
                               std::span<const std::uint64_t> remove) {
  std::lock_guard lock(change_mutex_);
  return change_locked(put, remove);
}

Expected<void> Catalog::write_state(std::span<const StateEntry> entries) {
  std::lock_guard lock(change_mutex_);
  return change_locked({}, {}, entries);
}

Expected<void> Catalog::read_state(
    const std::function<bool(std::uint64_t key, Bytes value)>& visit) const {
  auto read = LmdbRead::begin(*env_);
  if (!read) return tl::unexpected(read.error());
  return read->scan(LmdbTable::kTables, kGenerationKey + 1, visit);
}

Expected<void> Catalog::change_locked(std::span<const CatalogEntry> put,
                                      std::span<const std::uint64_t> remove,
                                      std::span<const StateEntry> state) {
  if (needs_mending_)
    if (auto mended = mend(); !mended) return mended;
  if (put.empty() && remove.empty() && state.empty()) return {};
  if (auto done = commit(put, remove, state); !done) {
    needs_mending_ = true;
    (void)mend();
    return done;
  }
  ++generation_;
  kill_point("catalog.after_commit");
  return {};
}

Expected<void> Catalog::write_beside(const std::function<Expected<void>(LmdbWrite&)>& write) {
  std::lock_guard lock(change_mutex_);
  if (needs_mending_)
    if (auto mended = mend(); !mended) return mended;
  const auto commit_all = [&]() -> Expected<void> {
    auto transaction = LmdbWrite::begin(*env_);
    if (!transaction) return tl::unexpected(transaction.error());
    if (auto done = write(*transaction); !done) return done;
    return transaction->commit();
  };
  if (auto done = commit_all(); !done) {
    needs_mending_ = true;
    (void)mend();
    return done;
  }
  return {};
}

// After a failed commit nobody knows whether it took effect: look again, so that the next change
// builds on the truth, and make a commit that puts the truth on disk.
Expected<void> Catalog::mend() {
  if (auto opened = env_->reopen(); !opened) return opened;
  if (auto loaded = load_identity(); !loaded) return loaded;
  if (auto done = commit({}, {}, {}); !done) return done;
  ++generation_;
  needs_mending_ = false;
  return {};
}

// ---- rewriting -------------------------------------------------------------------------------

Expected<void> Catalog::copy_without(std::uint64_t key,
                                     const std::filesystem::path& directory) const {
  if (auto made = make_directory(directory); !made) return made;
  LmdbEnv::Options options;
  options.map_bytes = kStateMapBytes;
  auto fresh = LmdbEnv::open(directory, options);
  if (!fresh) return tl::unexpected(fresh.error());
  auto read = LmdbRead::begin(*env_);
  if (!read) return tl::unexpected(read.error());
  auto write = LmdbWrite::begin(**fresh);
  if (!write) return tl::unexpected(write.error());
  CatalogGeneration generation;
  generation.generation = generation_ + 1;
  generation.next_segment_id = next_segment_id_;
  Expected<void> done;
  for (unsigned i = 0; i < kLmdbTableCount; ++i) {
    const auto table = LmdbTable(i);
    auto scanned = read->scan(table, 0, [&](std::uint64_t at, Bytes value) {
      if (table == LmdbTable::kTables && at == key) return true;
      const bool is_generation = table == LmdbTable::kTables && at == kGenerationKey;
      done = write->append(table, at, is_generation ? sealed_bytes(generation) : value);
      return done.has_value();
    });
    if (!scanned || !done) return scanned ? done : scanned;
  }
  if (done = write->commit(); !done) return done;
  return sync_directory(directory);
}

Expected<void> Catalog::rewrite_without(std::uint64_t key) {
  std::lock_guard lock(change_mutex_);
  if (needs_mending_)
    if (auto mended = mend(); !mended) return mended;
  const auto log = file().parent_path().parent_path();
  if (auto removed = remove_leftover(log); !removed) return removed;
  if (auto copied = copy_without(key, rewritten(log)); !copied) {
    (void)remove_leftover(log);
    return copied;
  }
  kill_point("forget.before_exchange");
  if (auto replaced = env_->replace_with(rewritten(log)); !replaced) {
    needs_mending_ = true;  // it may have taken effect
    return replaced;
  }
  ++generation_;
  kill_point("forget.after_exchange");
  return remove_leftover(log);
}

Expected<void> Catalog::remove_leftover(const std::filesystem::path& log) {
  std::error_code ignored;
  return std::filesystem::exists(rewritten(log), ignored) ? remove_tree(rewritten(log))
                                                          : Expected<void>();
}

Expected<void> Catalog::check_rewritable() {
  std::lock_guard lock(change_mutex_);
  const auto log = file().parent_path().parent_path();
  const auto first = rewritten(log) / "first", second = rewritten(log) / "second";
  auto done = remove_leftover(log);
  for (const auto& directory : {rewritten(log), first, second})
    if (done) done = make_directory(directory);
  if (done) done = exchange_directories(first, second);
  if (!done) (void)remove_leftover(log);
  return done ? remove_leftover(log) : done;
}

Expected<std::uint64_t> Catalog::begin_segment(SequenceNumber base) {
  std::lock_guard lock(change_mutex_);
  // Mending reads the numbers again, so it comes before one is given out.
  if (needs_mending_)
    if (auto mended = mend(); !mended) return tl::unexpected(mended.error());
  CatalogEntry entry;
  entry.state = SegmentState::kBuilding;
  entry.id = next_segment_id_++;
  entry.base = base;
  if (auto done = change_locked(std::span(&entry, 1), {}); !done) return tl::unexpected(done.error());
  return entry.id;
}

}  // namespace runlog
