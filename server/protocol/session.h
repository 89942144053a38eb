// The socket protocol on one connection: hello, then requests, answered in whatever order they
// become ready. Short ones are answered on the loop, others by workers, appends by the log's
// commits.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "server/protocol/frame.h"
#include "server/protocol/load.h"
#include "server/protocol/message.h"
#include "server/protocol/protocol_metrics.h"
#include "server/protocol/requests.h"
#include "server/protocol/session_report.h"
#include "server/tenants/tenants.h"
#include "server/tenants/tokens.h"
#include "server/transport/connection.h"

namespace runlog {

class FollowClock;

inline constexpr const char* kNotTrusted = "the token was revoked or has expired";

// What all sessions of a server share. Made before its listeners and destroyed after them, but before
// the loop stops; tenants and tokens outlive the loop, whose workers use them. Changed on the loop
// alone.
struct ProtocolServer {
  ProtocolServer(Loop& on_loop, Tenants& all_tenants, const Tokens& all_tokens);
  ~ProtocolServer();

  Loop& loop;
  Tenants& tenants;
  const Tokens& tokens;
  LoadLimits limits;
  // Who comes without a token, from this machine, acts for this tenant and may do everything.
  std::optional<std::string> anonymous_tenant;
  std::uint32_t deadline_ms = 30'000;  // of a request that has none
  // Below it each tenant's backups lie, in a directory of its name; empty: there are none.
  std::filesystem::path backups;
  // For the server's log; called on the loop. May be empty.
  std::function<void(const SessionReport&)> on_ended;
  std::function<void(const std::string& peer, const std::string& tenant, std::uint16_t kind,
                     const Failure&)> on_refused;

  ProtocolMetrics metrics;
  TenantLoads loads;
  std::unique_ptr<FollowClock> follow_clock;
};

class Session : public Protocol {
 public:
  Session(Connection& connection, ProtocolServer& server);
  ~Session() override;

  // On the loop: the session of a connection that is still there, or null.
  static Session* of(const std::shared_ptr<Connection>& connection);

  void on_bytes(std::string_view bytes) override;
  void on_drained() override { take_frames(); }
  void on_end() override;
  void on_stopping() override;
  void on_closed() override;

  // For a follow: sends what is ready, see follow.h.
  ProtocolServer& server() { return server_; }
  Connection& connection() { return connection_; }
  const std::string& tenant() const { return grant_.tenant; }
  // One more reply to a request that stays open.
  void send_more(std::string frame);
  // The last reply to a request that is open. Who comes late must look at InFlight::given_up first:
  // the client may use the id again.
  void finish(std::uint64_t request_id, Expected<std::string> reply);
  void finish_with(std::uint64_t request_id, const Failure& failure);
  // The token that the hello came with still holds. Looks at it again about once a second.
  bool is_trusted();

 private:
  enum class State { kHello, kOpening, kReady, kClosing };
  struct Open {  // a request that was not answered at once
    std::uint16_t kind = 0;
    std::uint64_t began_ns = 0;
    std::uint64_t deadline = 0;  // of the loop's clock, in milliseconds
    InFlightPtr in_flight;
  };
  using OpenRequests = std::unordered_map<std::uint64_t, Open>;
  using Frame = FrameReader::Frame;

  void take_frames();
  void continue_later();
  void take(const Frame& frame);
  std::optional<Failure> objection_to(const Frame& frame);
  void dispatch(const Frame& frame, std::uint64_t began_ns);
  void say_hello(const Frame& frame);
  void open_log(std::uint64_t request_id, Expected<Grant> grant);
  void welcome(std::uint64_t request_id, Expected<Grant> grant);
  void cancel(const Frame& frame, std::uint64_t began_ns);
  void follow(const Frame& frame, std::uint64_t began_ns);
  void append(const Frame& frame, std::uint64_t began_ns);
  void answer_on_worker(const RequestKind& kind, const Frame& frame, std::uint64_t began_ns);
  InFlightPtr begin(const Frame& frame, std::uint64_t began_ns);
  void on_deadlines();
  void reply_now(const FrameHeader& header, std::uint64_t began_ns, Expected<std::string> reply);
  void refuse(const FrameHeader& header, const Failure& failure);
  void write(std::string frame);
  void forget(OpenRequests::iterator open);
  void end_with(const Failure& failure, std::uint64_t request_id = 0);
  void end_follows(const Failure& why);
  void close_when_done();

  ProtocolServer& server_;
  FrameReader reader_{kMaxHelloBytes};
  State state_ = State::kHello;
  bool is_stopping_ = false, has_ended_ = false, will_continue_ = false,
       waits_for_rest_ = false;
  Grant grant_;
  std::uint64_t granted_at_ = 0;
  std::shared_ptr<TenantLoad> load_;
  ByteRate rate_;
  OpenRequests open_;
  std::unique_ptr<Timer> deadlines_;
  std::uint64_t deadlines_set_to_ = UINT64_MAX;
  std::uint64_t began_at_ = 0;
  SessionReport report_;
};

// Makes the sessions of a listener. `server` outlives it.
inline std::function<std::unique_ptr<Protocol>(Connection&)> sessions_of(ProtocolServer& server) {
  return [&server](Connection& connection) {
    return std::make_unique<Session>(connection, server);
  };
}

// What a client over the limit of connections is told.
std::string overloaded_frame();

}  // namespace runlog
