// A library for LD_PRELOAD that stands between a program and the system calls with which it changes
// files: it journals them, lets a chosen one fail, or kills the process before a chosen one. What it
// does is said by the environment (io_shim.h), and only for what lies below one directory.
//
// It looks up what a descriptor is at every call, so it keeps no table that another thread, a
// dup() or a fork() could make untrue.
#include "tests/faults/io_shim.h"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/faults/io_shim_state.h"

#define RUNLOG_INTERPOSE extern "C" __attribute__((visibility("default")))

namespace runlog::faults::shim {
namespace {

// ---- content ----------------------------------------------------------------------------------

constexpr off_t kAtPosition = -1;

ssize_t write_parts(int fd, const iovec* parts, int count, off_t offset) {
  if (offset == kAtPosition) return ::syscall(SYS_writev, fd, parts, count);
  return ::syscall(SYS_pwritev, fd, parts, count, offset, 0);
}

// Writes the first half of what was asked for, as a disk does that runs full on the way.
ssize_t write_half(int fd, const iovec* parts, int count, off_t offset) {
  std::size_t total = 0;
  for (int i = 0; i < count; ++i) total += parts[i].iov_len;
  std::size_t left = total / 2;
  iovec half[128];
  int used = 0;
  for (int i = 0; i < count && i < 128 && left > 0; ++i) {
    half[used] = parts[i];
    if (half[used].iov_len > left) half[used].iov_len = left;
    left -= half[used++].iov_len;
  }
  if (used == 0) {
    errno = ENOSPC;
    return -1;
  }
  return write_parts(fd, half, used, offset);
}

ssize_t write_watched(int fd, const iovec* parts, int count, off_t offset) {
  if (!active()) return write_parts(fd, parts, count, offset);
  const Descriptor target = describe(fd);
  if (!target.watched) {
    const ssize_t written = write_parts(fd, parts, count, offset);
    if (target.acks && written > 0)
      record(OpKind::kAck, 0, 0, 0, "", "", parts, count, static_cast<std::size_t>(written));
    return written;
  }
  const Verdict verdict = judge(Class::kWrite);
  const int injected = errno;
  std::uint8_t flags = target.durable ? kDurableWrite : 0;
  // A synchronous write that fails has changed the file as the system shows it, and perhaps the
  // disk; a plain one that fails has changed nothing.
  if (verdict == Verdict::kFail && !target.durable) {
    record(OpKind::kWrite, flags | kInjected, target.inode, 0);
    errno = injected;
    return -1;
  }
  const ssize_t written = verdict == Verdict::kShort ? write_half(fd, parts, count, offset)
                                                     : write_parts(fd, parts, count, offset);
  if (written < 0) return written;
  const off_t start = offset == kAtPosition ? ::lseek(fd, 0, SEEK_CUR) - written : offset;
  if (verdict != Verdict::kProceed) flags |= kInjected;
  record(OpKind::kWrite, flags, target.inode, static_cast<std::uint64_t>(start), "", "", parts,
         count, static_cast<std::size_t>(written));
  errno = injected;
  return verdict == Verdict::kFail ? -1 : written;
}

int set_length(int fd, off_t length) {
  const Descriptor target = active() ? describe(fd) : Descriptor();
  if (!target.watched) return static_cast<int>(::syscall(SYS_ftruncate, fd, length));
  if (judge(Class::kWrite) != Verdict::kProceed) {
    record(OpKind::kTruncate, kInjected, target.inode, 0);
    return -1;
  }
  const int rc = static_cast<int>(::syscall(SYS_ftruncate, fd, length));
  if (rc == 0)
    record(OpKind::kTruncate, 0, target.inode, static_cast<std::uint64_t>(length));
  return rc;
}

int allocate(int fd, int mode, off_t offset, off_t length) {
  const Descriptor target = active() ? describe(fd) : Descriptor();
  if (!target.watched) return static_cast<int>(::syscall(SYS_fallocate, fd, mode, offset, length));
  if (judge(Class::kWrite) != Verdict::kProceed) {
    record(OpKind::kExtend, kInjected, target.inode, 0);
    return -1;
  }
  const int rc = static_cast<int>(::syscall(SYS_fallocate, fd, mode, offset, length));
  if (rc != 0 || mode == FALLOC_FL_KEEP_SIZE) return rc;
  if (mode != 0) record(OpKind::kUnmodelled, 0, target.inode, 0, "fallocate");
  record(OpKind::kExtend, 0, target.inode, static_cast<std::uint64_t>(offset + length));
  return rc;
}

// ---- syncs ------------------------------------------------------------------------------------

int sync_watched(int fd, long call) {
  const Descriptor target = active() ? describe(fd) : Descriptor();
  if (!target.watched) return static_cast<int>(::syscall(call, fd));
  record(OpKind::kSyncBegin, 0, target.inode, 0);
  if (judge(Class::kSync) != Verdict::kProceed) {
    record(OpKind::kSyncEnd, kInjected, target.inode, 0);
    return -1;
  }
  const int rc = static_cast<int>(::syscall(call, fd));
  record(OpKind::kSyncEnd, rc == 0 ? 0 : kInjected, target.inode, 0);
  return rc;
}

// ---- directory entries ------------------------------------------------------------------------

int open_watched(int directory_fd, const char* path, int flags, mode_t mode) {
  WatchedPath place;
  if (active()) resolve(directory_fd, path, place);
  const bool writes = (flags & O_ACCMODE) != O_RDONLY;
  if (!place.watched || !(writes || (flags & O_CREAT) != 0))
    return static_cast<int>(::syscall(SYS_openat, directory_fd, path, flags, mode));
  const bool creates = (flags & O_CREAT) != 0 && inode_of(directory_fd, path) == 0;
  if (creates && judge(Class::kEntry) != Verdict::kProceed) {
    record(OpKind::kCreate, kInjected, 0, 0, place.text);
    return -1;
  }
  const int fd = static_cast<int>(::syscall(SYS_openat, directory_fd, path, flags, mode));
  if (fd < 0) return fd;
  const std::uint64_t inode = inode_of(directory_fd, path);
  record(creates ? OpKind::kCreate : OpKind::kOpen, 0, inode, 0, place.text);
  if (!creates && (flags & O_TRUNC) != 0) record(OpKind::kTruncate, 0, inode, 0);
  return fd;
}

int make_directory(int directory_fd, const char* path, mode_t mode) {
  WatchedPath place;
  if (active()) resolve(directory_fd, path, place);
  if (place.watched && judge(Class::kEntry) != Verdict::kProceed) {
    record(OpKind::kMakeDirectory, kInjected, 0, 0, place.text);
    return -1;
  }
  const int rc = static_cast<int>(::syscall(SYS_mkdirat, directory_fd, path, mode));
  if (rc == 0 && place.watched)
    record(OpKind::kMakeDirectory, 0, inode_of(directory_fd, path), 0, place.text);
  return rc;
}

int rename_watched(int from_fd, const char* from, int to_fd, const char* to, unsigned flags) {
  WatchedPath source, target;
  if (active()) {
    resolve(from_fd, from, source);
    resolve(to_fd, to, target);
  }
  const bool watched = source.watched || target.watched;
  if (watched && judge(Class::kEntry) != Verdict::kProceed) {
    record(OpKind::kRename, kInjected, 0, 0, source.text, target.text);
    return -1;
  }
  const int rc = static_cast<int>(::syscall(SYS_renameat2, from_fd, from, to_fd, to, flags));
  if (rc != 0 || !watched) return rc;
  const bool modelled = source.watched && target.watched && (flags & ~RENAME_NOREPLACE) == 0;
  record(modelled ? OpKind::kRename : OpKind::kUnmodelled, 0, 0, 0, source.text, target.text);
  return rc;
}

int unlink_watched(int directory_fd, const char* path, int flags) {
  WatchedPath place;
  if (active()) resolve(directory_fd, path, place);
  const OpKind kind = (flags & AT_REMOVEDIR) != 0 ? OpKind::kRemoveDirectory : OpKind::kUnlink;
  if (place.watched && judge(Class::kEntry) != Verdict::kProceed) {
    record(kind, kInjected, 0, 0, place.text);
    return -1;
  }
  const int rc = static_cast<int>(::syscall(SYS_unlinkat, directory_fd, path, flags));
  if (rc == 0 && place.watched) record(kind, 0, 0, 0, place.text);
  return rc;
}

int link_watched(int from_fd, const char* from, int to_fd, const char* to, int flags) {
  WatchedPath target;
  if (active()) resolve(to_fd, to, target);
  if (target.watched) record(OpKind::kUnmodelled, 0, 0, 0, "link", target.text);
  return static_cast<int>(::syscall(SYS_linkat, from_fd, from, to_fd, to, flags));
}

}  // namespace
}  // namespace runlog::faults::shim

