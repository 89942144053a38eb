// A connection: a stream of bytes with a peer, and the protocol that makes sense of them. The
// transport reads, queues and writes, closes who is silent or does not read, and knows nothing of
// what the bytes mean.
//
// Everything here happens on the loop's thread. A worker that will answer later keeps a
// std::weak_ptr<Connection> and posts to the loop, where it locks it: the connection may be gone.
#pragma once

#include <uv.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/transport/address.h"
#include "server/transport/loop.h"
#include "server/transport/tls.h"

namespace runlog {

// What a protocol implements; one object for each connection. Called on the loop, never from
// within a function of the connection that it calls itself.
class Connection;
class Protocol {
 public:
  explicit Protocol(Connection& connection) : connection_(connection) {}
  virtual ~Protocol() = default;
  // Bytes have come, in pieces of any size. They are gone when this returns, so the protocol keeps
  // what it cannot use yet. While its answers are more than the peer takes (is_congested()), it
  // should leave the rest of what it has until on_drained().
  virtual void on_bytes(std::string_view bytes) = 0;
  // The connection was congested, and everything that was written has left.
  virtual void on_drained() {}
  // The peer will send nothing more, but may still read: answers that are due should be written
  // before the protocol closes. By default it closes once what was written has left.
  virtual void on_end();
  // The server stops: finish what was begun and close, within the grace of Listener::drain. By
  // default it closes once what was written has left.
  virtual void on_stopping();
  // TLS failed, over a certificate perhaps; the connection is about to be closed.
  virtual void on_tls_failed(const Error&) {}
  // The connection is closed, by whomever; the last call.
  virtual void on_closed() {}

 protected:
  Connection& connection_;  // outlives the protocol
};

// Counts of all connections of a listener. Written on the loop, read by any thread.
struct TransportCounters {
  std::atomic<std::uint64_t> accepted{0}, refused{0}, accept_errors{0}, timed_out{0}, tls_errors{0};
  std::atomic<std::uint64_t> received_bytes{0}, sent_bytes{0};
  std::atomic<std::uint64_t> open{0};
};

struct ConnectionTimeouts {
  // Within this time the first message has to be there, which the protocol says by
  // Connection::finish_within(nullopt).
  std::chrono::milliseconds first_message{2'000};
  // No byte has come or gone for so long.
  std::chrono::milliseconds idle{600'000};
  // Bytes wait to be written and the peer has taken none for so long.
  std::chrono::milliseconds write{30'000};
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Nothing is read while more than this waits to be written; a Connector's connection reads on.
  static constexpr std::size_t kCongestedBytes = 64u << 10;

  // Queues bytes. They leave at the end of the loop's turn, together with whatever else is written
  // in it. Nothing happens after close().
  void write(std::string bytes);
  // More bytes wait than the peer takes. No on_bytes() comes until they have left.
  bool is_congested() const { return waiting_bytes() > kCongestedBytes; }
  // Bytes that were written and have not left.
  std::size_t waiting_bytes() const {
    return queued_.size() + sealed_.size() + stream()->write_queue_size;
  }

  // No on_bytes() until resume_reading(): the protocol has as much to do as it wants to have. What
  // happens in between: nothing is read, and the peer's sending stalls.
  void pause_reading();
  void resume_reading();

  // The peer must have finished what it has begun (its hello, a request of which a part is there)
  // within `time`, or it is closed; nullopt: there is nothing to wait for. In force from the
  // beginning with ConnectionTimeouts::first_message.
  void finish_within(std::optional<std::chrono::milliseconds> time);

  // Closes at once; what was not written is lost.
  void close();
  // Closes once everything that was written has left, and the peer has closed too or two seconds
  // are over: a socket that is closed with unread bytes in it takes back what it sent. What comes
  // meanwhile is thrown away, and what is written later is ignored.
  void close_after_writing();
  bool is_closing() const { return is_closing_ || closes_after_writing_; }

  Loop& loop() { return loop_; }
  // Unique among all connections of the process.
  std::uint64_t id() const { return id_; }
  // "127.0.0.1:40112", or "unix:pid=12,uid=0" with the peer's process and user.
  const std::string& peer() const { return peer_; }
  // The peer is on this machine: a unix socket or a loopback address.
  bool is_local() const { return is_local_; }
  std::uint64_t received_bytes() const { return received_bytes_; }
  std::uint64_t sent_bytes() const { return sent_bytes_; }  // those that wait in libuv too
  Protocol& protocol() { return *protocol_; }

  ~Connection();

 private:
  friend class Listener;
  friend class Connector;
  static constexpr std::uint64_t kNever = UINT64_MAX;
  struct Settings {
    ConnectionTimeouts timeouts;
    std::shared_ptr<TransportCounters> counters;
    std::function<void(Connection&)> on_gone;  // after Protocol::on_closed
    std::shared_ptr<const TlsContext> tls;     // null: none
    std::string tls_host;                      // see TlsStream
    // Of one side of every two: if neither read while it has much to write, both would wait.
    bool reads_always = false;
  };
  // With a handle that is not connected; begin() follows when it is, or close().
  Connection(Loop& loop, Address::Kind kind, Settings settings);
  static std::shared_ptr<Connection> make(Loop& loop, Address::Kind kind, Settings settings);
  void begin(const std::function<std::unique_ptr<Protocol>(Connection&)>& make_protocol);
  void describe_peer();

  void update_reading();
  void on_read(ssize_t count, const char* bytes);
  void take_sealed(std::string_view bytes);
  void on_end_of_stream(bool is_orderly);
  void fail_tls(const Error& error);
  void schedule_flush();
  void flush();
  void on_written(int status);
  void after_flush();
  void half_close();
  std::uint64_t deadline() const;
  void start_clock();
  void on_clock();
  void on_handle_closed();

  uv_stream_t* stream() { return &handle_.stream; }
  const uv_stream_t* stream() const { return &handle_.stream; }

  Loop& loop_;
  Settings settings_;
  std::uint64_t id_;
  union {
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } handle_{};
  uv_timer_t clock_{};
  unsigned open_handles_ = 0;
  std::shared_ptr<Connection> self_;  // until libuv has let go of the handles
  std::unique_ptr<Protocol> protocol_;
  std::string peer_;
  bool is_local_ = false;

  std::unique_ptr<TlsStream> tls_;
  std::string queued_;   // leaves at the end of the turn
  std::string sealed_;   // the same under TLS, once it is encrypted
  std::string leaving_;  // with libuv, which has not called back
  uv_write_t write_{};
  uv_shutdown_t shutdown_{};
  bool is_writing_ = false, will_flush_ = false, was_congested_ = false;

  bool is_reading_ = false, is_paused_ = false, has_ended_ = false, is_half_closed_ = false;
  bool is_closing_ = false, closes_after_writing_ = false, has_said_goodbye_ = false;

  // Times of the loop's clock, in milliseconds.
  std::uint64_t last_activity_ = 0;
  std::uint64_t finish_by_ = kNever;
  std::uint64_t clock_set_to_ = kNever;
  std::uint64_t write_progress_ = 0;   // when the peer last took bytes, while some wait
  std::size_t write_rest_ = 0;         // that waited then
  std::uint64_t received_bytes_ = 0, sent_bytes_ = 0;
};

}  // namespace runlog
