#include "log/lmdb_check.h"

#include <algorithm>
#include <atomic>

#include <fmt/format.h>

#include "log/file_io.h"
#include "log/lmdb_format.h"
#include "log/lmdb_walk.h"

namespace runlog {
namespace {

using lmdb::load;
using lmdb::Meta;
using lmdb::PageWalk;
using lmdb::Problem;

constexpr std::uint64_t kMaxMapBytes = 1ull << 44;  // far above any log, well within a process
constexpr std::size_t kMinPageBytes = 4096, kMaxPageBytes = 32768;

// The two places of the meta page; transaction n was committed to the one with n's parity.
constexpr unsigned kMetaSlots = 2;

tl::unexpected<Error> damaged(const std::filesystem::path& path, unsigned slot, Problem problem) {
  return fail(ErrorCode::Corruption,
              fmt::format("'{}', meta page {}: {}", path.string(), slot, problem));
}

// What was loaded before this was loaded before what is loaded after it.
void keep_load_order() {
#if defined(__SANITIZE_THREAD__)
  std::atomic_signal_fence(std::memory_order_acquire);  // g++'s ThreadSanitizer refuses the other
#else
  std::atomic_thread_fence(std::memory_order_acquire);
#endif
}

// Where the page size stands in meta page 0; LMDB takes it from there to find meta page 1.
std::size_t page_bytes_of(std::span<const std::byte> file) {
  return load<std::uint32_t>(file.data() + lmdb::kPageHeaderBytes + offsetof(Meta, free_list) +
                             offsetof(lmdb::Table, pad));
}

Meta load_meta(std::span<const std::byte> file, std::size_t page_bytes, unsigned slot) {
  return load<Meta>(file.data() + slot * page_bytes + lmdb::kPageHeaderBytes);
}

Problem check_meta(const Meta& meta, std::size_t page_bytes, unsigned slot) {
  if (meta.magic != lmdb::kMagic) return "it is not an LMDB file";
  if (meta.version != lmdb::kVersion) return "the version of the format is not known";
  if (meta.free_list.pad != page_bytes) return "the page sizes differ";
  if ((meta.free_list.flags & ~lmdb::kNoSubdirectory) != lmdb::kIntegerKeys || meta.main.flags != 0)
    return "the flags are none that a log uses";
  if (meta.map_bytes > kMaxMapBytes) return "the size of the map is out of range";
  if (meta.last_page + 1 < lmdb::kFirstTreePage || meta.last_page >= meta.map_bytes / page_bytes)
    return "the number of the last page is out of range";
  if (meta.transaction != 0 && meta.transaction % kMetaSlots != slot)
    return "the transaction belongs to the other meta page";
  return nullptr;
}

// Checks what both forms of the check rely on, and returns the page size.
Expected<std::size_t> check_layout(std::span<const std::byte> file,
                                   const std::filesystem::path& path) {
  if (file.size() < kMinPageBytes * kMetaSlots) return damaged(path, 0, "the file is too short");
  const std::size_t page_bytes = page_bytes_of(file);
  if (page_bytes < kMinPageBytes || page_bytes > kMaxPageBytes ||
      (page_bytes & (page_bytes - 1)) != 0 || file.size() < page_bytes * kMetaSlots)
    return damaged(path, 0, "the page size is out of range");
  for (unsigned slot = 0; slot < kMetaSlots; ++slot) {
    const std::byte* page = file.data() + slot * page_bytes;
    if (load<std::uint64_t>(page) != slot ||
        load<std::uint16_t>(page + lmdb::kPageFlagsAt) != lmdb::kMetaPage)
      return damaged(path, slot, "the page is not a meta page");
  }
  return page_bytes;
}

// That the one transaction directly follows the other, as the two meta pages of a sound file do.
Problem check_succession(const Meta& newest, const Meta& older) {
  if (newest.transaction == 0) {
    const bool empty = newest.main.root == lmdb::kNoPage && older.main.root == lmdb::kNoPage &&
                       newest.free_list.root == lmdb::kNoPage &&
                       older.free_list.root == lmdb::kNoPage;
    return empty ? nullptr : "a file without a transaction holds something";
  }
  return newest.transaction - older.transaction == 1
             ? nullptr
             : "the transactions of the two meta pages don't follow each other";
}

}  // namespace

namespace {

// The meta pages of a file in which nothing contradicts anything else.
struct Metas {
  std::size_t page_bytes = 0;
  Meta newest, older;
};

Expected<Metas> check_metas(std::span<const std::byte> file, const std::filesystem::path& path,
                            bool only_newest) {
  const auto page_bytes = check_layout(file, path);
  if (!page_bytes) return tl::unexpected(page_bytes.error());
  Meta metas[kMetaSlots];
  for (unsigned slot = 0; slot < kMetaSlots; ++slot) metas[slot] = load_meta(file, *page_bytes, slot);
  const unsigned slot = metas[0].transaction < metas[1].transaction ? 1 : 0;  // as LMDB chooses
  for (unsigned i = 0; i < kMetaSlots; ++i) {
    if (only_newest && i != slot) continue;
    if (Problem problem = check_meta(metas[i], *page_bytes, i)) return damaged(path, i, problem);
  }
  if (!only_newest)
    if (Problem problem = check_succession(metas[slot], metas[1 - slot]))
      return damaged(path, slot, problem);
  return Metas{*page_bytes, metas[slot], metas[1 - slot]};
}

Expected<LmdbFileState> check_image(std::span<const std::byte> file,
                                    const std::filesystem::path& path, bool only_newest,
                                    const LmdbVisit& visit) {
  const auto metas = check_metas(file, path, only_newest);
  if (!metas) return tl::unexpected(metas.error());
  PageWalk newest(file, metas->page_bytes, path, metas->newest, nullptr);
  if (auto walked = newest.walk_tables(visit); !walked) return tl::unexpected(walked.error());
  if (auto walked = newest.walk_free_list(); !walked) return tl::unexpected(walked.error());
  if (only_newest)
    return LmdbFileState{metas->newest.transaction, newest.used_bytes(), newest.entries(), {}};

  // No commit touches the pages of the transaction before it. Were a meta page's number damaged so
  // that LMDB took the older state for the newer one, their free lists would contradict each other.
  PageWalk older(file, metas->page_bytes, path, metas->older, &newest);
  auto walked = older.walk_tables({});
  if (walked) walked = older.walk_free_list();
  // When the disk refuses a meta page, LMDB puts back the number of the transaction and of the last
  // page, but not the roots. Such a page is no danger: the next commit overwrites it.
  if (!walked && older.reaches_beyond_end())
    return LmdbFileState{metas->newest.transaction, newest.used_bytes(), newest.entries(), {}};
  if (!walked) return tl::unexpected(walked.error());
  if (auto follows = newest.check_follows(older); !follows)
    return tl::unexpected(follows.error());
  return LmdbFileState{metas->newest.transaction,
                       std::max(newest.used_bytes(), older.used_bytes()), newest.entries(),
                       older.entries()};
}

}  // namespace

Expected<LmdbFileState> check_lmdb_file(const std::filesystem::path& path,
                                        bool after_failed_commit) {
  auto file = FileMapping::open(path);
  if (!file) return tl::unexpected(file.error());
  return check_image((*file)->bytes(), path, after_failed_commit, {});
}

Expected<LmdbFileState> check_lmdb_image(std::span<const std::byte> file,
                                         const std::filesystem::path& path,
                                         const LmdbVisit& visit) {
  return check_image(file, path, false, visit);
}

Expected<void> check_lmdb_metas(const std::filesystem::path& path) {
  // The pages are read one after the other, and a writer may commit in between.
  constexpr int kTries = 1000;
  for (int tries = 1;; ++tries) {
    auto file = FileMapping::open(path);
    if (!file) return tl::unexpected(file.error());
    auto metas = check_metas((*file)->bytes(), path, false);
    if (metas) return {};
    if (tries == kTries) return tl::unexpected(metas.error());
  }
}

Expected<LmdbFileState> check_lmdb_transaction(std::span<const std::byte> file,
                                               const std::filesystem::path& path,
                                               std::uint64_t transaction,
                                               const LmdbVisit& visit) {
  const auto page_bytes = check_layout(file, path);
  if (!page_bytes) return tl::unexpected(page_bytes.error());
  const unsigned slot = transaction % kMetaSlots;
  const Meta meta = load_meta(file, *page_bytes, slot);
  // Only a writer that has committed the next transaction, to the other slot, may go on to this one.
  keep_load_order();
  const Meta other = load_meta(file, *page_bytes, 1 - slot);
  if (meta.transaction > transaction || other.transaction > transaction)
    return fail(ErrorCode::Busy,
                fmt::format("'{}': transaction {} is no longer the newest while its meta page is read",
                            path.string(), transaction));
  if (meta.transaction != transaction)
    return damaged(path, slot, "it does not hold the transaction that is read");
  if (Problem problem = check_meta(meta, *page_bytes, slot)) return damaged(path, slot, problem);

  PageWalk walk(file, *page_bytes, path, meta, nullptr);
  if (auto walked = walk.walk_tables(visit); !walked) return tl::unexpected(walked.error());
  return LmdbFileState{transaction, walk.used_bytes(), walk.entries(), {}};
}

Expected<std::uint64_t> newest_lmdb_transaction(std::span<const std::byte> file,
                                                const std::filesystem::path& path) {
  const auto page_bytes = check_layout(file, path);
  if (!page_bytes) return tl::unexpected(page_bytes.error());
  return std::max(load_meta(file, *page_bytes, 0).transaction,
                  load_meta(file, *page_bytes, 1).transaction);
}

}  // namespace runlog
