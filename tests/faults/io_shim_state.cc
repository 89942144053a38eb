#include "tests/faults/io_shim_state.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/faults/io_shim.h"

namespace runlog::faults::shim {
namespace {

// Which operations of one class fail: `first` counts from 1, 0 is none.
struct FailurePlan {
  std::uint64_t first = 0;
  std::atomic<std::uint64_t> seen{0};
};

struct Settings {
  bool active = false;
  char directory[PATH_MAX] = {};
  std::size_t directory_length = 0;
  char acks[PATH_MAX] = {};
  int journal = -1;
  FailurePlan plans[3];
  std::uint64_t times = 1;
  int error_number = EIO;
  bool short_first = false;
  std::uint64_t kill_at = 0;
  std::atomic<std::uint64_t> operations{0};
};
Settings settings;

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

void copy_path(char* to, const char* from) { std::snprintf(to, PATH_MAX, "%s", from); }

// Whether `path` is the watched directory or below it; `relative` then is what follows.
bool is_below(const char* path, const char** relative) {
  if (std::strncmp(path, settings.directory, settings.directory_length) != 0) return false;
  const char* rest = path + settings.directory_length;
  if (*rest != '\0' && *rest != '/') return false;
  *relative = *rest == '/' ? rest + 1 : rest;
  return true;
}

bool path_of(int fd, char* out) {
  char link[64];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = ::syscall(SYS_readlinkat, AT_FDCWD, link, out, PATH_MAX - 1);
  out[length < 0 ? 0 : length] = '\0';
  return length > 0;
}

// Takes out empty parts, "." and "..".
void normalise(char* path) {
  char* out = path;
  const char* in = path;
  while (*in != '\0') {
    while (*in == '/') ++in;
    const char* end = in;
    while (*end != '\0' && *end != '/') ++end;
    const std::size_t length = static_cast<std::size_t>(end - in);
    if (length == 2 && in[0] == '.' && in[1] == '.') {
      while (out > path && *--out != '/') {
      }
    } else if (length > 0 && !(length == 1 && in[0] == '.')) {
      *out++ = '/';
      std::memmove(out, in, length);
      out += length;
    }
    in = end;
  }
  *out = '\0';
}

__attribute__((constructor)) void start() {
  const char* directory = std::getenv(kShimDirectory);
  if (directory == nullptr) return;
  copy_path(settings.directory, directory);
  settings.directory_length = std::strlen(settings.directory);
  if (const char* acks = std::getenv(kShimAcks)) copy_path(settings.acks, acks);
  settings.plans[0].first = number_from(kShimFailWrite, 0);
  settings.plans[1].first = number_from(kShimFailSync, 0);
  settings.plans[2].first = number_from(kShimFailEntry, 0);
  settings.times = number_from(kShimFailTimes, 1);
  settings.kill_at = number_from(kShimKill, 0);
  if (const char* with = std::getenv(kShimFailWith)) {
    settings.short_first = std::strcmp(with, "SHORT") == 0;
    if (settings.short_first || std::strcmp(with, "ENOSPC") == 0) settings.error_number = ENOSPC;
  }
  if (const char* journal = std::getenv(kShimJournal)) {
    const int fd = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, journal,
                                              O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    // High, so that a program which closes the low descriptors does not close it.
    settings.journal = ::fcntl(fd, F_DUPFD_CLOEXEC, 600);
    ::syscall(SYS_close, fd);
  }
  settings.active = true;
  record(OpKind::kStart, 0, inode_of(AT_FDCWD, settings.directory), 0);
}

}  // namespace

bool active() { return settings.active; }

Verdict judge(Class operation_class) {
  if (++settings.operations == settings.kill_at) ::kill(::getpid(), SIGKILL);
  FailurePlan& plan = settings.plans[static_cast<int>(operation_class)];
  const std::uint64_t number = ++plan.seen;
  if (plan.first == 0 || number < plan.first) return Verdict::kProceed;
  if (settings.times != 0 && number >= plan.first + settings.times) return Verdict::kProceed;
  errno = settings.error_number;
  return settings.short_first && number == plan.first ? Verdict::kShort : Verdict::kFail;
}

Descriptor describe(int fd) {
  Descriptor result;
  const int saved = errno;
  struct stat status {};
  char path[PATH_MAX];
  if (::fstat(fd, &status) == 0 && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) &&
      path_of(fd, path)) {
    const char* relative = nullptr;
    result.watched = is_below(path, &relative);
    result.acks = settings.acks[0] != '\0' && std::strcmp(path, settings.acks) == 0;
    result.inode = status.st_ino;
    if (result.watched) result.durable = (::fcntl(fd, F_GETFL) & O_DSYNC) != 0;
  }
  errno = saved;
  return result;
}

void resolve(int directory_fd, const char* path, WatchedPath& out) {
  const int saved = errno;
  char full[2 * PATH_MAX] = {};
  if (path[0] != '/') {
    if (directory_fd != AT_FDCWD) {
      path_of(directory_fd, full);
    } else if (::syscall(SYS_getcwd, full, PATH_MAX) < 0) {
      full[0] = '\0';
    }
    std::strcat(full, "/");
  }
  std::strncat(full, path, PATH_MAX - 2);
  normalise(full);
  const char* relative = nullptr;
  out.watched = is_below(full, &relative);
  if (out.watched) copy_path(out.text, relative);
  errno = saved;
}

std::uint64_t inode_of(int directory_fd, const char* path) {
  const int saved = errno;
  struct stat status {};
  const int rc = ::fstatat(directory_fd, path, &status, AT_SYMLINK_NOFOLLOW);
  errno = saved;
  return rc == 0 ? status.st_ino : 0;
}

void record(OpKind kind, std::uint8_t flags, std::uint64_t inode, std::uint64_t offset,
            const char* path, const char* second_path, const iovec* content, int content_count,
            std::size_t content_bytes) {
  if (settings.journal < 0) return;
  const int saved = errno;
  JournalRecord header;
  header.kind = kind;
  header.flags = flags;
  header.thread = static_cast<std::uint32_t>(::syscall(SYS_gettid));
  header.inode = inode;
  header.offset = offset;
  header.path_bytes = static_cast<std::uint16_t>(std::strlen(path));
  header.second_path_bytes = static_cast<std::uint32_t>(std::strlen(second_path));
  header.content_bytes = content_bytes;
  // LMDB hands over at most 64 parts. One writev() to an O_APPEND file is one record, whatever the
  // other threads do.
  iovec parts[3 + 128] = {{&header, sizeof header},
                          {const_cast<char*>(path), header.path_bytes},
                          {const_cast<char*>(second_path), header.second_path_bytes}};
  int count = 3;
  std::size_t left = content_bytes;
  for (int i = 0; i < content_count && left > 0 && count < 131; ++i, ++count) {
    parts[count] = content[i];
    if (parts[count].iov_len > left) parts[count].iov_len = left;
    left -= parts[count].iov_len;
  }
  const ssize_t expected = static_cast<ssize_t>(sizeof header + header.path_bytes +
                                                header.second_path_bytes + content_bytes);
  if (left > 0 || ::syscall(SYS_writev, settings.journal, parts, count) != expected) {
    static const char message[] = "io_shim: the journal could not be written\n";
    ::syscall(SYS_write, 2, message, sizeof message - 1);
    ::abort();
  }
  errno = saved;
}

}  // namespace runlog::faults::shim
