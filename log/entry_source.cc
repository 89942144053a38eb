#include "log/entry_source.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <sys/file.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "log/file_io.h"
#include "log/lmdb_env.h"

namespace runlog {
namespace {

constexpr unsigned kTries = 20;

// In the order in which the page walk meets them.
struct NamedTable {
  const char* name;
  LmdbTable table;
};
constexpr NamedTable kTables[] = {{"d", LmdbTable::kDictionaries},
                                  {"n", LmdbTable::kNames},
                                  {"r", LmdbTable::kRecords},
                                  {"s", LmdbTable::kSegments},
                                  {"t", LmdbTable::kTables}};

// A read transaction keeps the writer from reusing pages, so it is short: so many entries.
constexpr unsigned kEntriesPerTransaction = 1000;

// Reads the first `entries` of a table, or all if there are fewer.
Expected<void> read_table(LmdbEnv& env, const NamedTable& table, std::uint64_t entries,
                          const LmdbVisit& visit) {
  std::uint64_t next = 0;
  while (entries > 0) {
    auto read = LmdbRead::begin(env);
    if (!read) return tl::unexpected(read.error());
    const std::uint64_t wanted = std::min<std::uint64_t>(entries, kEntriesPerTransaction);
    std::uint64_t left = wanted;
    auto scanned = read->scan(table.table, next, [&](std::uint64_t key, Bytes value) {
      visit(table.name, key, value);
      next = key + 1;
      return --left > 0;
    });
    if (!scanned) return scanned;
    if (left > 0) return {};
    entries -= wanted;
  }
  return {};
}

// Records are only ever added at the end, each in the transaction that brings its names. So the
// names that are read from now on serve the records that are there now, and no later ones.
Expected<std::uint64_t> count_records(LmdbEnv& env) {
  auto read = LmdbRead::begin(env);
  if (!read) return tl::unexpected(read.error());
  return read->entries(LmdbTable::kRecords);
}

Expected<void> read_beside_writer(const std::filesystem::path& directory,
                                  const std::function<void()>& restart, const LmdbVisit& visit) {
  LmdbEnv::Options options;
  options.mode = OpenMode::kRead;
  auto env = LmdbEnv::open(directory, options);
  for (unsigned i = 0; !env && env.error().code == ErrorCode::Busy && i < kTries; ++i)
    env = LmdbEnv::open(directory, options);
  if (!env) return tl::unexpected(env.error());
  restart();
  const auto records = count_records(**env);
  if (!records) return tl::unexpected(records.error());
  for (const NamedTable& table : kTables) {
    const std::uint64_t entries = table.table == LmdbTable::kRecords ? *records : UINT64_MAX;
    if (auto done = read_table(**env, table, entries, visit); !done) return done;
  }
  return {};
}

// Opening an environment twice in one process breaks LMDB's locks. So the file is copied, and the
// copy holds a whole state if no two commits fell into that time.
Expected<void> read_beside_ourselves(const std::filesystem::path& directory,
                                     const std::function<void()>& restart,
                                     const LmdbVisit& visit) {
  const auto file = directory / "data.mdb";
  for (unsigned i = 0; i < kTries; ++i) {
    auto mapping = FileMapping::open(file);
    if (!mapping) return tl::unexpected(mapping.error());
    const auto before = newest_lmdb_transaction((*mapping)->bytes(), file);
    if (!before) return tl::unexpected(before.error());
    const std::vector<std::byte> copy((*mapping)->bytes().begin(), (*mapping)->bytes().end());
    const auto after = newest_lmdb_transaction((*mapping)->bytes(), file);
    if (!after) return tl::unexpected(after.error());
    if (*after != *before) continue;
    restart();
    auto checked = check_lmdb_transaction(copy, file, *before, visit);
    if (checked) return {};
    if (checked.error().code != ErrorCode::Busy) return tl::unexpected(checked.error());
  }
  return fail(ErrorCode::Busy, fmt::format("'{}' changed each time it was read", file.string()));
}

}  // namespace

Expected<Writer> find_writer(const std::filesystem::path& log) {
  const auto path = log / "LOCK";
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    if (errno == ENOENT) return Writer::kNone;
    return tl::unexpected(system_error(errno, "open", path));
  }
  const bool held = ::flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(descriptor);
  if (!held) return Writer::kNone;
  std::ifstream in(path);
  long holder = 0;
  in >> holder;
  return holder == ::getpid() ? Writer::kThisProcess : Writer::kOtherProcess;
}

Expected<LastCommit> read_entries(const std::filesystem::path& directory, Writer writer,
                                  const MakeEntryCheck& settle_with,
                                  const std::function<void()>& restart, const LmdbVisit& visit) {
  if (writer != Writer::kNone) {
    const auto read = writer == Writer::kOtherProcess
                          ? read_beside_writer(directory, restart, visit)
                          : read_beside_ourselves(directory, restart, visit);
    if (!read) return tl::unexpected(read.error());
    return LastCommit::kWhole;
  }
  const auto file = directory / "data.mdb";
  auto mapping = FileMapping::open(file);
  if (!mapping) return tl::unexpected(mapping.error());
  std::span<const std::byte> bytes = (*mapping)->bytes();
  std::vector<std::byte> settled;
  if (settle_with)
    if (auto judged = judge_last_commit(bytes, file, settle_with);
        judged && *judged == LastCommit::kTorn)
      if (auto without = without_last_commit(bytes, file)) bytes = settled = std::move(*without);
  restart();
  auto checked = check_lmdb_image(bytes, file, visit);
  if (!checked) return tl::unexpected(checked.error());
  for (const NamedTable& table : kTables)
    if (checked->entries.count(table.name) == 0)
      return fail(ErrorCode::Corruption, fmt::format("'{}' is damaged: its table '{}' is missing",
                                                     file.string(), table.name));
  return settled.empty() ? LastCommit::kWhole : LastCommit::kTorn;
}

}  // namespace runlog
