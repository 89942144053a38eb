#include "server/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include <fmt/format.h>

namespace runlog {
namespace {

tl::unexpected<Error> failure(const std::string& path, int error) {
  return fail(ErrorCode::IoError, fmt::format("{} could not be written: {}", path,
                                              std::generic_category().message(error)));
}

}  // namespace

Expected<std::unique_ptr<OutputFile>> OutputFile::create(const std::string& path) {
  struct stat before {};
  const bool exists = ::lstat(path.c_str(), &before) == 0;
  if (!exists && errno != ENOENT) return failure(path, errno);
  std::string target = path;
  if (exists && S_ISLNK(before.st_mode)) {
    // The link stays; what it leads to is replaced.
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                           &std::free);
    if (!real || ::stat(real.get(), &before) != 0) return failure(path, errno);
    target = real.get();
  }
  if (exists && !S_ISREG(before.st_mode)) {
    const int descriptor = ::open(target.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC);
    if (descriptor < 0) return failure(path, errno);
    return std::unique_ptr<OutputFile>(new OutputFile(path, {}, descriptor));
  }
  std::string unfinished = target + ".XXXXXX";
  const int descriptor = ::mkostemp(unfinished.data(), O_CLOEXEC);
  if (descriptor < 0) return failure(path, errno);
  // mkostemp makes files that only their owner can read; this one is as public as the one before,
  // or as any other new one.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  static_cast<void>(::fchmod(descriptor, exists ? before.st_mode & 0777 : 0666 & ~mask));
  return std::unique_ptr<OutputFile>(
      new OutputFile(std::move(target), std::move(unfinished), descriptor));
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!unfinished_.empty()) ::unlink(unfinished_.c_str());
}

Expected<void> OutputFile::finish() {
  if (auto flushed = output_.flush(); !flushed) {
    return fail(ErrorCode::IoError, fmt::format("{}: {}", path_, flushed.error().message));
  }
  if (unfinished_.empty()) return {};  // a pipe or a device, which has no name to take
  if (::fsync(descriptor_) != 0) return failure(path_, errno);
  if (::rename(unfinished_.c_str(), path_.c_str()) != 0) return failure(path_, errno);
  unfinished_.clear();
  return {};
}

}  // namespace runlog