// ---- what libc calls these --------------------------------------------------------------------

namespace shim = runlog::faults::shim;

RUNLOG_INTERPOSE ssize_t write(int fd, const void* bytes, size_t length) {
  const iovec part{const_cast<void*>(bytes), length};
  return shim::write_watched(fd, &part, 1, shim::kAtPosition);
}
RUNLOG_INTERPOSE ssize_t writev(int fd, const iovec* parts, int count) {
  return shim::write_watched(fd, parts, count, shim::kAtPosition);
}
RUNLOG_INTERPOSE ssize_t pwrite(int fd, const void* bytes, size_t length, off_t offset) {
  const iovec part{const_cast<void*>(bytes), length};
  return shim::write_watched(fd, &part, 1, offset);
}
RUNLOG_INTERPOSE ssize_t pwrite64(int fd, const void* bytes, size_t length, off_t offset) {
  return pwrite(fd, bytes, length, offset);
}
RUNLOG_INTERPOSE ssize_t pwritev(int fd, const iovec* parts, int count, off_t offset) {
  return shim::write_watched(fd, parts, count, offset);
}
RUNLOG_INTERPOSE ssize_t pwritev64(int fd, const iovec* parts, int count, off_t offset) {
  return shim::write_watched(fd, parts, count, offset);
}
RUNLOG_INTERPOSE int ftruncate(int fd, off_t length) noexcept {
  return shim::set_length(fd, length);
}
RUNLOG_INTERPOSE int ftruncate64(int fd, off_t length) noexcept {
  return shim::set_length(fd, length);
}
RUNLOG_INTERPOSE int fallocate(int fd, int mode, off_t offset, off_t length) {
  return shim::allocate(fd, mode, offset, length);
}
RUNLOG_INTERPOSE int fallocate64(int fd, int mode, off_t offset, off_t length) {
  return shim::allocate(fd, mode, offset, length);
}
RUNLOG_INTERPOSE int posix_fallocate(int fd, off_t offset, off_t length) {
  return shim::allocate(fd, 0, offset, length) == 0 ? 0 : errno;
}
RUNLOG_INTERPOSE int posix_fallocate64(int fd, off_t offset, off_t length) {
  return posix_fallocate(fd, offset, length);
}

