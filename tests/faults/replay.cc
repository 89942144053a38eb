#include "tests/faults/replay.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <stdexcept>

namespace runlog::faults {
namespace {

constexpr std::uint64_t kPageBytes = 4096;
constexpr std::uint64_t kSectorBytes = 512;

[[noreturn]] void refuse(const Op& op, const char* why) {
  throw std::runtime_error("the journal cannot be replayed: " + std::string(why) + " (" +
                           to_text(op) + ")");
}

void overwrite(std::string& file, std::uint64_t offset, std::string_view bytes) {
  if (file.size() < offset + bytes.size()) file.resize(offset + bytes.size());
  std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(offset));
}

}  // namespace

std::uint64_t Replay::Change::page() const { return offset / kPageBytes; }

void Replay::advance() {
  apply(ops_->at(position_), false);
  ++position_;
}

void Replay::apply(const Op& op, bool in_flight) {
  // A refused operation did nothing, except for a write that was only not made durable.
  if (op.injected && op.kind != OpKind::kSyncEnd &&
      !(op.kind == OpKind::kWrite && !op.content.empty()))
    return;
  switch (op.kind) {
    case OpKind::kStart:
      return start(op);
    case OpKind::kOpen:
      node_of(op);
      return;
    case OpKind::kWrite:
    case OpKind::kTruncate:
    case OpKind::kExtend:
      return apply_content(op, in_flight);
    case OpKind::kSyncBegin:
      syncs_[{op.thread, op.inode}] = number_;
      return;
    case OpKind::kSyncEnd:
      if (!in_flight) finish_sync(op);
      return;
    case OpKind::kCreate:
    case OpKind::kMakeDirectory:
    case OpKind::kRename:
    case OpKind::kUnlink:
    case OpKind::kRemoveDirectory:
      return apply_entry(op);
    case OpKind::kAck:
      acks_.push_back(op.content);
      return;
    case OpKind::kUnmodelled:
      if (op.path == "mmap" && by_inode_.contains(op.inode))
        for (const Node& node : nodes_)
          if (auto entry = node.entries.find("lock.mdb");
              entry != node.entries.end() && entry->second == by_inode_.at(op.inode))
            return;
      refuse(op, "the model does not cover this operation");
  }
  refuse(op, "unknown operation");
}

void Replay::start(const Op& op) {
  if (nodes_.empty()) {
    nodes_.emplace_back().directory = true;
    by_inode_[op.inode] = 0;
  }
  syncs_.clear();
}

Replay::NodeId Replay::node_of(const Op& op) const {
  const auto found = by_inode_.find(op.inode);
  if (found == by_inode_.end()) refuse(op, "its file was never created in the journal");
  return found->second;
}

Replay::Place Replay::place_of(const std::string& path) const {
  Place place;
  std::size_t at = 0;
  for (;;) {
    const std::size_t slash = path.find('/', at);
    if (slash == std::string::npos) break;
    const auto& entries = nodes_[place.directory].entries;
    const auto found = entries.find(path.substr(at, slash - at));
    if (found == entries.end())
      throw std::runtime_error("the journal names a directory that it never made: " + path);
    place.directory = found->second;
    at = slash + 1;
  }
  place.name = path.substr(at);
  return place;
}

// ---- content ----------------------------------------------------------------------------------

void Replay::apply_content(const Op& op, bool in_flight) {
  Node& file = nodes_[node_of(op)];
  if (op.kind != OpKind::kWrite) {
    file.changes.push_back({op.kind, op.offset, {}, Fate::kPending, ++number_});
    return;
  }
  std::set<std::uint64_t> touched;
  for (std::size_t at = 0; at < op.content.size();) {
    const std::uint64_t offset = op.offset + at;
    const std::size_t length = std::min<std::size_t>(op.content.size() - at,
                                                     kPageBytes - offset % kPageBytes);
    file.changes.push_back(
        {op.kind, offset, op.content.substr(at, length), Fate::kPending, ++number_});
    touched.insert(offset / kPageBytes);
    at += length;
  }
  if (!op.durable || in_flight) return;
  for (Change& change : file.changes)
    if (change.kind != OpKind::kWrite || touched.contains(change.page())) {
      if (op.injected) {
        if (change.fate == Fate::kPending) change.fate = Fate::kDoomed;
      } else {
        change.fate = Fate::kDurable;
      }
    }
  settle(file);
}

void Replay::finish_sync(const Op& op) {
  const NodeId id = node_of(op);
  const auto begun = syncs_.find({op.thread, op.inode});
  if (begun == syncs_.end()) refuse(op, "a sync ends that never began");
  const std::uint64_t until = begun->second;
  syncs_.erase(begun);
  Node& node = nodes_[id];
  if (node.directory) {
    if (op.injected) return;
    for (EntryGroup& group : entry_groups_)
      if (group.number <= until && group.changes.back().directory == id) group.durable = true;
    return;
  }
  std::set<std::uint64_t> dirty;  // a page is written whole, with what an earlier failure left in it
  for (const Change& change : node.changes)
    if (change.number <= until && change.fate == Fate::kPending && change.kind == OpKind::kWrite)
      dirty.insert(change.page());
  for (Change& change : node.changes) {
    if (change.number > until || change.fate == Fate::kDurable) continue;
    if (op.injected) {
      change.fate = Fate::kDoomed;
    } else if (change.fate == Fate::kPending || change.kind != OpKind::kWrite ||
               dirty.contains(change.page())) {
      change.fate = Fate::kDurable;
    }
  }
  settle(node);
}

