#include "log/salvage.h"

#include <algorithm>
#include <set>
#include <utility>

#include "log/active_segment.h"
#include "log/lmdb_check.h"
#include "log/lmdb_format.h"
#include "log/record.h"

namespace runlog {
namespace {

constexpr std::size_t kPageBytes = 4096;

// Reads a node at `at` of a page that may be anything.
void visit_node(Bytes file, std::size_t page_at, std::size_t at,
                const std::function<void(std::uint64_t key, Bytes value)>& visit) {
  using lmdb::load;
  const std::byte* node = file.data() + page_at + at;
  const std::size_t room = kPageBytes - at;
  if (room < lmdb::kNodeHeaderBytes + sizeof(std::uint64_t)) return;
  if (load<std::uint16_t>(node + 6) != sizeof(std::uint64_t)) return;
  const auto key = load<std::uint64_t>(node + lmdb::kNodeHeaderBytes);
  const std::size_t value_bytes =
      load<std::uint16_t>(node) | std::size_t{load<std::uint16_t>(node + 2)} << 16;
  const std::size_t value_at = lmdb::kNodeHeaderBytes + sizeof key;
  const auto flags = load<std::uint16_t>(node + 4);
  if (flags == 0 && value_bytes <= room - value_at)
    visit(key, Bytes(node + value_at, value_bytes));
  if (flags != lmdb::kBigValue || room - value_at < sizeof(std::uint64_t)) return;
  const auto first = load<std::uint64_t>(node + value_at);
  if (first >= file.size() / kPageBytes) return;
  const std::size_t begin = std::size_t(first) * kPageBytes + lmdb::kPageHeaderBytes;
  if (value_bytes <= file.size() - begin) visit(key, file.subspan(begin, value_bytes));
}

template <typename Struct>
void keep_newest(std::optional<Struct>& kept, Bytes value) {
  const auto found = read_sealed<Struct>(value);
  if (found && found->magic == Struct::kMagic && !kept) kept = found;
}

// Sorts entries by what their checksums prove them to be. What was found first wins, so that the
// tree, which knows what was committed, goes before the leaves, which know no order.
class Sorter {
 public:
  explicit Sorter(SalvagedSegment& found) : found_(found) {}

  void operator()(std::uint64_t key, Bytes value) {
    if (found_.records.count(key) == 0)
      if (const auto record = verify_record(value, key); record && record->size() == value.size()) {
        found_.records.emplace(key, value);
        return;
      }
    if (found_.names.count(key) == 0 && restore_name(key, value, names_))
      found_.names.emplace(key, value);
    if (found_.dictionaries.count(key) == 0 && restore_dictionary(key, value, dictionaries_))
      found_.dictionaries.emplace(key, value);
    if (key == kHeaderKey) keep_newest(found_.header, value);
    if (key == kFooterKey && !found_.footer) {
      keep_newest(found_.footer, value);
      if (found_.footer)
        found_.footer_offset = std::uint64_t(value.data() - found_.mapping->bytes().data());
    }
  }

 private:
  SalvagedSegment& found_;
  NameTable names_;  // scratch that proves names
  Dictionaries dictionaries_;
};

}  // namespace

void scan_lmdb_leaves(Bytes file,
                      const std::function<void(std::uint64_t key, Bytes value)>& visit) {
  using lmdb::load;
  for (std::size_t page = 2; page < file.size() / kPageBytes; ++page) {
    const std::byte* bytes = file.data() + page * kPageBytes;
    if (load<std::uint16_t>(bytes + lmdb::kPageFlagsAt) == lmdb::kBranchPage) continue;
    // The count of nodes may be what is damaged: then the first impossible offset ends the list.
    std::size_t end = load<std::uint16_t>(bytes + lmdb::kPageLowerAt);
    if (end < lmdb::kPageHeaderBytes || end > kPageBytes) end = kPageBytes;
    for (std::size_t i = lmdb::kPageHeaderBytes; i + sizeof(std::uint16_t) <= end;
         i += sizeof(std::uint16_t)) {
      const std::size_t at = load<std::uint16_t>(bytes + i);
      if (at >= lmdb::kPageHeaderBytes && at < kPageBytes)
        visit_node(file, page * kPageBytes, at, visit);
    }
  }
}

bool salvage_state(const std::filesystem::path& state_directory,
                   const std::function<bool(std::uint64_t key, Bytes value)>& keep) {
  const auto file = state_directory / "data.mdb";
  auto mapping = FileMapping::open(file);
  if (!mapping) return false;
  const Bytes bytes = (*mapping)->bytes();
  bool is_whole = true;
  const auto in_tree = [&](const std::string& table, std::uint64_t key, Bytes value) {
    if (table == "t" && !keep(key, value)) is_whole = false;
  };
  if (check_lmdb_image(bytes, file, in_tree) && is_whole) return true;
  scan_lmdb_leaves(bytes, keep);
  return false;
}

Expected<SalvagedSegment> salvage_segment(const std::filesystem::path& directory) {
  const auto file = directory / "data.mdb";
  auto mapping = FileMapping::open(file);
  if (!mapping) return tl::unexpected(mapping.error());
  SalvagedSegment found;
  found.mapping = std::move(*mapping);
  Sorter sort(found);
  const Bytes bytes = found.mapping->bytes();
  std::set<SequenceNumber> committed;
  const auto in_tree = [&](const std::string& table, std::uint64_t key, Bytes value) {
    if (table == "r") committed.insert(key);
    sort(key, value);
  };
  found.tree_is_sound = bool(check_lmdb_image(bytes, file, in_tree));
  scan_lmdb_leaves(bytes, std::ref(sort));
  // A free page may hold a record of a commit that never took effect.
  if (found.tree_is_sound)
    std::erase_if(found.records,
                  [&](const auto& record) { return committed.count(record.first) == 0; });
  return found;
}

SalvagedCatalog salvage_catalog(const std::filesystem::path& directory) {
  SalvagedCatalog found;
  auto mapping = FileMapping::open(directory / "data.mdb");
  if (!mapping) return found;
  scan_lmdb_leaves((*mapping)->bytes(), [&](std::uint64_t key, Bytes value) {
    if (key == kIdentityKey) keep_newest(found.identity, value);
    if (key != kGenerationKey) return;
    const auto generation = read_sealed<CatalogGeneration>(value);
    if (!generation) return;
    found.generation = std::max(found.generation, generation->generation);
    found.next_segment_id = std::max(found.next_segment_id, generation->next_segment_id);
  });
  return found;
}

}  // namespace runlog
