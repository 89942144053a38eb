#include "log/file_io.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

namespace runlog {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

Expected<void> sync_path(const std::filesystem::path& path, int flags, const char* deed) {
  Descriptor descriptor(::open(path.c_str(), flags | O_CLOEXEC));
  if (descriptor.get() < 0) return tl::unexpected(system_error(errno, deed, path));
  if (::fsync(descriptor.get()) != 0) return tl::unexpected(system_error(errno, deed, path));
  return {};
}

Expected<void> write_part(const Descriptor& descriptor, const FilePart& part,
                          const std::filesystem::path& file) {
  for (std::size_t done = 0; done < part.bytes.size();) {
    const ssize_t written = ::pwrite(descriptor.get(), part.bytes.data() + done,
                                     part.bytes.size() - done, off_t(part.offset + done));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0)
      return tl::unexpected(system_error(written < 0 ? errno : EIO, "write to", file));
    done += std::size_t(written);
  }
  return {};
}

}  // namespace

Error system_error(int error_number, const std::string& deed, const std::filesystem::path& path) {
  ErrorCode code = ErrorCode::IoError;
  if (error_number == ENOSPC || error_number == EDQUOT) code = ErrorCode::DiskFull;
  if (error_number == ENOENT) code = ErrorCode::NotFound;
  return {code, fmt::format("cannot {} '{}': {}", deed, path.string(), std::strerror(error_number))};
}

Error explain_write_failure(Error error, const std::filesystem::path& directory) {
  if (error.code != ErrorCode::IoError && error.code != ErrorCode::DiskFull) return error;
  // LMDB calls a write that was cut short by a full disk an input/output error.
  constexpr std::uint64_t kHardlyAnyRoom = 256u << 10;
  struct statvfs room {};
  const bool is_full = ::statvfs(directory.c_str(), &room) == 0 &&
                       std::uint64_t(room.f_bavail) * room.f_frsize < kHardlyAnyRoom;
  if (error.code == ErrorCode::DiskFull || is_full)
    return {ErrorCode::DiskFull,
            fmt::format("the disk of '{}' is full: {}; nothing that was committed is lost, and "
                        "writing works again when there is room",
                        directory.string(), error.message)};
  return {ErrorCode::OutcomeUnknown,
          fmt::format("{}; whether it took effect is unknown: try again, which is safe, since "
                      "appending is idempotent by run id",
                      error.message)};
}

Expected<void> make_directory(const std::filesystem::path& directory) {
  struct stat status {};
  if (::stat(directory.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) return {};
    return tl::unexpected(system_error(ENOTDIR, "use the directory", directory));
  }
  const auto absolute = std::filesystem::absolute(directory).lexically_normal();
  const auto parent =
      absolute.has_filename() ? absolute.parent_path() : absolute.parent_path().parent_path();
  if (parent != absolute)
    if (auto made = make_directory(parent); !made) return made;
  if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST)
    return tl::unexpected(system_error(errno, "create the directory", directory));
  if (auto synced = sync_directory(directory); !synced) return synced;
  return sync_directory(parent);
}

Expected<void> sync_directory(const std::filesystem::path& directory) {
  return sync_path(directory, O_RDONLY | O_DIRECTORY, "sync the directory");
}

Expected<void> reserve_file(const std::filesystem::path& file, std::uint64_t bytes) {
  Descriptor descriptor(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (descriptor.get() < 0) return tl::unexpected(system_error(errno, "open", file));
  if (int error = ::posix_fallocate(descriptor.get(), 0, off_t(bytes)); error != 0)
    return tl::unexpected(system_error(error, "reserve room for", file));
  return {};
}

Expected<std::unique_ptr<NewFile>> NewFile::create(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) return tl::unexpected(system_error(errno, "create", file));
  return std::unique_ptr<NewFile>(new NewFile(file, descriptor));
}

NewFile::~NewFile() { ::close(descriptor_); }

Expected<void> NewFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0)
      return tl::unexpected(system_error(written < 0 ? errno : EIO, "write to", file_));
    bytes = bytes.subspan(std::size_t(written));
  }
  return {};
}

Expected<void> NewFile::finish() {
  if (::fsync(descriptor_) != 0) return tl::unexpected(system_error(errno, "sync", file_));
  (void)::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_DONTNEED);
  return {};
}

Expected<void> write_parts(const std::filesystem::path& file, std::span<const FilePart> parts) {
  Descriptor descriptor(::open(file.c_str(), O_RDWR | O_CLOEXEC));
  if (descriptor.get() < 0) return tl::unexpected(system_error(errno, "open", file));
  for (const FilePart& part : parts)
    if (auto written = write_part(descriptor, part, file); !written) return written;
  if (::fdatasync(descriptor.get()) != 0) return tl::unexpected(system_error(errno, "sync", file));
  return {};
}

Expected<void> replace_file(const std::filesystem::path& file, std::span<const std::byte> bytes,
                            unsigned permissions) {
  std::string unfinished = file.string() + ".XXXXXX";
  Descriptor descriptor(::mkostemp(unfinished.data(), O_CLOEXEC));
  if (descriptor.get() < 0) return tl::unexpected(system_error(errno, "create", file));
  auto done = write_part(descriptor, {0, bytes}, unfinished);
  if (done && (::fchmod(descriptor.get(), permissions) != 0 || ::fsync(descriptor.get()) != 0 ||
               ::rename(unfinished.c_str(), file.c_str()) != 0))
    done = tl::unexpected(system_error(errno, "replace", file));
  if (!done) {
    ::unlink(unfinished.c_str());
    return done;
  }
  return sync_directory(file.parent_path());
}

