#include "log/lmdb_check.h"

#include <algorithm>
#include <atomic>

#include <fmt/format.h>

#include "log/file_io.h"
#include "log/lmdb_metas.h"
#include "log/lmdb_walk.h"

namespace runlog {
namespace {

using lmdb::check_layout;
using lmdb::check_meta;
using lmdb::check_metas;
using lmdb::damaged_meta;
using lmdb::kMetaSlots;
using lmdb::load_meta;
using lmdb::Meta;
using lmdb::PageWalk;
using lmdb::Problem;

// What was loaded before this was loaded before what is loaded after it.
void keep_load_order() {
#if defined(__SANITIZE_THREAD__)
  std::atomic_signal_fence(std::memory_order_acquire);  // g++'s ThreadSanitizer refuses the other
#else
  std::atomic_thread_fence(std::memory_order_acquire);
#endif
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
    return damaged_meta(path, slot, "it does not hold the transaction that is read");
  if (Problem problem = check_meta(meta, *page_bytes, slot)) return damaged_meta(path, slot, problem);

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
