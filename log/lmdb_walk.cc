#include "log/lmdb_walk.h"

#include <algorithm>

namespace runlog::lmdb {
namespace {

// Compares as LMDB does: integers by value, everything else by bytes, then by length.
int compare_keys(bool integers, Bytes a, Bytes b) {
  if (integers && a.size() == b.size() && a.size() == sizeof(std::uint64_t)) {
    const auto x = load<std::uint64_t>(a.data()), y = load<std::uint64_t>(b.data());
    return x < y ? -1 : x > y;
  }
  if (integers && a.size() == b.size() && a.size() == sizeof(std::uint32_t)) {
    const auto x = load<std::uint32_t>(a.data()), y = load<std::uint32_t>(b.data());
    return x < y ? -1 : x > y;
  }
  const int order = std::memcmp(a.data(), b.data(), std::min(a.size(), b.size()));
  if (order != 0) return order;
  return a.size() < b.size() ? -1 : a.size() > b.size();
}

std::size_t even(std::size_t bytes) { return (bytes + 1) & ~std::size_t{1}; }

// How much of a page a leaf's node may take before LMDB moves its value to overflow pages: two
// nodes must fit, or a page could not be split.
std::size_t largest_node(std::size_t page_bytes) {
  return (((page_bytes - kPageHeaderBytes) / 2) & ~std::size_t{1}) - sizeof(std::uint16_t);
}

std::size_t node_count(const std::byte* page) {
  return (load<std::uint16_t>(page + kPageLowerAt) - kPageHeaderBytes) / sizeof(std::uint16_t);
}

// The header of a branch or leaf page: after it, every node's offset stands inside the page.
Problem check_page_header(const std::byte* page, std::size_t page_bytes, std::uint64_t number,
                          bool leaf) {
  if (load<std::uint64_t>(page) != number) return "the page carries another page's number";
  if (load<std::uint16_t>(page + kPageFlagsAt) != (leaf ? kLeafPage : kBranchPage))
    return leaf ? "the page is not a leaf" : "the page is not a branch";
  const std::size_t lower = load<std::uint16_t>(page + kPageLowerAt);
  const std::size_t upper = load<std::uint16_t>(page + kPageUpperAt);
  if (lower < kPageHeaderBytes || lower % 2 != 0 || lower > upper || upper > page_bytes)
    return "the bounds of the page's free room are wrong";
  return nullptr;
}

}  // namespace

void PageWalk::Counts::add(const Counts& other) {
  branch_pages += other.branch_pages;
  leaf_pages += other.leaf_pages;
  overflow_pages += other.overflow_pages;
  entries += other.entries;
}

PageWalk::PageWalk(Bytes file, std::size_t page_bytes, const std::filesystem::path& path,
                   const Meta& meta, const PageWalk* newer)
    : file_(file),
      page_bytes_(page_bytes),
      path_(path),
      meta_(meta),
      newer_(newer),
      file_pages_(file.size() / page_bytes),
      used_(file_pages_),
      free_(file_pages_) {}

tl::unexpected<Error> PageWalk::damaged(const Tree& tree, std::uint64_t page,
                                        Problem problem) const {
  const std::string what = tree.role == Role::kFreeList ? "the free list"
                           : tree.role == Role::kMain   ? "the main table"
                                                        : "table '" + tree.name + "'";
  return fail(ErrorCode::Corruption, "'" + path_.string() + "', page " + std::to_string(page) +
                                         " of " + what + " in transaction " +
                                         std::to_string(meta_.transaction) + ": " + problem);
}

// ---- trees ----------------------------------------------------------------------------------

Expected<void> PageWalk::walk_tables(const LmdbVisit& visit) {
  visit_ = visit ? &visit : nullptr;
  Tree main{Role::kMain, "", false, 0};
  if (auto walked = walk_tree(main, meta_.main); !walked) return walked;
  for (const auto& [name, table] : tables_) {
    Tree tree{Role::kNamed, name, table.flags == kIntegerKeys, 0};
    if (auto walked = walk_tree(tree, table); !walked) return walked;
    entries_[name] = table.entries;
  }
  visit_ = nullptr;
  return {};
}

Expected<void> PageWalk::walk_tree(Tree& tree, const Table& table) {
  if (table.root == kNoPage) {
    if (table.depth != 0 || table.branch_pages != 0 || table.leaf_pages != 0 ||
        table.overflow_pages != 0 || table.entries != 0)
      return damaged(tree, table.root, "a table without pages counts some");
    return {};
  }
  if (table.depth == 0 || table.depth > kMaxDepth)
    return damaged(tree, table.root, "the table's depth is out of range");
  auto walked = walk_page(tree, table.root, table.depth, {});
  if (!walked) return tl::unexpected(walked.error());
  const Counts counted{table.branch_pages, table.leaf_pages, table.overflow_pages, table.entries};
  if (!(walked->counts == counted))
    return damaged(tree, table.root, "the table's counts of pages or entries are wrong");
  return {};
}

Expected<PageWalk::Subtree> PageWalk::walk_page(Tree& tree, std::uint64_t page, unsigned height,
                                                Bounds bounds) {
  Problem problem = claim_page(page);
  if (problem) return damaged(tree, page, problem);
  const bool leaf = height == 1;
  if (const Subtree* known = walked_before(tree, page, height)) {
    if ((problem = check_bounds(tree, *known, bounds))) return damaged(tree, page, problem);
    return *known;
  }
  problem = check_page_header(page_at(page), page_bytes_, page, leaf);
  if (!problem) problem = check_nodes(page_at(page), leaf);
  if (problem) return damaged(tree, page, problem);

  auto subtree = leaf ? walk_leaf(tree, page) : walk_branch(tree, page, height, bounds);
  if (!subtree) return subtree;
  if ((problem = check_bounds(tree, *subtree, bounds))) return damaged(tree, page, problem);
  if (!leaf) branches_[page] = {tree.name, height, *subtree};
  return subtree;
}

const PageWalk::Subtree* PageWalk::walked_before(const Tree& tree, std::uint64_t page,
                                                 unsigned height) const {
  if (!newer_ || tree.role != Role::kNamed) return nullptr;
  const auto found = newer_->branches_.find(page);
  if (found == newer_->branches_.end()) return nullptr;
  const WalkedBranch& branch = found->second;
  return branch.height == height && branch.tree == tree.name ? &branch.subtree : nullptr;
}

Expected<PageWalk::Subtree> PageWalk::walk_branch(Tree& tree, std::uint64_t page, unsigned height,
                                                  Bounds bounds) {
  const std::byte* bytes = page_at(page);
  const std::size_t count = node_count(bytes);
  // LMDB may leave a branch of the free list with one child, and copes with it.
  if (count < (tree.role == Role::kFreeList ? 1u : 2u))
    return damaged(tree, page, "the branch has too few children");

  Subtree subtree;
  subtree.counts.branch_pages = 1;
  Node node, next;
  if (Problem problem = read_node(bytes, 0, false, node)) return damaged(tree, page, problem);
  Bytes low = bounds.low;  // the first node's own key is never looked at
  for (std::size_t i = 0; i < count; ++i, node = next) {
    Bytes high = bounds.high;
    if (i + 1 < count) {
      Problem problem = read_node(bytes, i + 1, false, next);
      if (!problem) problem = check_key(tree, next.key);
      if (!problem && low.data() && compare_keys(tree.integer_keys, low, next.key) >= 0)
        problem = "the keys of the branch are out of order";
      if (problem) return damaged(tree, page, problem);
      high = next.key;
    }
    auto child = walk_page(tree, node.child, height - 1, {low, high});
    if (!child) return child;
    subtree.counts.add(child->counts);
    if (i == 0) subtree.first_key = child->first_key;
    subtree.last_key = child->last_key;
    low = high;
  }
  return subtree;
}

Expected<PageWalk::Subtree> PageWalk::walk_leaf(Tree& tree, std::uint64_t page) {
  const std::byte* bytes = page_at(page);
  const std::size_t count = node_count(bytes);
  if (count == 0) return damaged(tree, page, "the leaf is empty");

  Subtree subtree;
  subtree.counts.leaf_pages = 1;
  subtree.counts.entries = count;
  Node node;
  for (std::size_t i = 0; i < count; ++i) {
    Problem problem = read_node(bytes, i, true, node);
    if (!problem) problem = check_key(tree, node.key);
    if (!problem && i > 0 && compare_keys(tree.integer_keys, subtree.last_key, node.key) >= 0)
      problem = "the keys of the leaf are out of order";
    if (!problem) problem = check_entry(tree, node);
    if (problem) return damaged(tree, page, problem);
    if (node.flags != 0 || tree.role != Role::kNamed || visit_ != nullptr) {
      auto walked = walk_entry(tree, page, node, subtree.counts);
      if (!walked) return tl::unexpected(walked.error());
    }
    if (i == 0) subtree.first_key = node.key;
    subtree.last_key = node.key;
  }
  return subtree;
}

// ---- values ---------------------------------------------------------------------------------

// Follows a value to its overflow pages, a table's record to the list of tables, and a record of
// the free list to the list of those.
Expected<void> PageWalk::walk_entry(Tree& tree, std::uint64_t page, const Node& node,
                                    Counts& counts) {
  Bytes value = node.value;
  if (node.flags == kBigValue) {
    auto overflow = walk_overflow(tree, node, counts);
    if (!overflow) return tl::unexpected(overflow.error());
    value = *overflow;
  }
  if (visit_ != nullptr && tree.integer_keys && node.key.size() == sizeof(std::uint64_t))
    (*visit_)(tree.name, load<std::uint64_t>(node.key.data()), value);
  if (tree.role == Role::kMain && node.flags == kTableValue) {
    const auto table = load<Table>(value.data());
    if (table.flags != 0 && table.flags != kIntegerKeys)
      return damaged(tree, page, "a table's flags are none that a log uses");
    tables_.emplace_back(
        std::string(reinterpret_cast<const char*>(node.key.data()), node.key.size()), table);
  }
  if (tree.role == Role::kFreeList) {
    const auto transaction = load<std::uint64_t>(node.key.data());
    if (transaction == 0 || transaction > meta_.transaction)
      return damaged(tree, page, "pages were freed by a transaction that was not yet");
    if (value.size() < sizeof(std::uint64_t) || value.size() % sizeof(std::uint64_t) != 0)
      return damaged(tree, page, "the length of a list of free pages is wrong");
    const auto count = load<std::uint64_t>(value.data());
    if (count > value.size() / sizeof(std::uint64_t) - 1)
      return damaged(tree, page, "a list of free pages counts more than it holds");
    free_records_.push_back(
        {transaction, value.subspan(sizeof count, count * sizeof(std::uint64_t))});
  }
  return {};
}

Expected<Bytes> PageWalk::walk_overflow(const Tree& tree, const Node& node, Counts& counts) {
  const auto first = load<std::uint64_t>(node.value.data());
  if (Problem problem = claim_page(first)) return damaged(tree, first, problem);
  const std::byte* bytes = page_at(first);
  if (load<std::uint64_t>(bytes) != first)
    return damaged(tree, first, "the page carries another page's number");
  if (load<std::uint16_t>(bytes + kPageFlagsAt) != kOverflowPage)
    return damaged(tree, first, "the page is not an overflow page");
  const std::uint64_t pages = load<std::uint32_t>(bytes + kOverflowCountAt);
  if (pages == 0 || pages * page_bytes_ < kPageHeaderBytes + node.value_bytes)
    return damaged(tree, first, "the value is longer than its overflow pages");
  for (std::uint64_t page = first + 1; page < first + pages; ++page)
    if (Problem problem = claim_page(page)) return damaged(tree, page, problem);
  counts.overflow_pages += pages;
  return Bytes(bytes + kPageHeaderBytes, node.value_bytes);
}

// ---- pages ----------------------------------------------------------------------------------

Problem PageWalk::claim_page(std::uint64_t page) {
  if (page > meta_.last_page) reaches_beyond_end_ = true;
  if (page < kFirstTreePage || page > meta_.last_page) return "the page number is out of range";
  if (page >= file_pages_) return "the page lies beyond the end of the file";
  if (used_[page]) return "the page is used twice";
  used_[page] = true;
  end_page_ = std::max(end_page_, page + 1);
  return nullptr;
}

// That all nodes lie in the page's used part, and none overlaps another.
Problem PageWalk::check_nodes(const std::byte* page, bool leaf) {
  const std::size_t count = node_count(page);
  const std::size_t upper = load<std::uint16_t>(page + kPageUpperAt);
  // LMDB fills a page from its end; where nodes were appended, each stands right below the last.
  std::size_t bottom = page_bytes_;
  bool in_order = true;
  Node node;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = load<std::uint16_t>(page + kPageHeaderBytes + i * sizeof(std::uint16_t));
    if (at < upper || at % 2 != 0) return "a node lies outside the page's used part";
    if (Problem problem = read_node(page, i, leaf, node)) return problem;
    in_order = in_order && at + even(node.bytes) == bottom;
    bottom = at;
  }
  if (in_order && bottom == upper) return nullptr;
  return check_packing(page, leaf);
}