// Refused for watched files: the C++ library then copies with write(), which is journalled.
RUNLOG_INTERPOSE ssize_t sendfile(int out, int in, off_t* offset, size_t count) noexcept {
  if (shim::active() && shim::describe(out).watched) {
    errno = EINVAL;
    return -1;
  }
  return ::syscall(SYS_sendfile, out, in, offset, count);
}
RUNLOG_INTERPOSE ssize_t copy_file_range(int in, off_t* in_offset, int out, off_t* out_offset,
                                         size_t count, unsigned flags) {
  if (shim::active() && shim::describe(out).watched) {
    errno = EINVAL;
    return -1;
  }
  return ::syscall(SYS_copy_file_range, in, in_offset, out, out_offset, count, flags);
}
// Writing through a map leaves no trace that could be replayed. LMDB's lock file is written so, and
// means nothing after a crash.
RUNLOG_INTERPOSE void* mmap(void* address, size_t length, int protection, int flags, int fd,
                            off_t offset) noexcept {
  if (shim::active() && fd >= 0 && (flags & MAP_SHARED) != 0 && (protection & PROT_WRITE) != 0) {
    const shim::Descriptor target = shim::describe(fd);
    if (target.watched)
      shim::record(runlog::faults::OpKind::kUnmodelled, 0, target.inode, 0, "mmap");
  }
  return reinterpret_cast<void*>(
      ::syscall(SYS_mmap, address, length, protection, flags, fd, offset));
}
RUNLOG_INTERPOSE void* mmap64(void* address, size_t length, int protection, int flags, int fd,
                              off_t offset) noexcept {
  return mmap(address, length, protection, flags, fd, offset);
}

RUNLOG_INTERPOSE int fsync(int fd) { return shim::sync_watched(fd, SYS_fsync); }
RUNLOG_INTERPOSE int fdatasync(int fd) { return shim::sync_watched(fd, SYS_fdatasync); }
// Promises nothing for a power cut (no metadata, no device cache), so it is not a sync.
RUNLOG_INTERPOSE int sync_file_range(int fd, off_t offset, off_t count, unsigned flags) {
  return static_cast<int>(::syscall(SYS_sync_file_range, fd, offset, count, flags));
}

