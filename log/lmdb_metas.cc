#include "log/lmdb_metas.h"

#include <fmt/format.h>

namespace runlog::lmdb {
namespace {

constexpr std::uint64_t kMaxMapBytes = 1ull << 44;  // far above any log, well within a process
constexpr std::size_t kMinPageBytes = 4096, kMaxPageBytes = 32768;

// Where the page size stands in meta page 0; LMDB takes it from there to find meta page 1.
std::size_t page_bytes_of(Bytes file) {
  return load<std::uint32_t>(file.data() + kPageHeaderBytes + offsetof(Meta, free_list) +
                             offsetof(Table, pad));
}

// That the one transaction directly follows the other, as the two meta pages of a sound file do.
Problem check_succession(const Meta& newest, const Meta& older) {
  if (newest.transaction == 0) {
    const bool empty = newest.main.root == kNoPage && older.main.root == kNoPage &&
                       newest.free_list.root == kNoPage &&
                       older.free_list.root == kNoPage;
    return empty ? nullptr : "a file without a transaction holds something";
  }
  return newest.transaction - older.transaction == 1
             ? nullptr
             : "the transactions of the two meta pages don't follow each other";
}

}  // namespace

tl::unexpected<Error> damaged_meta(const std::filesystem::path& path, unsigned slot,
                                   Problem problem) {
  return fail(ErrorCode::Corruption,
              fmt::format("'{}', meta page {}: {}", path.string(), slot, problem));
}

Meta load_meta(Bytes file, std::size_t page_bytes, unsigned slot) {
  return load<Meta>(file.data() + slot * page_bytes + kPageHeaderBytes);
}

Problem check_meta(const Meta& meta, std::size_t page_bytes, unsigned slot) {
  if (meta.magic != kMagic) return "it is not an LMDB file";
  if (meta.version != kVersion) return "the version of the format is not known";
  if (meta.free_list.pad != page_bytes) return "the page sizes differ";
  if ((meta.free_list.flags & ~kNoSubdirectory) != kIntegerKeys || meta.main.flags != 0)
    return "the flags are none that a log uses";
  if (meta.map_bytes > kMaxMapBytes) return "the size of the map is out of range";
  if (meta.last_page + 1 < kFirstTreePage || meta.last_page >= meta.map_bytes / page_bytes)
    return "the number of the last page is out of range";
  if (meta.transaction != 0 && meta.transaction % kMetaSlots != slot)
    return "the transaction belongs to the other meta page";
  return nullptr;
}

Expected<std::size_t> check_layout(Bytes file,
                                   const std::filesystem::path& path) {
  if (file.size() < kMinPageBytes * kMetaSlots) return damaged_meta(path, 0, "the file is too short");
  const std::size_t page_bytes = page_bytes_of(file);
  if (page_bytes < kMinPageBytes || page_bytes > kMaxPageBytes ||
      (page_bytes & (page_bytes - 1)) != 0 || file.size() < page_bytes * kMetaSlots)
    return damaged_meta(path, 0, "the page size is out of range");
  for (unsigned slot = 0; slot < kMetaSlots; ++slot) {
    const std::byte* page = file.data() + slot * page_bytes;
    if (load<std::uint64_t>(page) != slot ||
        load<std::uint16_t>(page + kPageFlagsAt) != kMetaPage)
      return damaged_meta(path, slot, "the page is not a meta page");
  }
  return page_bytes;
}

Expected<Metas> check_metas(Bytes file, const std::filesystem::path& path,
                            bool only_newest) {
  const auto page_bytes = check_layout(file, path);
  if (!page_bytes) return tl::unexpected(page_bytes.error());
  Meta metas[kMetaSlots];
  for (unsigned slot = 0; slot < kMetaSlots; ++slot) metas[slot] = load_meta(file, *page_bytes, slot);
  const unsigned slot = metas[0].transaction < metas[1].transaction ? 1 : 0;  // as LMDB chooses
  for (unsigned i = 0; i < kMetaSlots; ++i) {
    if (only_newest && i != slot) continue;
    if (Problem problem = check_meta(metas[i], *page_bytes, i)) return damaged_meta(path, i, problem);
  }
  if (!only_newest)
    if (Problem problem = check_succession(metas[slot], metas[1 - slot]))
      return damaged_meta(path, slot, problem);
  return Metas{*page_bytes, metas[slot], metas[1 - slot]};
}

}  // namespace runlog::lmdb
