// What RemoteLog makes of replies. For its sources alone.
#pragma once

#include "server/client/client.h"
#include "server/protocol/wire_value.h"

namespace runlog {

inline tl::unexpected<Error> unsound_reply() {
  return fail(ErrorCode::InvalidArgument, "the server's reply is unsound");
}

// Reads a reply's message with `read`, which may throw.
template <typename T, typename Read>
auto read_reply(const Expected<Reply>& reply, Read read)
    -> decltype(read(std::declval<typename T::Reader>())) {
  if (!reply) return tl::unexpected(reply.error());
  try {
    ReceivedMessage message(reply->body());
    return read(message.root<T>());
  } catch (const kj::Exception&) {
    return unsound_reply();
  }
}

template <typename T>
void set_run_id(OutgoingMessage<T>& message, std::string_view run_id) {
  RUNLOG_SET_TEXT(*message, RunId, run_id);
}

inline Expected<void> empty_reply(const Expected<Reply>& reply) {
  return reply ? Expected<void>() : tl::unexpected(reply.error());
}

}  // namespace runlog