Problem PageWalk::check_packing(const std::byte* page, bool leaf) {
  const std::size_t count = node_count(page);
  spans_.clear();
  Node node;
  for (std::size_t i = 0; i < count; ++i) {
    if (Problem problem = read_node(page, i, leaf, node)) return problem;
    const std::size_t at = load<std::uint16_t>(page + kPageHeaderBytes + i * sizeof(std::uint16_t));
    spans_.emplace_back(at, even(node.bytes));
  }
  std::sort(spans_.begin(), spans_.end());
  std::size_t next = load<std::uint16_t>(page + kPageUpperAt);
  for (const auto& [at, bytes] : spans_) {
    if (at != next) return "the page's nodes overlap or leave holes";
    next = at + bytes;
  }
  return next == page_bytes_ ? nullptr : "the page's nodes overlap or leave holes";
}

// Reads one node; it lies inside the page if there is no problem.
Problem PageWalk::read_node(const std::byte* page, std::size_t index, bool leaf,
                            Node& node) const {
  constexpr Problem kTooLong = "a node reaches beyond the page";
  const std::size_t at =
      load<std::uint16_t>(page + kPageHeaderBytes + index * sizeof(std::uint16_t));
  if (at + kNodeHeaderBytes > page_bytes_) return kTooLong;
  const std::byte* bytes = page + at;
  const std::size_t room = page_bytes_ - at - kNodeHeaderBytes;
  const std::uint64_t low = load<std::uint16_t>(bytes), high = load<std::uint16_t>(bytes + 2);
  const std::uint16_t flags = load<std::uint16_t>(bytes + 4);
  const std::size_t key_bytes = load<std::uint16_t>(bytes + 6);
  if (key_bytes > kMaxKeyBytes) return "a key is too long";
  if (key_bytes > room) return kTooLong;
  node.key = Bytes(bytes + kNodeHeaderBytes, key_bytes);
  node.bytes = kNodeHeaderBytes + key_bytes;
  if (!leaf) {
    node.flags = 0;
    node.child = low | high << 16 | std::uint64_t{flags} << 32;
    // The page's end is even, so an odd node's padding lies inside too.
    return nullptr;
  }
  node.flags = flags;
  node.value_bytes = low | high << 16;
  return read_leaf_value(bytes + node.bytes, room - key_bytes, node);
}

