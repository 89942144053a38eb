#include "server/protocol/frame.h"

#include <bit>
#include <cstring>

#include <fmt/format.h>

namespace runlog {
namespace {

static_assert(std::endian::native == std::endian::little, "headers are copied as they are");

constexpr char kMagic[4] = {'R', 'L', 'G', 1};
// What is kept for the next read, which brings as much at most; more was only needed for a large
// frame.
constexpr std::size_t kKeptWords = (64u << 10) / 8;

struct Layout {
  char magic[4];
  std::uint16_t kind;
  std::uint16_t zero;
  std::uint64_t request_id;
  std::uint32_t body_bytes;
  std::uint32_t deadline_ms;
};
static_assert(sizeof(Layout) == kFrameHeaderBytes);

}  // namespace

void write_frame_header(const FrameHeader& header, std::string& out) {
  Layout layout{{}, header.kind, 0, header.request_id, header.body_bytes, header.deadline_ms};
  std::memcpy(layout.magic, kMagic, sizeof kMagic);
  out.append(reinterpret_cast<const char*>(&layout), sizeof layout);
}

Expected<FrameHeader> read_frame_header(std::string_view bytes, std::uint32_t max_body_bytes) {
  Layout layout;
  std::memcpy(&layout, bytes.data(), sizeof layout);
  if (std::memcmp(layout.magic, kMagic, 3) != 0)
    return fail(ErrorCode::InvalidArgument, "the bytes are no frame of runlog's protocol");
  if (layout.magic[3] != kMagic[3]) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the frame's header is of version {}, only 1 is known",
                            static_cast<unsigned char>(layout.magic[3])));
  }
  if (layout.zero != 0)
    return fail(ErrorCode::InvalidArgument, "the frame's header has bits that mean nothing");
  if (layout.body_bytes % 8 != 0) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a frame's body of {} bytes is no multiple of 8", layout.body_bytes));
  }
  if (layout.body_bytes > max_body_bytes) {
    return fail(ErrorCode::TooLarge,
                fmt::format("a frame's body of {} bytes is over the limit of {}",
                            layout.body_bytes, max_body_bytes));
  }
  return FrameHeader{layout.kind, layout.request_id, layout.body_bytes, layout.deadline_ms};
}

void FrameReader::add(std::string_view bytes) {
  if (at_ > 0) {
    std::memmove(words_.data(), rest().data(), size_ - at_);
    size_ -= at_;
    at_ = 0;
  }
  const std::size_t words = (size_ + bytes.size() + 7) / 8;
  if (words > words_.size()) words_.resize(words);
  std::memcpy(reinterpret_cast<char*>(words_.data()) + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
}

Expected<bool> FrameReader::next(Frame& frame) {
  const std::string_view there = rest();
  if (there.empty()) {
    at_ = size_ = 0;
    if (words_.size() > kKeptWords) std::vector<std::uint64_t>().swap(words_);
    return false;
  }
  if (there.size() < kFrameHeaderBytes) return false;
  const auto header = read_frame_header(there, max_body_bytes_);
  if (!header) return tl::unexpected(header.error());
  if (there.size() - kFrameHeaderBytes < header->body_bytes) return false;
  frame.header = *header;
  frame.body = std::as_bytes(
      std::span(there.data() + kFrameHeaderBytes, std::size_t(header->body_bytes)));
  at_ += kFrameHeaderBytes + header->body_bytes;
  return true;
}

}  // namespace runlog
