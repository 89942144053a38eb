// What the I/O shim's wrappers share: its settings, the journal, and which error comes next.
// Everything here goes straight to the kernel: a wrapper that called libc would meet itself.
#pragma once

#include <climits>
#include <cstddef>
#include <cstdint>
#include <sys/uio.h>

#include "tests/faults/journal_format.h"

namespace runlog::faults::shim {

// What an operation should do instead of its work.
enum class Verdict { kProceed, kFail, kShort };
enum class Class { kWrite, kSync, kEntry };

// Whether the shim has a directory to watch.
bool active();

// Counts an operation, kills the process if it is the chosen one, and says whether it fails; if so
// errno is set.
Verdict judge(Class operation_class);

// An open file or directory below the watched one.
struct Descriptor {
  bool watched = false;
  bool acks = false;     // the file of acknowledgements
  bool durable = false;  // O_DSYNC or O_SYNC
  std::uint64_t inode = 0;
};
Descriptor describe(int fd);

// A path relative to the watched directory.
struct WatchedPath {
  bool watched = false;
  char text[PATH_MAX] = {};
};
// Resolves `path` against `directory_fd`, by its text alone.
void resolve(int directory_fd, const char* path, WatchedPath& out);

// The inode of a path, 0 if there is nothing.
std::uint64_t inode_of(int directory_fd, const char* path);

// Appends one record; keeps errno.
void record(OpKind kind, std::uint8_t flags, std::uint64_t inode, std::uint64_t offset,
            const char* path = "", const char* second_path = "", const iovec* content = nullptr,
            int content_count = 0, std::size_t content_bytes = 0);

}  // namespace runlog::faults::shim