void Replay::settle(Node& file) {
  auto first = file.changes.begin();
  for (; first != file.changes.end() && first->fate == Fate::kDurable; ++first) {
    if (first->kind == OpKind::kWrite) {
      overwrite(file.base, first->offset, first->bytes);
    } else if (first->kind == OpKind::kTruncate || file.base.size() < first->offset) {
      file.base.resize(first->offset);
    }
  }
  file.changes.erase(file.changes.begin(), first);
}

// ---- directory entries ------------------------------------------------------------------------

void Replay::apply_entry(const Op& op) {
  const Place place = place_of(op.path);
  const auto& entries = nodes_[place.directory].entries;
  const auto found = entries.find(place.name);
  if (op.kind == OpKind::kCreate || op.kind == OpKind::kMakeDirectory) {
    const auto known = by_inode_.find(op.inode);
    // Two threads may both have found the file missing and opened it.
    if (found != entries.end() && known != by_inode_.end() && known->second == found->second)
      return;
    const NodeId id = nodes_.size();
    change_entries({{place.directory, place.name, id}});
    nodes_.emplace_back().directory = op.kind == OpKind::kMakeDirectory;
    by_inode_[op.inode] = id;
    return;
  }
  if (found == entries.end()) refuse(op, "it names an entry that is not there");
  const NodeId node = found->second;
  if (op.kind == OpKind::kRename) {
    const Place target = place_of(op.second_path);
    change_entries({{place.directory, place.name, std::nullopt},
                    {target.directory, target.name, node}});
  } else {
    change_entries({{place.directory, place.name, std::nullopt}});
  }
}

void Replay::change_entries(std::vector<EntryChange> changes) {
  for (const EntryChange& change : changes) {
    auto& entries = nodes_[change.directory].entries;
    if (change.node) {
      entries[change.name] = *change.node;
    } else {
      entries.erase(change.name);
    }
  }
  entry_groups_.push_back({std::move(changes), false, ++number_});
}

// ---- the state after a cut --------------------------------------------------------------------

std::string Replay::content(const Node& file, Loss loss, double keep, std::mt19937_64& random) {
  const auto coin = [&](double probability) {
    return std::uniform_real_distribution<double>(0, 1)(random) < probability;
  };
  std::string bytes = file.base;
  for (const Change& change : file.changes) {
    const bool sure = loss == Loss::kNothing || change.fate == Fate::kDurable;
    if (change.kind != OpKind::kWrite) {
      if (!sure && !coin(keep)) continue;
      if (change.kind == OpKind::kTruncate || bytes.size() < change.offset)
        bytes.resize(change.offset);
    } else if (sure) {
      overwrite(bytes, change.offset, change.bytes);
    } else if (loss == Loss::kSectors && coin(0.3)) {
      for (std::size_t at = 0; at < change.bytes.size();) {
        const std::uint64_t offset = change.offset + at;
        const std::size_t length = std::min<std::size_t>(change.bytes.size() - at,
                                                         kSectorBytes - offset % kSectorBytes);
        if (coin(0.5))
          overwrite(bytes, offset, std::string_view(change.bytes).substr(at, length));
        at += length;
      }
    } else if (coin(keep)) {
      overwrite(bytes, change.offset, change.bytes);
    } else if (coin(0.5) && bytes.size() < change.offset + change.bytes.size()) {
      bytes.resize(change.offset + change.bytes.size());  // the length without the content
    }
  }
  return bytes;
}

void Replay::write(const std::filesystem::path& directory, Loss loss, std::uint64_t seed) const {
  if (loss == Loss::kNothing || position_ == size()) return write_state(directory, loss, seed);
  Replay further(*this);
  further.apply(op(position_), true);
  further.write_state(directory, loss, seed);
}

void Replay::write_state(const std::filesystem::path& directory, Loss loss,
                         std::uint64_t seed) const {
  std::mt19937_64 random(seed);
  static constexpr double kKeep[] = {0.05, 0.5, 0.95};
  const double keep = kKeep[random() % 3];
  std::vector<std::map<std::string, NodeId>> entries(nodes_.size());
  for (const EntryGroup& group : entry_groups_) {
    const bool kept = std::uniform_real_distribution<double>(0, 1)(random) < keep;
    if (loss != Loss::kNothing && !group.durable && !kept) continue;
    for (const EntryChange& change : group.changes) {
      if (change.node) {
        entries[change.directory][change.name] = *change.node;
      } else {
        entries[change.directory].erase(change.name);
      }
    }
  }
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  if (!nodes_.empty()) write_tree(0, directory, entries, loss, keep, random);
}

void Replay::write_tree(NodeId id, const std::filesystem::path& path,
                        const std::vector<std::map<std::string, NodeId>>& entries, Loss loss,
                        double keep, std::mt19937_64& random) const {
  for (const auto& [name, child] : entries[id]) {
    const auto child_path = path / name;
    if (nodes_[child].directory) {
      std::filesystem::create_directory(child_path);
      write_tree(child, child_path, entries, loss, keep, random);
      continue;
    }
    std::string bytes = content(nodes_[child], loss, keep, random);
    // It is written through a map and never synced, so it may hold anything.
    if (name == "lock.mdb" && loss != Loss::kNothing)
      for (char& byte : bytes) byte = static_cast<char>(random());
    std::ofstream out(child_path, std::ios::binary);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!out.flush()) throw std::runtime_error("cannot write '" + child_path.string() + "'");
  }
}

}  // namespace runlog::faults
