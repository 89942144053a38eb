#include "server/byte_source.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

namespace runlog {
namespace {

constexpr std::size_t kChunkBytes = 256u << 10;
// A zstd frame says how much memory its decoder needs. 128 MiB is what the zstd tool allows by
// default; a hostile file cannot ask for more.
constexpr int kMaxZstdWindowLog = 27;

std::string reason(int error) { return std::generic_category().message(error); }

class FileBytes final : public ByteSource {
 public:
  FileBytes(int descriptor, int stop_descriptor, std::string name)
      : descriptor_(descriptor), stop_descriptor_(stop_descriptor), name_(std::move(name)) {
    struct stat status {};
    if (::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode)) {
      file_bytes_ = std::uint64_t(status.st_size);
    }
  }
  ~FileBytes() override {
    if (descriptor_ != STDIN_FILENO) ::close(descriptor_);
  }

  Expected<std::size_t> read(std::span<char> out) override {
    for (;;) {
      pollfd ready[] = {{descriptor_, POLLIN, 0}, {stop_descriptor_, POLLIN, 0}};
      static_cast<void>(::poll(ready, 2, -1));  // interrupted: read() below says so or waits
      if (ready[1].revents != 0) return fail(ErrorCode::Closed, name_ + " is not read any further");
      const ssize_t n = ::read(descriptor_, out.data(), out.size());
      if (n >= 0) {
        taken_ += std::uint64_t(n);
        return std::size_t(n);
      }
      if (errno != EINTR && errno != EAGAIN) {
        return fail(ErrorCode::IoError,
                    fmt::format("{} could not be read: {}", name_, reason(errno)));
      }
    }
  }
  std::uint64_t taken_bytes() const override { return taken_; }
  std::optional<std::uint64_t> file_bytes() const override { return file_bytes_; }
  bool would_wait() const override {
    pollfd ready{descriptor_, POLLIN, 0};
    return ::poll(&ready, 1, 0) == 0;
  }
  const std::string& name() const { return name_; }

 private:
  int descriptor_;
  int stop_descriptor_;
  std::string name_;
  std::uint64_t taken_ = 0;
  std::optional<std::uint64_t> file_bytes_;
};

// The file's bytes in a buffer of our own, which a decompressor eats from.
class BufferedFile {
 public:
  explicit BufferedFile(std::unique_ptr<FileBytes> file) : file_(std::move(file)) {}

  // What is buffered, after reading more if nothing is. Empty at the end.
  Expected<std::span<const char>> peek() {
    if (begin_ == end_) {
      auto n = file_->read(buffer_);
      if (!n) return tl::unexpected(n.error());
      begin_ = 0;
      end_ = *n;
    }
    return std::span<const char>(buffer_).subspan(begin_, end_ - begin_);
  }
  void take(std::size_t bytes) { begin_ += bytes; }
  bool would_wait() const { return begin_ == end_ && file_->would_wait(); }

  // Reads until `bytes` are buffered or the file ends.
  Expected<std::span<const char>> peek_first(std::size_t bytes) {
    while (end_ < bytes) {
      auto n = file_->read(std::span(buffer_).subspan(end_));
      if (!n) return tl::unexpected(n.error());
      if (*n == 0) break;
      end_ += *n;
    }
    return std::span<const char>(buffer_).first(end_);
  }
  const FileBytes& file() const { return *file_; }

 private:
  std::unique_ptr<FileBytes> file_;
  std::vector<char> buffer_ = std::vector<char>(kChunkBytes);
  std::size_t begin_ = 0, end_ = 0;
};

class BufferedSource : public ByteSource {
 public:
  explicit BufferedSource(BufferedFile file) : file_(std::move(file)) {}
  std::uint64_t taken_bytes() const override { return file_.file().taken_bytes(); }
  std::optional<std::uint64_t> file_bytes() const override { return file_.file().file_bytes(); }
  bool would_wait() const override { return file_.would_wait(); }

