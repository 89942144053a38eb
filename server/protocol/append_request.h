// Appends: what a request's runs come to.
#pragma once

#include <functional>
#include <string>

#include "index/error.h"
#include "log/log.h"
#include "server/protocol/message.h"

namespace runlog {

// Encodes the runs of an Append and appends those that can be. `done` is called once with the
// reply frame, from this thread or the log's, when they are on disk; it keeps the log alive until
// then, and must not let go of it in the log's thread. May throw kj::Exception, before `done`.
void append_runs(Log& log, ReceivedMessage& message, std::uint64_t request_id,
                 std::function<void(Expected<std::string>)> done);

}  // namespace runlog
