#include "log/archive_file.h"

#include <utility>
#include <vector>

#include <fmt/format.h>
#include <zstd.h>

#include "log/file_io.h"
#include "log/xxh.h"

namespace runlog {
namespace {

constexpr int kLevel = 3;

struct FreeStream {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

class Checksum {
 public:
  Checksum() { XXH3_64bits_reset(&state_); }
  void add(const void* bytes, std::size_t count) {
    XXH3_64bits_update(&state_, bytes, count);
    bytes_ += count;
  }
  std::uint64_t value() const { return XXH3_64bits_digest(&state_); }
  std::uint64_t bytes() const { return bytes_; }

 private:
  XXH3_state_t state_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

// ---- writing ---------------------------------------------------------------------------------

struct ArchiveWriter::Impl {
  std::unique_ptr<NewFile> file;
  std::unique_ptr<ZSTD_CCtx, FreeStream> context{ZSTD_createCCtx()};
  std::vector<std::byte> room = std::vector<std::byte>(ZSTD_CStreamOutSize());
  std::uint64_t runs = 0;
  Checksum of_file, of_lines;

  Expected<void> compress(std::string_view text, ZSTD_EndDirective directive) {
    of_lines.add(text.data(), text.size());
    ZSTD_inBuffer in{text.data(), text.size(), 0};
    for (;;) {
      ZSTD_outBuffer out{room.data(), room.size(), 0};
      const std::size_t left = ZSTD_compressStream2(context.get(), &out, &in, directive);
      if (ZSTD_isError(left))
        return fail(ErrorCode::IoError,
                    fmt::format("cannot compress an archive: {}", ZSTD_getErrorName(left)));
      of_file.add(room.data(), out.pos);
      if (out.pos != 0)
        if (auto written = file->write(std::span(room).first(out.pos)); !written) return written;
      if (directive == ZSTD_e_end ? left == 0 : in.pos == in.size) return {};
    }
  }
};

ArchiveWriter::ArchiveWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ArchiveWriter::~ArchiveWriter() = default;

Expected<std::unique_ptr<ArchiveWriter>> ArchiveWriter::create(const std::filesystem::path& file) {
  auto created = NewFile::create(file);
  if (!created) return tl::unexpected(created.error());
  auto impl = std::make_unique<Impl>();
  impl->file = std::move(*created);
  ZSTD_CCtx_setParameter(impl->context.get(), ZSTD_c_compressionLevel, kLevel);
  ZSTD_CCtx_setParameter(impl->context.get(), ZSTD_c_checksumFlag, 1);
  return std::unique_ptr<ArchiveWriter>(new ArchiveWriter(std::move(impl)));
}

Expected<void> ArchiveWriter::add(std::string_view line) {
  ++impl_->runs;
  if (auto done = impl_->compress(line, ZSTD_e_continue); !done) return done;
  return impl_->compress("\n", ZSTD_e_continue);
}

Expected<ArchiveContent> ArchiveWriter::finish() {
  if (auto done = impl_->compress({}, ZSTD_e_end); !done) return tl::unexpected(done.error());
  if (auto done = impl_->file->finish(); !done) return tl::unexpected(done.error());
  return ArchiveContent{impl_->runs, impl_->of_file.bytes(), impl_->of_lines.bytes(),
                        impl_->of_file.value(), impl_->of_lines.value()};
}

// ---- reading ---------------------------------------------------------------------------------

namespace {

class ArchiveReader {
 public:
  ArchiveReader(const std::filesystem::path& file, const VisitLine& visit)
      : file_(file), visit_(visit) {}

  Expected<void> take(std::span<const std::byte> bytes) {
    of_file_.add(bytes.data(), bytes.size());
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    bool is_room_full = false;
    while (in.pos < in.size || (is_room_full && left_ != 0)) {
      ZSTD_outBuffer out{room_.data(), room_.size(), 0};
      left_ = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(left_)) return damaged(ZSTD_getErrorName(left_));
      is_room_full = out.pos == out.size;
      if (auto done = take_text({room_.data(), out.pos}); !done) return done;
    }
    return {};
  }

  Expected<ArchiveContent> finish() {
    if (left_ != 0) return tl::unexpected(damaged("it ends within its frame").error());
    if (!line_.empty()) return tl::unexpected(damaged("it ends within a line").error());
    return ArchiveContent{runs_, of_file_.bytes(), of_lines_.bytes(), of_file_.value(),
                          of_lines_.value()};
  }

 private:
  Expected<void> take_text(std::string_view text) {
    of_lines_.add(text.data(), text.size());
    for (auto end = text.find('\n'); end != text.npos; end = text.find('\n')) {
      line_ += text.substr(0, end);
      ++runs_;
      if (auto done = visit_(line_); !done) return done;
      line_.clear();
      text.remove_prefix(end + 1);
    }
    line_ += text;
    if (line_.size() > kMaxLineBytes) return damaged("a line is longer than any run's");
    return {};
  }

  Expected<void> damaged(const char* why) const {
    return fail(ErrorCode::Corruption,
                fmt::format("the archive '{}' is damaged: {}", file_.string(), why));
  }

  // A run's JSON may have grown beyond the 8 MiB that it came in with by what is computed.
  static constexpr std::size_t kMaxLineBytes = 64u << 20;

  const std::filesystem::path& file_;
  const VisitLine& visit_;
  std::unique_ptr<ZSTD_DCtx, FreeStream> context_{ZSTD_createDCtx()};
  std::vector<char> room_ = std::vector<char>(ZSTD_DStreamOutSize());
  std::size_t left_ = 1;  // of the frame, as far as zstd knows
  std::string line_;      // that is not complete yet
  std::uint64_t runs_ = 0;
  Checksum of_file_, of_lines_;
};

}  // namespace

Expected<ArchiveContent> read_archive_file(const std::filesystem::path& file,
                                           const VisitLine& visit) {
  ArchiveReader reader(file, visit);
  auto read = read_file(file, [&](std::span<const std::byte> bytes) { return reader.take(bytes); });
  if (!read) return tl::unexpected(read.error());
  return reader.finish();
}

}  // namespace runlog