 protected:
  tl::unexpected<Error> damaged(const char* format, const char* why) const {
    return fail(ErrorCode::Corruption, fmt::format("{} is not a sound {} stream: {}",
                                                   file_.file().name(), format, why));
  }
  BufferedFile file_;
};

class PlainSource final : public BufferedSource {
 public:
  using BufferedSource::BufferedSource;
  Expected<std::size_t> read(std::span<char> out) override {
    auto bytes = file_.peek();
    if (!bytes) return tl::unexpected(bytes.error());
    const std::size_t n = std::min(out.size(), bytes->size());
    std::copy_n(bytes->data(), n, out.data());
    file_.take(n);
    return n;
  }
};

class ZstdSource final : public BufferedSource {
 public:
  explicit ZstdSource(BufferedFile file) : BufferedSource(std::move(file)) {
    ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaxZstdWindowLog);
  }
  Expected<std::size_t> read(std::span<char> out) override {
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    while (output.pos == 0) {
      auto bytes = file_.peek();
      if (!bytes) return tl::unexpected(bytes.error());
      if (bytes->empty() && between_frames_) break;
      ZSTD_inBuffer input{bytes->data(), bytes->size(), 0};
      const std::size_t result = ZSTD_decompressStream(context_.get(), &output, &input);
      file_.take(input.pos);
      if (ZSTD_isError(result)) return damaged("zstd", ZSTD_getErrorName(result));
      between_frames_ = result == 0;
      if (bytes->empty() && output.pos == 0) return damaged("zstd", "it ends within a frame");
    }
    return output.pos;
  }

 private:
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<ZSTD_DCtx, Free> context_{ZSTD_createDCtx()};
  bool between_frames_ = true;
};

class GzipSource final : public BufferedSource {
 public:
  explicit GzipSource(BufferedFile file) : BufferedSource(std::move(file)) {
    ready_ = ::inflateInit2(&stream_, 16 + MAX_WBITS) == Z_OK;  // 16: a gzip header, no other
  }
  ~GzipSource() override {
    if (ready_) ::inflateEnd(&stream_);
  }
  Expected<std::size_t> read(std::span<char> out) override {
    if (!ready_) return damaged("gzip", "there is no memory to read it");
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = uInt(std::min<std::size_t>(out.size(), kChunkBytes));
    const uInt room = stream_.avail_out;
    while (stream_.avail_out == room) {
      auto bytes = file_.peek();
      if (!bytes) return tl::unexpected(bytes.error());
      if (bytes->empty() && between_members_) break;
      if (bytes->empty()) return damaged("gzip", "it ends too early");
      if (between_members_ && bytes->front() == '\0') {  // tapes pad; no member begins with 0
        file_.take(std::size_t(std::find_if(bytes->begin(), bytes->end(),
                                            [](char c) { return c != '\0'; }) -
                               bytes->begin()));
        continue;
      }
      // zlib only reads through this pointer; its type predates const.
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes->data()));
      stream_.avail_in = uInt(bytes->size());
      const int result = ::inflate(&stream_, Z_NO_FLUSH);
      file_.take(bytes->size() - stream_.avail_in);
      between_members_ = result == Z_STREAM_END;
      if (between_members_) ::inflateReset(&stream_);
      if (result != Z_OK && result != Z_STREAM_END) {
        return damaged("gzip", stream_.msg != nullptr ? stream_.msg : "its data are wrong");
      }
    }
    return room - stream_.avail_out;
  }

 private:
  z_stream stream_{};
  bool ready_ = false;
  bool between_members_ = true;
};

bool starts_with(std::span<const char> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

}  // namespace

Expected<std::unique_ptr<ByteSource>> ByteSource::open(const std::string& path,
                                                       int stop_descriptor) {
  const bool standard_input = path == "-";
  // O_NONBLOCK: a named pipe waits for its writer in poll(), where it can be stopped.
  const int descriptor =
      standard_input ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) {
    const int error = errno;
    return fail(error == ENOENT || error == ENOTDIR ? ErrorCode::NotFound : ErrorCode::IoError,
                fmt::format("{} could not be opened: {}", path, reason(error)));
  }
  BufferedFile file(std::make_unique<FileBytes>(
      descriptor, stop_descriptor, standard_input ? "the standard input" : path));
  auto first = file.peek_first(4);
  if (!first) return tl::unexpected(first.error());
  if (starts_with(*first, "\x28\xB5\x2F\xFD")) return std::make_unique<ZstdSource>(std::move(file));
  if (starts_with(*first, "\x1F\x8B")) return std::make_unique<GzipSource>(std::move(file));
  return std::make_unique<PlainSource>(std::move(file));
}

}  // namespace runlog
