// A client of runlog's socket protocol (server/PROTOCOL.md): a few connections that are made again
// when they are lost, and requests that are sent again where that is safe. remote_log.h asks a
// log's questions with it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "index/error.h"
#include "server/client/client_options.h"
#include "server/protocol/message.h"

namespace runlog {

// The body of a reply.
class Reply {
 public:
  explicit Reply(std::span<const std::byte> body);
  std::span<const std::byte> body() const {
    return {reinterpret_cast<const std::byte*>(words_.data()), words_.size() * 8};
  }

 private:
  std::vector<std::uint64_t> words_;
};

class Client {
 public:
  // Connects and says hello. Errors: NotFound (no such host, no such tenant); InvalidArgument (the
  // token or a certificate is refused; a tls:// address without ClientOptions::tls); IoError (nobody
  // listens there); Busy, IoError (a server that takes
  // connections and drops them, or is overloaded, is tried again until the patience is over).
  static Expected<std::unique_ptr<Client>> connect(ClientOptions options);
  // Gives up what is in flight: it fails with Closed.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // All functions below are thread-safe.

  // Sends a request. `done` is called once, on the client's own thread, and must not block. A
  // request that was lost with its connection, or that the server could not take, is sent again,
  // except for a claim and a backup. Errors: the server's (see error_of); IoError (no connection
  // within the patience); OutcomeUnknown (one of these was lost; no reply within the patience);
  // Closed.
  using Done = std::function<void(Expected<Reply>)>;
  void send(Kind kind, MessageSpace& message, Done done);
  // The same, waiting for the reply. Not on the client's own thread.
  Expected<Reply> ask(Kind kind, MessageSpace& message);

  // Sends a Follow: `on_reply` is called with each reply until it returns false or the connection
  // is lost; then `done`, with that error or Closed. It is not sent again: whoever follows knows
  // where to go on.
  void follow(MessageSpace& message, std::function<bool(const Reply&)> on_reply,
              std::function<void(Error)> done);

 private:
  explicit Client(ClientOptions options);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A failure as an Error. Codes that ErrorCode has not: OVERLOADED and the like become Busy; a
// refused token or role InvalidArgument; DEADLINE OutcomeUnknown.
Error error_of(FailureCode code, std::string message);

}  // namespace runlog
