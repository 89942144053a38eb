#include "log/last_commit.h"

#include <cstring>
#include <optional>

#include "log/file_io.h"
#include "log/lmdb_metas.h"
#include "log/lmdb_walk.h"
#include "log/segment_format.h"

namespace runlog {
namespace {

using lmdb::Meta;
using lmdb::Metas;
using lmdb::PageWalk;

// In the unused half of meta page 0, which LMDB writes once, when it makes the file.
struct CleanMark {
  static constexpr std::uint64_t kMagic = 0x4E41454C43474F4C;  // "LOGCLEAN"
  std::uint64_t magic = kMagic;
  std::uint64_t transaction = 0;
  std::uint64_t checksum = 0;
};
static_assert(sizeof(CleanMark) == 24);
constexpr std::size_t kMarkAt = 2048;

std::uint64_t marked_transaction(std::span<const std::byte> file) {
  const auto mark = read_sealed<CleanMark>(file.subspan(kMarkAt, sizeof(CleanMark)));
  return mark && mark->magic == CleanMark::kMagic ? mark->transaction : 0;
}

Error damaged_entry(const std::filesystem::path& path, const std::string& table,
                    std::uint64_t key) {
  return {ErrorCode::Corruption, "'" + path.string() + "' is damaged: entry " +
                                     std::to_string(key) + " of table '" + table +
                                     "' fails its checksum or is out of order"};
}

// Walks all that one transaction can reach; with a check, also every entry. Errors: Corruption.
Expected<void> walk(PageWalk& pages, const std::filesystem::path& path, const EntryCheck& is_whole) {
  std::optional<Error> damage;
  LmdbVisit visit;
  if (is_whole)
    visit = [&](const std::string& table, std::uint64_t key, std::span<const std::byte> value) {
      if (!damage && !is_whole(table, key, value)) damage = damaged_entry(path, table, key);
    };
  auto walked = pages.walk_tables(visit);
  if (walked) walked = pages.walk_free_list();
  if (walked && damage) return tl::unexpected(std::move(*damage));
  return walked;
}

// Entries are only ever added, so a state with fewer than the one before it has pages from an
// earlier time in place of its own.
bool lacks_entries(const PageWalk& newest, const PageWalk& older) {
  for (const auto& [table, entries] : older.entries()) {
    const auto found = newest.entries().find(table);
    if (found == newest.entries().end() || found->second < entries) return true;
  }
  return false;
}

// The last two transactions of a file.
class LastTwo {
 public:
  LastTwo(std::span<const std::byte> file, const std::filesystem::path& path, const Metas& metas)
      : file_(file),
        path_(path),
        metas_(metas),
        newest_(file, metas.page_bytes, path, metas.newest, nullptr),
        older_(file, metas.page_bytes, path, metas.older, nullptr) {}

  // Once. Errors: Corruption.
  Expected<LastCommit> judge(const MakeEntryCheck& make_check) {
    const auto checked = walk(newest_, path_, make_check());
    has_older_ = walk(older_, path_, {}).has_value();
    // What a refused meta page left behind is no state, and the next commit overwrites it.
    if (checked && !has_older_) return LastCommit::kWhole;
    if (checked && !lacks_entries(newest_, older_) && newest_.check_follows(older_))
      return LastCommit::kWhole;
    PageWalk before(file_, metas_.page_bytes, path_, metas_.older, nullptr);
    if (walk(before, path_, make_check())) return LastCommit::kTorn;
    return checked ? fail(ErrorCode::Corruption,
                          "'" + path_.string() + "' is damaged: its last two commits contradict "
                                                 "each other")
                   : tl::unexpected(checked.error());
  }

