#include "tests/faults/journal.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace runlog::faults {

std::vector<Op> read_journal(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  std::vector<Op> ops;
  std::size_t at = 0;
  const auto take = [&](std::size_t length) {
    at += length;
    return bytes.substr(at - length, length);
  };
  while (bytes.size() - at >= sizeof(JournalRecord)) {
    JournalRecord header;
    std::memcpy(&header, bytes.data() + at, sizeof header);
    if (header.magic != JournalRecord::kMagic)
      throw std::runtime_error("'" + file.string() + "' is no journal at " + std::to_string(at));
    const std::size_t follows =
        header.path_bytes + header.second_path_bytes + header.content_bytes;
    if (bytes.size() - at - sizeof header < follows) break;
    at += sizeof header;
    Op& op = ops.emplace_back();
    op.kind = header.kind;
    op.durable = (header.flags & kDurableWrite) != 0;
    op.injected = (header.flags & kInjected) != 0;
    op.thread = header.thread;
    op.inode = header.inode;
    op.offset = header.offset;
    op.path = take(header.path_bytes);
    op.second_path = take(header.second_path_bytes);
    op.content = take(header.content_bytes);
  }
  return ops;
}

std::string to_text(const Op& op) {
  static constexpr const char* kNames[] = {"?",          "start",    "create", "open",
                                           "write",      "truncate", "extend", "sync begins",
                                           "sync ends",  "mkdir",    "rename", "unlink",
                                           "rmdir",      "ack",      "unmodelled"};
  const auto kind = static_cast<std::size_t>(op.kind);
  std::string text = kind < std::size(kNames) ? kNames[kind] : kNames[0];
  if (!op.path.empty()) text += " " + op.path;
  if (!op.second_path.empty()) text += " -> " + op.second_path;
  if (op.inode != 0) text += " inode " + std::to_string(op.inode);
  if (op.kind == OpKind::kWrite || op.kind == OpKind::kTruncate || op.kind == OpKind::kExtend)
    text += " at " + std::to_string(op.offset);
  if (op.kind == OpKind::kWrite) text += ", " + std::to_string(op.content.size()) + " bytes";
  if (op.kind == OpKind::kAck) text += " " + op.content.substr(0, op.content.find('\n'));
  if (op.durable) text += ", O_DSYNC";
  if (op.injected) text += ", answered with an error";
  return text;
}

}  // namespace runlog::faults
