// Cap'n Proto messages as the bodies of frames.
#pragma once

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "index/error.h"
#include "server/protocol/frame.h"

namespace runlog {

// A failure as it travels. Persistent: never renumber. The first nine are those of ErrorCode.
enum class FailureCode : std::uint16_t {
  kNotFound = 1,
  kInvalid = 2,
  kTooLarge = 3,
  kCorruption = 4,
  kIo = 5,
  kDiskFull = 6,
  kBusy = 7,
  kOutcomeUnknown = 8,
  kClosed = 9,
  kVersion = 20,
  kUnauthenticated = 21,
  kForbidden = 22,
  kProtocol = 23,
  kUnknownKind = 24,
  kOverloaded = 25,
  kDeadline = 26,
  kCancelled = 27,
};

struct Failure {
  FailureCode code = FailureCode::kInvalid;
  std::string message;
  std::uint32_t retry_after_ms = 0;
};
Failure failure_of(const Error& error);

// Checks the segment table of a message before Cap'n Proto sees it, which believes some of it.
// Errors: InvalidArgument (says what is wrong).
Expected<void> check_segments(std::span<const std::byte> body);

// A message that was received. Borrows `body`, which is 8-byte aligned; made only from bytes that
// check_segments() accepts. Getters of its root throw kj::Exception where the bytes are unsound.
class ReceivedMessage {
 public:
  explicit ReceivedMessage(std::span<const std::byte> body)
      : reader_({reinterpret_cast<const capnp::word*>(body.data()), body.size() / 8},
                options(body.size())) {}
  template <typename T>
  typename T::Reader root() {
    return reader_.getRoot<T>();
  }

 private:
  static capnp::ReaderOptions options(std::size_t body_bytes);
  capnp::FlatArrayMessageReader reader_;
};

// The bytes of a message to be sent. What is small stands in the object itself.
class MessageSpace {
 public:
  MessageSpace() : builder_(kj::ArrayPtr<capnp::word>(first_, kFirstWords)) {}
  // The whole frame. `deadline_ms` is for requests.
  std::string frame(std::uint16_t kind, std::uint64_t request_id, std::uint32_t deadline_ms = 0);
  std::size_t body_bytes();
  capnp::MallocMessageBuilder& builder() { return builder_; }

 private:
  static constexpr std::size_t kFirstWords = 512;
  capnp::word first_[kFirstWords] = {};
  capnp::MallocMessageBuilder builder_;
};

// A message to be sent.
template <typename T>
class OutgoingMessage : public MessageSpace {
 public:
  OutgoingMessage() : root_(builder().template initRoot<T>()) {}
  typename T::Builder* operator->() { return &root_; }
  typename T::Builder& operator*() { return root_; }

 private:
  typename T::Builder root_;
};

std::string failure_frame(const Failure& failure, std::uint64_t request_id);

}  // namespace runlog