#define RUNLOG_MODE_ARGUMENT(last)                                             \
  mode_t mode = 0;                                                             \
  if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) {            \
    va_list arguments;                                                         \
    va_start(arguments, last);                                                 \
    mode = va_arg(arguments, mode_t);                                          \
    va_end(arguments);                                                         \
  }
RUNLOG_INTERPOSE int open(const char* path, int flags, ...) {
  RUNLOG_MODE_ARGUMENT(flags)
  return shim::open_watched(AT_FDCWD, path, flags, mode);
}
RUNLOG_INTERPOSE int open64(const char* path, int flags, ...) {
  RUNLOG_MODE_ARGUMENT(flags)
  return shim::open_watched(AT_FDCWD, path, flags, mode);
}
RUNLOG_INTERPOSE int openat(int directory_fd, const char* path, int flags, ...) {
  RUNLOG_MODE_ARGUMENT(flags)
  return shim::open_watched(directory_fd, path, flags, mode);
}
RUNLOG_INTERPOSE int openat64(int directory_fd, const char* path, int flags, ...) {
  RUNLOG_MODE_ARGUMENT(flags)
  return shim::open_watched(directory_fd, path, flags, mode);
}
RUNLOG_INTERPOSE int creat(const char* path, mode_t mode) {
  return shim::open_watched(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
// What open() becomes in a program compiled with _FORTIFY_SOURCE.
RUNLOG_INTERPOSE int __open_2(const char* path, int flags) {
  return shim::open_watched(AT_FDCWD, path, flags, 0);
}
RUNLOG_INTERPOSE int __open64_2(const char* path, int flags) {
  return shim::open_watched(AT_FDCWD, path, flags, 0);
}
RUNLOG_INTERPOSE int __openat_2(int directory_fd, const char* path, int flags) {
  return shim::open_watched(directory_fd, path, flags, 0);
}
RUNLOG_INTERPOSE int __openat64_2(int directory_fd, const char* path, int flags) {
  return shim::open_watched(directory_fd, path, flags, 0);
}

RUNLOG_INTERPOSE int mkdir(const char* path, mode_t mode) noexcept {
  return shim::make_directory(AT_FDCWD, path, mode);
}
RUNLOG_INTERPOSE int mkdirat(int directory_fd, const char* path, mode_t mode) noexcept {
  return shim::make_directory(directory_fd, path, mode);
}
RUNLOG_INTERPOSE int rename(const char* from, const char* to) noexcept {
  return shim::rename_watched(AT_FDCWD, from, AT_FDCWD, to, 0);
}
RUNLOG_INTERPOSE int renameat(int from_fd, const char* from, int to_fd, const char* to) noexcept {
  return shim::rename_watched(from_fd, from, to_fd, to, 0);
}
RUNLOG_INTERPOSE int renameat2(int from_fd, const char* from, int to_fd, const char* to,
                               unsigned flags) noexcept {
  return shim::rename_watched(from_fd, from, to_fd, to, flags);
}
RUNLOG_INTERPOSE int unlink(const char* path) noexcept {
  return shim::unlink_watched(AT_FDCWD, path, 0);
}
RUNLOG_INTERPOSE int unlinkat(int directory_fd, const char* path, int flags) noexcept {
  return shim::unlink_watched(directory_fd, path, flags);
}
RUNLOG_INTERPOSE int rmdir(const char* path) noexcept {
  return shim::unlink_watched(AT_FDCWD, path, AT_REMOVEDIR);
}
RUNLOG_INTERPOSE int remove(const char* path) noexcept {
  const int rc = shim::unlink_watched(AT_FDCWD, path, 0);
  return rc != 0 && errno == EISDIR ? shim::unlink_watched(AT_FDCWD, path, AT_REMOVEDIR) : rc;
}
RUNLOG_INTERPOSE int link(const char* from, const char* to) noexcept {
  return shim::link_watched(AT_FDCWD, from, AT_FDCWD, to, 0);
}
RUNLOG_INTERPOSE int linkat(int from_fd, const char* from, int to_fd, const char* to,
                            int flags) noexcept {
  return shim::link_watched(from_fd, from, to_fd, to, flags);
}
