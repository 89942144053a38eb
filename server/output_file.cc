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
  std::string unfinished = path + ".XXXXXX";
  const int descriptor = ::mkostemp(unfinished.data(), O_CLOEXEC);
  if (descriptor < 0) return failure(path, errno);
  // mkostemp makes files that only their owner can read; this one is as public as any other.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  static_cast<void>(::fchmod(descriptor, 0666 & ~mask));
  return std::unique_ptr<OutputFile>(new OutputFile(path, std::move(unfinished), descriptor));
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!unfinished_.empty()) ::unlink(unfinished_.c_str());
}

Expected<void> OutputFile::finish() {
  if (auto flushed = output_.flush(); !flushed) {
    return fail(ErrorCode::IoError, fmt::format("{}: {}", path_, flushed.error().message));
  }
  if (::fsync(descriptor_) != 0) return failure(path_, errno);
  if (::rename(unfinished_.c_str(), path_.c_str()) != 0) return failure(path_, errno);
  unfinished_.clear();
  return {};
}

}  // namespace runlog