Problem PageWalk::read_leaf_value(const std::byte* at, std::size_t room, Node& node) const {
  const bool big = node.flags == kBigValue;
  const std::size_t in_page = big ? sizeof(std::uint64_t) : node.value_bytes;
  if (in_page > room) return "a node reaches beyond the page";
  node.value = Bytes(at, in_page);
  node.bytes += in_page;
  return nullptr;
}

// What only some tables may hold, and only in some size.
Problem PageWalk::check_entry(const Tree& tree, const Node& node) const {
  switch (node.flags) {
    case 0:
      if (node.bytes > largest_node(page_bytes_)) return "a value should stand in overflow pages";
      return nullptr;
    case kBigValue:
      return nullptr;
    case kTableValue:
      if (tree.role != Role::kMain) return "a table stands inside another";
      if (node.value_bytes != sizeof(Table)) return "the size of a table's record is wrong";
      return nullptr;
    default:
      return "a node's flags are none that a log uses";
  }
}

Problem PageWalk::check_key(Tree& tree, Bytes key) {
  if (key.empty()) return "a key is empty";
  if (!tree.integer_keys) return nullptr;
  if (tree.key_bytes == 0) tree.key_bytes = key.size();
  if (key.size() != tree.key_bytes ||
      (key.size() != sizeof(std::uint32_t) && key.size() != sizeof(std::uint64_t)))
    return "a key has not the size of the table's integers";
  return nullptr;
}