Expected<void> read_file(const std::filesystem::path& file, const VisitBytes& visit) {
  Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.get() < 0) return tl::unexpected(system_error(errno, "open", file));
  std::vector<std::byte> room(256u << 10);
  for (;;) {
    const ssize_t count = ::read(descriptor.get(), room.data(), room.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return tl::unexpected(system_error(errno, "read", file));
    if (count == 0) return {};
    if (auto done = visit({room.data(), std::size_t(count)}); !done) return done;
  }
}

Expected<void> sync_file(const std::filesystem::path& file) {
  return sync_path(file, O_RDONLY, "sync");
}

Expected<void> remove_directory(const std::filesystem::path& directory) {
  std::error_code error;
  // The loop that C++ makes of a range would throw where increment() reports.
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error))
    if (::unlink(entry->path().c_str()) != 0 && errno != ENOENT)
      return tl::unexpected(system_error(errno, "remove", entry->path()));
  if (error && error.value() != ENOENT)
    return tl::unexpected(system_error(error.value(), "list the directory", directory));
  if (::rmdir(directory.c_str()) != 0 && errno != ENOENT)
    return tl::unexpected(system_error(errno, "remove the directory", directory));
  return sync_directory(directory.parent_path());
}

Expected<void> remove_tree(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::remove_all(directory, error);
  if (error)
    return tl::unexpected(system_error(error.value(), "remove the directory", directory));
  return sync_directory(directory.parent_path());
}

Expected<void> remove_file(const std::filesystem::path& file) {
  if (::unlink(file.c_str()) != 0) {
    if (errno == ENOENT) return {};
    return tl::unexpected(system_error(errno, "remove", file));
  }
  return sync_directory(file.parent_path());
}

Expected<void> move_entry(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    return tl::unexpected(system_error(errno, "move", from));
  if (auto synced = sync_directory(to.parent_path()); !synced) return synced;
  return sync_directory(from.parent_path());
}

bool is_within(const std::filesystem::path& path, const std::filesystem::path& directory) {
  std::error_code ignored;
  const auto inner = std::filesystem::weakly_canonical(std::filesystem::absolute(path), ignored);
  const auto outer = std::filesystem::weakly_canonical(std::filesystem::absolute(directory), ignored);
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

Expected<void> exchange_directories(const std::filesystem::path& a,
                                    const std::filesystem::path& b) {
  if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) != 0)
    return tl::unexpected(system_error(errno, "put into the place of its old form", a));
  return sync_directory(a.parent_path());
}

Expected<std::uint64_t> file_bytes(const std::filesystem::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0)
    return tl::unexpected(system_error(errno, "look at", file));
  return static_cast<std::uint64_t>(status.st_size);
}

Expected<std::unique_ptr<FileMapping>> FileMapping::open(const std::filesystem::path& file) {
  Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.get() < 0) return tl::unexpected(system_error(errno, "open", file));
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0)
    return tl::unexpected(system_error(errno, "look at", file));
  const auto length = static_cast<std::size_t>(status.st_size);
  if (length == 0) return std::unique_ptr<FileMapping>(new FileMapping({}));
  void* base = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, descriptor.get(), 0);
  if (base == MAP_FAILED) return tl::unexpected(system_error(errno, "map", file));
  return std::unique_ptr<FileMapping>(
      new FileMapping({static_cast<const std::byte*>(base), length}));
}

FileMapping::~FileMapping() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

Expected<std::unique_ptr<WriterLock>> WriterLock::take(const std::filesystem::path& file) {
  Descriptor descriptor(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (descriptor.get() < 0) return tl::unexpected(system_error(errno, "open", file));
  // A reader lets go when it has opened the log, however large that is; a writer may never.
  constexpr int kTriesBesideWriter = 50, kTriesBesideReaders = 3000;
  bool only_readers = false;
  int locked = ::flock(descriptor.get(), LOCK_EX | LOCK_NB);
  for (int tries = 1; locked != 0 && errno == EWOULDBLOCK; ++tries) {
    only_readers = ::flock(descriptor.get(), LOCK_SH | LOCK_NB) == 0;
    if (only_readers) ::flock(descriptor.get(), LOCK_UN);
    errno = EWOULDBLOCK;
    if (tries >= (only_readers ? kTriesBesideReaders : kTriesBesideWriter)) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    locked = ::flock(descriptor.get(), LOCK_EX | LOCK_NB);
  }
  if (locked != 0) {
    if (errno != EWOULDBLOCK) return tl::unexpected(system_error(errno, "lock", file));
    if (only_readers)
      return fail(ErrorCode::Busy, fmt::format("the log in '{}' is being opened by readers",
                                               file.parent_path().string()));
    char holder[32] = {};
    if (::pread(descriptor.get(), holder, sizeof holder - 1, 0) <= 0)
      std::strcpy(holder, "unknown");
    return fail(ErrorCode::Busy,
                fmt::format("the log in '{}' is being written by another process (process id {})",
                            file.parent_path().string(), holder));
  }
  const std::string own = std::to_string(::getpid());
  if (::ftruncate(descriptor.get(), 0) != 0 ||
      ::pwrite(descriptor.get(), own.data(), own.size(), 0) < 0) {
    // The name in the file only makes another process's error clearer: a full disk may keep us from
    // writing it, and the lock itself holds all the same.
  }
  return std::unique_ptr<WriterLock>(new WriterLock(descriptor.release()));
}

std::unique_ptr<WriterLock> WriterLock::keep_writers_out(const std::filesystem::path& file) {
  Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.get() < 0 || ::flock(descriptor.get(), LOCK_SH | LOCK_NB) != 0) return nullptr;
  return std::unique_ptr<WriterLock>(new WriterLock(descriptor.release()));
}

WriterLock::~WriterLock() { ::close(descriptor_); }

}  // namespace runlog
