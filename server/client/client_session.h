// One connection of a client: hello, then requests and their replies.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "server/client/client.h"
#include "server/protocol/frame.h"
#include "server/transport/connection.h"

namespace runlog {

// A request on its way. It may be sent more than once.
struct ClientRequest {
  Kind kind = Kind::kPing;
  std::string frame;             // its id is filled in when it is sent
  std::uint64_t give_up_at = 0;  // of the loop's clock, in milliseconds
  std::uint32_t attempts = 0;
  Client::Done done;
  std::function<bool(const Reply&)> on_reply;  // of a follow

  bool is_idempotent() const { return kind != Kind::kPausedClaim && kind != Kind::kBackup; }
};
using ClientRequestPtr = std::shared_ptr<ClientRequest>;

class ClientSession : public Protocol {
 public:
  // What a session tells its client. All on the loop.
  struct Events {
    // The server has accepted the hello.
    std::function<void(ClientSession&)> ready;
    std::function<void(const ClientRequestPtr&, Expected<Reply>)> answered;
    // The server could not take the request now; it may be sent again after a while.
    std::function<void(const ClientRequestPtr&, Error, std::uint32_t retry_after_ms)> put_off;
    // The connection is gone, and with it the replies to `lost`, which are in the order in which
    // they were sent. `is_final`: to come again changes nothing.
    std::function<void(ClientSession&, std::vector<ClientRequestPtr> lost, Error why,
                       bool is_final)> gone;
  };

  ClientSession(Connection& connection, const ClientOptions& options, Events events);

  bool has_room() const { return is_ready_ && open_.size() < max_in_flight_; }
  std::size_t in_flight() const { return open_.size(); }
  void send(const ClientRequestPtr& request);
  void close() { connection_.close(); }
  // Cancels the requests whose time is over by `now`, but not a follow that has begun.
  std::vector<ClientRequestPtr> take_late(std::uint64_t now);

  void on_bytes(std::string_view bytes) override;
  // Certificates do not get better by trying again.
  void on_tls_failed(const Error& error) override { end_with(error, !is_ready_); }
  void on_closed() override;

 private:
  void take(const FrameReader::Frame& frame);
  void take_hello(const FrameReader::Frame& frame);
  void cancel(std::uint64_t request_id);
  void take_failure(const ClientRequestPtr& request, std::span<const std::byte> body);
  void end_with(Error why, bool is_final);

  Events events_;
  FrameReader reader_{kMaxReplyBytes};
  bool is_ready_ = false, is_final_ = false;
  std::uint32_t max_in_flight_ = 0;
  std::uint64_t next_id_ = 2;  // the hello has 1
  std::map<std::uint64_t, ClientRequestPtr> open_;  // by their ids, in the order of sending
  Error why_{ErrorCode::IoError, "the server closed the connection"};
};

}  // namespace runlog