  // After judge(): the pages that the newest transaction alone has, and its meta page.
  std::vector<FilePart> newest_pages() const {
    std::vector<FilePart> parts;
    const auto add = [&](std::uint64_t page) {
      const std::uint64_t at = page * metas_.page_bytes;
      parts.push_back({at, file_.subspan(at, metas_.page_bytes)});
    };
    const auto& used = newest_.used_pages();
    const auto& before = older_.used_pages();
    for (std::uint64_t page = lmdb::kFirstTreePage; page < used.size(); ++page)
      if (used[page] && !(has_older_ && before[page])) add(page);
    add(metas_.newest.transaction % lmdb::kMetaSlots);
    return parts;
  }

 private:
  std::span<const std::byte> file_;
  const std::filesystem::path& path_;
  const Metas& metas_;
  PageWalk newest_, older_;
  bool has_older_ = false;
};

// The newest transaction's meta page with the state of the one before it: the last commit becomes
// one that changed nothing.
Meta undone(const Metas& metas) {
  Meta meta = metas.older;
  meta.transaction = metas.newest.transaction;
  return meta;
}

std::uint64_t newest_meta_at(const Metas& metas) {
  return metas.newest.transaction % lmdb::kMetaSlots * metas.page_bytes + lmdb::kPageHeaderBytes;
}

// Errors: Corruption (a meta page, or the mark is of a later transaction).
Expected<Metas> read_metas(std::span<const std::byte> file, const std::filesystem::path& path) {
  auto metas = lmdb::check_metas(file, path, false);
  if (metas && marked_transaction(file) > metas->newest.transaction)
    return fail(ErrorCode::Corruption,
                "'" + path.string() + "' is damaged: a meta page has a wrong transaction number");
  return metas;
}

}  // namespace

Expected<LastCommit> judge_last_commit(std::span<const std::byte> file,
                                       const std::filesystem::path& path,
                                       const MakeEntryCheck& make_check) {
  const auto metas = read_metas(file, path);
  if (!metas) return tl::unexpected(metas.error());
  if (marked_transaction(file) == metas->newest.transaction) return LastCommit::kMarked;
  return LastTwo(file, path, *metas).judge(make_check);
}

Expected<LastCommit> settle_last_commit(const std::filesystem::path& file,
                                        const MakeEntryCheck& make_check, bool always) {
  const auto mapping = FileMapping::open(file);
  if (!mapping) return tl::unexpected(mapping.error());
  const auto bytes = (*mapping)->bytes();
  const auto metas = read_metas(bytes, file);
  if (!metas) return tl::unexpected(metas.error());
  if (!always && marked_transaction(bytes) == metas->newest.transaction) return LastCommit::kMarked;
  LastTwo last(bytes, file, *metas);
  auto judged = last.judge(make_check);
  if (!judged) return judged;
  const Meta meta = undone(*metas);
  std::vector<FilePart> parts = {{newest_meta_at(*metas), std::as_bytes(std::span(&meta, 1))}};
  if (*judged == LastCommit::kWhole) parts = last.newest_pages();
  if (auto written = write_parts(file, parts); !written) return tl::unexpected(written.error());
  return judged;
}

Expected<std::vector<std::byte>> without_last_commit(std::span<const std::byte> file,
                                                     const std::filesystem::path& path) {
  const auto metas = read_metas(file, path);
  if (!metas) return tl::unexpected(metas.error());
  std::vector<std::byte> copy(file.begin(), file.end());
  const Meta meta = undone(*metas);
  std::memcpy(copy.data() + newest_meta_at(*metas), &meta, sizeof meta);
  return copy;
}

Expected<void> mark_last_commit(const std::filesystem::path& file) {
  const auto mapping = FileMapping::open(file);
  if (!mapping) return tl::unexpected(mapping.error());
  const auto metas = lmdb::check_metas((*mapping)->bytes(), file, true);
  if (!metas) return tl::unexpected(metas.error());
  CleanMark mark;
  mark.transaction = metas->newest.transaction;
  const FilePart part{kMarkAt, sealed_bytes(mark)};
  return write_parts(file, std::span(&part, 1));
}

}  // namespace runlog