Problem PageWalk::check_bounds(const Tree& tree, const Subtree& subtree, Bounds bounds) {
  if (bounds.low.data() && compare_keys(tree.integer_keys, subtree.first_key, bounds.low) < 0)
    return "its first key is below its branch's";
  if (bounds.high.data() && compare_keys(tree.integer_keys, subtree.last_key, bounds.high) >= 0)
    return "its last key is not below the next branch's";
  return nullptr;
}

// ---- free pages -----------------------------------------------------------------------------

Expected<void> PageWalk::walk_free_list() {
  Tree tree{Role::kFreeList, "", true, sizeof(std::uint64_t)};
  if (auto walked = walk_tree(tree, meta_.free_list); !walked) return walked;
  for (const FreeRecord& record : free_records_) {
    std::uint64_t above = kNoPage;
    for (std::size_t at = 0; at < record.pages.size(); at += sizeof(std::uint64_t)) {
      const auto page = load<std::uint64_t>(record.pages.data() + at);
      Problem problem = page >= above ? "free pages are not in descending order" : nullptr;
      if (!problem) problem = claim_free_page(page);
      if (problem) return damaged(tree, page, problem);
      above = page;
    }
  }
  std::sort(free_beyond_.begin(), free_beyond_.end());
  const auto twice = std::adjacent_find(free_beyond_.begin(), free_beyond_.end());
  if (twice != free_beyond_.end()) return damaged(tree, *twice, "the page is free twice");
  return {};
}

Problem PageWalk::claim_free_page(std::uint64_t page) {
  if (page > meta_.last_page) reaches_beyond_end_ = true;
  if (page < kFirstTreePage || page > meta_.last_page) return "the page number is out of range";
  if (page >= file_pages_) {
    free_beyond_.push_back(page);
    return nullptr;
  }
  if (used_[page]) return "the page is free and in use";
  if (free_[page]) return "the page is free twice";
  free_[page] = true;
  return nullptr;
}

Expected<void> PageWalk::check_follows(const PageWalk& older) const {
  const Tree tree{Role::kFreeList, "", true, sizeof(std::uint64_t)};
  if (older.meta_.last_page > meta_.last_page)
    return damaged(tree, meta_.last_page, "the last page is lower than the transaction before had");
  for (const FreeRecord& record : free_records_) {
    if (record.transaction == meta_.transaction) continue;  // free from the next one on
    for (std::size_t at = 0; at < record.pages.size(); at += sizeof(std::uint64_t)) {
      const auto page = load<std::uint64_t>(record.pages.data() + at);
      if (page < file_pages_ && older.used_[page])
        return damaged(tree, page, "the page is free, but the transaction before uses it");
    }
  }
  return {};
}

}  // namespace runlog::lmdb
