#include "server/protocol/message.h"

#include <cstring>

#include <fmt/format.h>

#include "log/stored_text.h"
#include "server/protocol/protocol.capnp.h"

namespace runlog {
namespace {

constexpr std::uint32_t kMaxSegments = 64;
constexpr int kMaxNesting = 16;

}  // namespace

Failure failure_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::NotFound: return {FailureCode::kNotFound, error.message};
    case ErrorCode::InvalidArgument: return {FailureCode::kInvalid, error.message};
    case ErrorCode::TooLarge: return {FailureCode::kTooLarge, error.message};
    case ErrorCode::Corruption: return {FailureCode::kCorruption, error.message};
    case ErrorCode::IoError:
    case ErrorCode::ArchiveFailed: return {FailureCode::kIo, error.message};
    case ErrorCode::DiskFull: return {FailureCode::kDiskFull, error.message};
    case ErrorCode::Busy: return {FailureCode::kBusy, error.message};
    case ErrorCode::OutcomeUnknown: return {FailureCode::kOutcomeUnknown, error.message};
    case ErrorCode::Closed: return {FailureCode::kClosed, error.message};
  }
  return {FailureCode::kIo, error.message};
}

Expected<void> check_segments(std::span<const std::byte> body) {
  const auto word = [&](std::size_t index) {
    std::uint32_t value;
    std::memcpy(&value, body.data() + index * 4, 4);
    return value;
  };
  if (body.size() < 8)
    return fail(ErrorCode::InvalidArgument, "the message has no segment table");
  // The table says one less than there are; 0xFFFFFFFF would be none.
  if (word(0) >= kMaxSegments) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the message says that it has {} segments; the limit is {}",
                            std::uint64_t(word(0)) + 1, kMaxSegments));
  }
  const std::size_t segments = word(0) + 1;
  const std::size_t table_bytes = (segments / 2 + 1) * 8;
  if (body.size() < table_bytes)
    return fail(ErrorCode::InvalidArgument, "the message ends within its segment table");
  std::uint64_t bytes = table_bytes;
  for (std::size_t i = 0; i < segments; ++i) bytes += std::uint64_t(word(1 + i)) * 8;
  if (bytes != body.size()) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the message's segments make up {} bytes, its body has {}", bytes,
                            body.size()));
  }
  return {};
}

capnp::ReaderOptions ReceivedMessage::options(std::size_t body_bytes) {
  capnp::ReaderOptions options;
  // Each part is read a few times at most; pointers that lead to one place again and again would
  // make a small message large.
  options.traversalLimitInWords = body_bytes / 8 * 4 + 64;
  options.nestingLimit = kMaxNesting;
  return options;
}

std::size_t MessageSpace::body_bytes() { return capnp::computeSerializedSizeInWords(builder_) * 8; }

std::string MessageSpace::frame(std::uint16_t kind, std::uint64_t request_id,
                                std::uint32_t deadline_ms) {
  const auto segments = builder_.getSegmentsForOutput();
  const std::size_t body = body_bytes();
  std::string out;
  out.reserve(kFrameHeaderBytes + body);
  write_frame_header({kind, request_id, std::uint32_t(body), deadline_ms}, out);
  const auto put = [&out](std::uint32_t value) {
    out.append(reinterpret_cast<const char*>(&value), 4);
  };
  put(std::uint32_t(segments.size()) - 1);
  for (const auto& segment : segments) put(std::uint32_t(segment.size()));
  if (segments.size() % 2 == 0) put(0);
  for (const auto& segment : segments) {
    out.append(reinterpret_cast<const char*>(segment.begin()), segment.size() * 8);
  }
  return out;
}

std::string failure_frame(const Failure& failure, std::uint64_t request_id) {
  OutgoingMessage<wire::Failure> message;
  message->setCode(std::uint16_t(failure.code));
  RUNLOG_SET_TEXT(*message, Message, failure.message);
  message->setRetryAfterMs(failure.retry_after_ms);
  return message.frame(kReply, request_id);
}

}  // namespace runlog
