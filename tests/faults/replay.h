// Rebuilds a directory as a power cut may have left it, from the journal of what a program did.
//
// What the model takes as given: a sync covers what was written to that file before the sync began;
// an O_DSYNC write covers the pages that it touches; a directory's entries need a sync of the
// directory; pages reach the disk in any order and are cut at 512 bytes at worst; a rename is
// atomic; after a failed sync the system believes that the pages are clean, so that a later sync of
// the file does not cover them (they may be on the disk or not, for ever).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/faults/journal.h"

namespace runlog::faults {

// What a power cut takes of that which was not synced.
enum class Loss {
  kNothing,  // all of it is there, as after kill −9
  kPages,    // any pages, lengths and directory entries may be missing, independently
  kSectors,  // the same, and single sectors of a page
};

class Replay {
 public:
  // Throws std::runtime_error from advance() on when the journal holds something that the model
  // does not cover.
  explicit Replay(std::vector<Op> ops)
      : ops_(std::make_shared<const std::vector<Op>>(std::move(ops))) {}

  std::size_t size() const { return ops_->size(); }
  std::size_t position() const { return position_; }
  const Op& op(std::size_t index) const { return (*ops_)[index]; }
  // Takes in one more operation.
  void advance();
  // What the program had acknowledged by now.
  const std::vector<std::string>& acks() const { return acks_; }

  // Fills `directory`, which is emptied first, with a state that a power cut right now may leave;
  // unless nothing is lost, the next operation may be half done.
  void write(const std::filesystem::path& directory, Loss loss, std::uint64_t seed) const;

 private:
  using NodeId = std::size_t;
  enum class Fate { kPending, kDoomed, kDurable };

  // A piece of a write within one page, or a change of the length.
  struct Change {
    OpKind kind{};
    std::uint64_t offset = 0;
    std::string bytes;
    Fate fate = Fate::kPending;
    std::uint64_t number = 0;
    std::uint64_t page() const;
  };
  struct Node {
    bool directory = false;
    std::string base;               // a file's durable beginning
    std::vector<Change> changes;    // what came after it
    std::map<std::string, NodeId> entries;  // a directory's, as the running program sees them
  };
  // Entries that change together; no node means that the entry goes.
  struct EntryChange {
    NodeId directory = 0;
    std::string name;
    std::optional<NodeId> node;
  };
  struct EntryGroup {
    std::vector<EntryChange> changes;
    bool durable = false;
    std::uint64_t number = 0;
  };
  struct Place {
    NodeId directory = 0;
    std::string name;
  };

  void apply(const Op& op, bool in_flight);
  void apply_content(const Op& op, bool in_flight);
  void apply_entry(const Op& op);
  void start(const Op& op);
  void finish_sync(const Op& op);
  Place place_of(const std::string& path) const;
  NodeId node_of(const Op& op) const;
  void change_entries(std::vector<EntryChange> changes);
  static void settle(Node& file);
  static std::string content(const Node& file, Loss loss, double keep, std::mt19937_64& random);
  void write_state(const std::filesystem::path& directory, Loss loss, std::uint64_t seed) const;
  void write_tree(NodeId node, const std::filesystem::path& path,
                  const std::vector<std::map<std::string, NodeId>>& entries, Loss loss,
                  double keep, std::mt19937_64& random) const;

  std::shared_ptr<const std::vector<Op>> ops_;
  std::size_t position_ = 0;
  std::uint64_t number_ = 0;  // counts changes, so that a sync knows which came before it
  std::vector<std::string> acks_;
  std::vector<Node> nodes_;
  std::map<std::uint64_t, NodeId> by_inode_;
  std::vector<EntryGroup> entry_groups_;
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint64_t> syncs_;  // thread, inode → number
};

}  // namespace runlog::faults
