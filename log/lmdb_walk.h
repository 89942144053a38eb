// Walks every page that one transaction of an LMDB file can reach, and proves on the way that the
// pages are well-formed. The private half of log/lmdb_check.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "index/error.h"
#include "log/lmdb_check.h"
#include "log/lmdb_metas.h"

namespace runlog::lmdb {

// The pages of one transaction. The file's bytes and `newer` must outlive the walk.
class PageWalk {
 public:
  // Subtrees that `newer`, the transaction after this one, has proved already are not walked again.
  // Null when there is none.
  PageWalk(Bytes file, std::size_t page_bytes, const std::filesystem::path& path, const Meta& meta,
           const PageWalk* newer);

  // Walks the main table and all named ones; `visit` may be empty. Errors: Corruption.
  Expected<void> walk_tables(const LmdbVisit& visit);
  // Walks the free list, after the tables: its pages must not be in use. Errors: Corruption.
  Expected<void> walk_free_list();
  // Proves, after both walks, that `older`, the transaction before this one, lost no page yet.
  // Errors: Corruption.
  Expected<void> check_follows(const PageWalk& older) const;

  // Whether a walk met a page after the last one that the meta page knows.
  bool reaches_beyond_end() const { return reaches_beyond_end_; }
  // By number, whether a table or the free list has the page. Subtrees that `newer` proved are left
  // out.
  const std::vector<bool>& used_pages() const { return used_; }
  std::uint64_t used_bytes() const { return end_page_ * page_bytes_; }
  const std::map<std::string, std::uint64_t>& entries() const { return entries_; }

 private:
  struct Counts {
    std::uint64_t branch_pages = 0, leaf_pages = 0, overflow_pages = 0, entries = 0;
    void add(const Counts& other);
    friend bool operator==(const Counts&, const Counts&) = default;
  };
  struct Subtree {
    Counts counts;
    Bytes first_key, last_key;
  };
  enum class Role { kFreeList, kMain, kNamed };
  struct Tree {
    Role role = Role::kNamed;
    std::string name;
    bool integer_keys = false;
    std::size_t key_bytes = 0;  // of every key, once the first was seen, where keys are integers
  };
  // A branch page that was proved, for the walk of the transaction before.
  struct WalkedBranch {
    std::string tree;
    unsigned height = 0;
    Subtree subtree;
  };
  // The separators around a subtree: low <= key < high. No data means no bound.
  struct Bounds {
    Bytes low, high;
  };
  struct Node {
    std::uint16_t flags = 0;
    Bytes key;
    Bytes value;              // of a leaf: what stands in the page
    std::uint64_t value_bytes = 0;  // of a leaf: the value's, wherever it stands
    std::uint64_t child = 0;  // of a branch
    std::size_t bytes = 0;    // in the page
  };
  struct FreeRecord {
    std::uint64_t transaction = 0;
    Bytes pages;  // u64 each
  };

  tl::unexpected<Error> damaged(const Tree& tree, std::uint64_t page, Problem problem) const;
  const std::byte* page_at(std::uint64_t page) const { return file_.data() + page * page_bytes_; }

  Expected<void> walk_tree(Tree& tree, const Table& table);
  Expected<Subtree> walk_page(Tree& tree, std::uint64_t page, unsigned height, Bounds bounds);
  Expected<Subtree> walk_branch(Tree& tree, std::uint64_t page, unsigned height, Bounds bounds);
  Expected<Subtree> walk_leaf(Tree& tree, std::uint64_t page);
  Expected<void> walk_entry(Tree& tree, std::uint64_t page, const Node& node, Counts& counts);
  Expected<Bytes> walk_overflow(const Tree& tree, const Node& node, Counts& counts);
  const Subtree* walked_before(const Tree& tree, std::uint64_t page, unsigned height) const;

  Problem claim_page(std::uint64_t page);
  Problem claim_free_page(std::uint64_t page);
  Problem check_nodes(const std::byte* page, bool leaf);
  Problem check_packing(const std::byte* page, bool leaf);
  Problem read_node(const std::byte* page, std::size_t index, bool leaf, Node& node) const;
  Problem read_leaf_value(const std::byte* at, std::size_t room, Node& node) const;
  Problem check_entry(const Tree& tree, const Node& node) const;
  static Problem check_key(Tree& tree, Bytes key);
  static Problem check_bounds(const Tree& tree, const Subtree& subtree, Bounds bounds);

  Bytes file_;
  bool reaches_beyond_end_ = false;
  std::size_t page_bytes_;
  std::filesystem::path path_;
  Meta meta_;
  const PageWalk* newer_;
  const LmdbVisit* visit_ = nullptr;  // while the tables are walked

  std::uint64_t file_pages_;  // whole pages that the file has
  std::uint64_t end_page_ = kFirstTreePage;   // one above the highest page in use
  std::vector<bool> used_;                    // by number
  std::vector<bool> free_;                    // by number
  std::vector<std::uint64_t> free_beyond_;    // free pages that the file does not reach
  std::vector<FreeRecord> free_records_;
  std::vector<std::pair<std::string, Table>> tables_;  // that the main table names
  std::map<std::string, std::uint64_t> entries_;
  std::unordered_map<std::uint64_t, WalkedBranch> branches_;  // by page number
  std::vector<std::pair<std::size_t, std::size_t>> spans_;    // scratch of check_packing
};

}  // namespace runlog::lmdb
