// The requests that are answered from a log: which role each needs, where it runs, and how.
#pragma once

#include <filesystem>
#include <string>

#include "index/error.h"
#include "log/log.h"
#include "server/protocol/message.h"
#include "server/tenants/tokens.h"

namespace runlog {

// A request on its way to an answer.
struct Question {
  Log& log;
  ReceivedMessage& message;
  std::uint64_t request_id = 0;
  // Below which the tenant's backups go; empty: nobody said where, and there are none.
  std::filesystem::path backups = {};
};

struct RequestKind {
  Kind kind;
  Role role;
  // Answers with a whole frame. May throw kj::Exception.
  Expected<std::string> (*answer)(const Question&);
  // Whether it is short enough for the loop's thread; null: never. May throw kj::Exception.
  bool (*is_short)(ReceivedMessage&);
  bool stores = false;  // its body counts against the tenant's quota
};

// Null for an unknown kind, and for those that the session answers itself: hello, cancel, ping,
// append, follow.
const RequestKind* find_request(std::uint16_t kind);

// Runs `answer`; what Cap'n Proto throws becomes a failure.
Expected<std::string> answer(const RequestKind& kind, const Question& question);

// A reply, unless it is over the limit. Errors: TooLarge.
Expected<std::string> reply_frame(MessageSpace& message, Kind kind, std::uint64_t request_id);

}  // namespace runlog
