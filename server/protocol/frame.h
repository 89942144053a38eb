// Frames of the socket protocol: a header of 24 bytes and a body; see server/PROTOCOL.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index/error.h"

namespace runlog {

inline constexpr std::uint16_t kProtocolVersion = 1;
inline constexpr std::size_t kFrameHeaderBytes = 24;
// The longest bodies, in bytes.
inline constexpr std::uint32_t kMaxHelloBytes = 4u << 10;
inline constexpr std::uint32_t kMaxRequestBytes = 1u << 20;
inline constexpr std::uint32_t kMaxReplyBytes = 4u << 20;

// Persistent: never renumber. A reply's kind is its request's + kReply.
enum class Kind : std::uint16_t {
  kFailure = 0,  // replies only
  kHello = 1,
  kCancel = 2,
  kPing = 3,
  kAppend = 10,
  kGet = 20,
  kList = 21,
  kCount = 22,
  kGroups = 23,
  kStats = 24,
  kFollow = 25,
  kInfo = 26,
  kTrend = 27,
  kPausedSave = 30,
  kPausedLoad = 31,
  kPausedDelete = 32,
  kPausedList = 33,
  kPausedClaim = 34,
  kPausedComplete = 35,
  kPin = 40,
  kUnpin = 41,
  kPins = 42,
  kGetPolicy = 43,
  kSetPolicy = 44,
  kSweep = 45,
  kHideExpired = 46,
  kHidden = 47,
  kBackup = 48,
  kForget = 49,
};
inline constexpr std::uint16_t kReply = 0x8000;

struct FrameHeader {
  std::uint16_t kind = 0;        // as it travels: with kReply in a reply
  std::uint64_t request_id = 0;
  std::uint32_t body_bytes = 0;
  std::uint32_t deadline_ms = 0;
};

// Appends the 24 bytes.
void write_frame_header(const FrameHeader& header, std::string& out);
// Reads them; `bytes` has at least 24. Errors: InvalidArgument (says what is wrong: magic, version,
// zeros, a length that is no multiple of 8); TooLarge (a body over `max_body_bytes`).
Expected<FrameHeader> read_frame_header(std::string_view bytes, std::uint32_t max_body_bytes);

// Cuts a stream into frames. Keeps at most one frame's bytes, and what one read brought.
class FrameReader {
 public:
  struct Frame {
    FrameHeader header;
    // 8-byte aligned; lives until the next call of add() or next().
    std::span<const std::byte> body;
  };

  explicit FrameReader(std::uint32_t max_body_bytes) : max_body_bytes_(max_body_bytes) {}
  void set_max_body_bytes(std::uint32_t bytes) { max_body_bytes_ = bytes; }

  void add(std::string_view bytes);
  // The next frame if it is there as a whole. A header that is wrong is refused as soon as it is
  // there, before anything of its body is waited for; nothing can be read after that.
  // Errors: those of read_frame_header.
  Expected<bool> next(Frame& frame);
  // A part of a frame is there; the rest has not come.
  bool has_rest() const { return at_ < size_; }

 private:
  std::string_view rest() const {
    return {reinterpret_cast<const char*>(words_.data()) + at_, size_ - at_};
  }
  std::uint32_t max_body_bytes_;
  std::vector<std::uint64_t> words_;   // frames are multiples of 8 bytes, so bodies are aligned
  std::size_t size_ = 0, at_ = 0;      // bytes that are there, and that were used
};

}  // namespace runlog
