// The journal that the I/O shim writes and that replay reads: one record for each operation that
// changed, or made durable, something below the watched directory.
//
// A write is recorded when it has returned, a sync when it begins and again when it has returned.
// So whatever stands before a sync's beginning is covered by it, and whatever a program did after a
// sync stands behind its end, in whichever thread: the order in the journal is never more
// optimistic than what happened.
#pragma once

#include <cstdint>

namespace runlog::faults {

enum class OpKind : std::uint8_t {
  kStart = 1,            // a process began; inode: the watched directory
  kCreate = 2,           // path, inode
  kOpen = 3,             // path, inode, of a file that was there before
  kWrite = 4,            // inode, offset, content
  kTruncate = 5,         // inode; offset: the new size
  kExtend = 6,           // inode; offset: the size that the file has at least from now on
  kSyncBegin = 7,        // inode
  kSyncEnd = 8,          // inode
  kMakeDirectory = 9,    // path, inode
  kRename = 10,          // path, second_path
  kUnlink = 11,          // path
  kRemoveDirectory = 12, // path
  kAck = 13,             // content: what the program acknowledged, as text
  kUnmodelled = 14,      // path: an operation whose effect the journal cannot hold
};

// Flags of a record.
inline constexpr std::uint8_t kDurableWrite = 1;  // the descriptor was opened O_DSYNC or O_SYNC
inline constexpr std::uint8_t kInjected = 2;      // the shim answered with an error instead

// Followed by the path, the second path and the content.
struct JournalRecord {
  static constexpr std::uint32_t kMagic = 0x4a4c4f47;
  std::uint32_t magic = kMagic;
  OpKind kind{};
  std::uint8_t flags = 0;
  std::uint16_t path_bytes = 0;
  std::uint32_t thread = 0;
  std::uint32_t second_path_bytes = 0;
  std::uint64_t inode = 0;
  std::uint64_t offset = 0;
  std::uint64_t content_bytes = 0;
};
static_assert(sizeof(JournalRecord) == 40);

}  // namespace runlog::faults
