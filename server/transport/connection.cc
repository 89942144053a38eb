#include "server/transport/connection.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>

#include <fmt/format.h>

namespace runlog {
namespace {

// A peer that has not closed by then, after we have, is not waited for.
constexpr std::uint64_t kLingerMs = 2'000;
constexpr unsigned kKeepAliveSeconds = 60;
// An idle connection keeps no more memory than this for what it will write next.
constexpr std::size_t kKeptCapacity = 2u << 10;

std::atomic<std::uint64_t> next_id{1};

Connection& connection_of(void* data) { return *static_cast<Connection*>(data); }

void add(std::atomic<std::uint64_t>& counter, std::uint64_t n) {
  counter.fetch_add(n, std::memory_order_relaxed);
}

void empty(std::string& bytes) {
  bytes.clear();
  if (bytes.capacity() > kKeptCapacity) std::string().swap(bytes);
}

}  // namespace

void Protocol::on_end() { connection_.close_after_writing(); }
void Protocol::on_stopping() { connection_.close_after_writing(); }

Connection::Connection(Loop& loop, Address::Kind kind, Settings settings)
    : loop_(loop), settings_(std::move(settings)), id_(next_id.fetch_add(1)) {
  if (kind == Address::Kind::kTcp) {
    uv_tcp_init(loop.uv(), &handle_.tcp);
  } else {
    uv_pipe_init(loop.uv(), &handle_.pipe, 0);
  }
  uv_timer_init(loop.uv(), &clock_);
  handle_.stream.data = clock_.data = write_.data = shutdown_.data = this;
  open_handles_ = 2;
}

Connection::~Connection() = default;

std::shared_ptr<Connection> Connection::make(Loop& loop, Address::Kind kind, Settings settings) {
  std::shared_ptr<Connection> connection(new Connection(loop, kind, std::move(settings)));
  connection->self_ = connection;
  return connection;
}

void Connection::begin(
    const std::function<std::unique_ptr<Protocol>(Connection&)>& make_protocol) {
  describe_peer();
  last_activity_ = loop_.now_ms();
  finish_within(settings_.timeouts.first_message);
  if (settings_.tls) {
    tls_ = std::make_unique<TlsStream>(settings_.tls, settings_.tls_host);
    schedule_flush();  // a client begins the handshake
  }
  protocol_ = make_protocol(*this);
  update_reading();
}

void Connection::describe_peer() {
  int descriptor = -1;
  uv_fileno(reinterpret_cast<uv_handle_t*>(stream()), &descriptor);
  sockaddr_storage address{};
  socklen_t bytes = sizeof address;
  ::getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &bytes);
  is_local_ = is_loopback(address);
  if (stream()->type == UV_TCP) {
    uv_tcp_nodelay(&handle_.tcp, 1);
    uv_tcp_keepalive(&handle_.tcp, 1, kKeepAliveSeconds);
    const unsigned timeout_ms = unsigned(settings_.timeouts.write.count());
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
    peer_ = host_and_port(address);
    return;
  }
  is_local_ = true;
  ucred who{};
  bytes = sizeof who;
  ::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &who, &bytes);
  peer_ = fmt::format("unix:pid={},uid={}", who.pid, who.uid);
}

// ---- reading ----------------------------------------------------------------------------------

void Connection::pause_reading() {
  is_paused_ = true;
  update_reading();
}

void Connection::resume_reading() {
  is_paused_ = false;
  update_reading();
}

void Connection::update_reading() {
  const bool shakes_hands = tls_ && !tls_->is_open();
  const bool wanted =
      !is_closing_ && !has_ended_ && (settings_.reads_always || !is_congested()) &&
      (shakes_hands || (closes_after_writing_ ? is_half_closed_ : !is_paused_));
  if (wanted == is_reading_ || is_closing_) return;
  is_reading_ = wanted;
  if (!wanted) {
    uv_read_stop(stream());
    return;
  }
  uv_read_start(
      stream(),
      [](uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
        auto& bytes = connection_of(handle->data).loop_.read_buffer();
        *buffer = uv_buf_init(bytes.data(), unsigned(bytes.size()));
      },
      [](uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
        connection_of(stream->data).on_read(count, buffer->base);
      });
}

void Connection::on_read(ssize_t count, const char* bytes) {
  if (count == 0) return;  // nothing was there after all
  if (count < 0) return on_end_of_stream(count == UV_EOF);
  last_activity_ = loop_.now_ms();
  received_bytes_ += std::uint64_t(count);
  add(settings_.counters->received_bytes, std::uint64_t(count));
  if (is_half_closed_) return;
  if (tls_) {
    take_sealed({bytes, std::size_t(count)});
  } else if (!closes_after_writing_) {
    protocol_->on_bytes({bytes, std::size_t(count)});
  }
  was_congested_ = was_congested_ || is_congested();
  update_reading();
}

void Connection::take_sealed(std::string_view bytes) {
  std::string plain;
  if (auto opened = tls_->open(bytes, plain); !opened)
    return fail_tls(opened.error());
  schedule_flush();  // what the handshake answers, and what waited for it
  if (!plain.empty() && !closes_after_writing_) protocol_->on_bytes(plain);
  if (tls_->has_ended() && !is_closing_) on_end_of_stream(true);
}

void Connection::on_end_of_stream(bool is_orderly) {
  if (has_ended_) return;
  has_ended_ = true;
  is_reading_ = false;
  uv_read_stop(stream());
  if (!is_orderly || closes_after_writing_) return close();
  protocol_->on_end();
}

// Tells the other side why, if it listens, and closes.
void Connection::fail_tls(const Error& error) {
  add(settings_.counters->tls_errors, 1);
  static_cast<void>(tls_->seal(queued_, sealed_));
  if (!sealed_.empty() && !is_writing_) {
    const uv_buf_t buffer = uv_buf_init(sealed_.data(), unsigned(sealed_.size()));
    static_cast<void>(uv_try_write(stream(), &buffer, 1));
  }
  protocol_->on_tls_failed(error);
  close();
}

// ---- writing ----------------------------------------------------------------------------------

void Connection::write(std::string bytes) {
  if (is_closing() || bytes.empty()) return;
  if (queued_.empty() && queued_.capacity() < bytes.size()) {
    queued_ = std::move(bytes);
  } else {
    queued_ += bytes;
  }
  was_congested_ = was_congested_ || is_congested();
  schedule_flush();
}

void Connection::schedule_flush() {
  if (will_flush_) return;
  will_flush_ = true;
  loop_.at_end_of_turn([this, alive = weak_from_this()] {
    if (alive.expired()) return;
    will_flush_ = false;
    flush();
  });
}

void Connection::flush() {
  if (is_closing_ || is_writing_) return;
  if (tls_)
    if (auto sealed = tls_->seal(queued_, sealed_); !sealed) return fail_tls(sealed.error());
  if (tls_ && queued_.empty()) empty(queued_);  // what it had stands in sealed_
  std::string& out = tls_ ? sealed_ : queued_;
  if (out.empty()) return queued_.empty() ? after_flush() : void();  // until hands are shaken
  uv_buf_t buffer = uv_buf_init(out.data(), unsigned(out.size()));
  int written = uv_try_write(stream(), &buffer, 1);
  if (written == UV_EAGAIN) written = 0;
  if (written < 0) return close();
  if (written > 0) last_activity_ = loop_.now_ms();
  sent_bytes_ += out.size();
  add(settings_.counters->sent_bytes, out.size());
  if (std::size_t(written) == out.size()) {
    empty(out);
    return queued_.empty() ? after_flush() : void();
  }
  leaving_.swap(out);
  buffer = uv_buf_init(leaving_.data() + written, unsigned(leaving_.size() - std::size_t(written)));
  const int error = uv_write(&write_, stream(), &buffer, 1, [](uv_write_t* write, int status) {
    connection_of(write->data).on_written(status);
  });
  if (error != 0) return close();
  is_writing_ = true;
  write_progress_ = loop_.now_ms();
  write_rest_ = stream()->write_queue_size;
  start_clock();
  update_reading();
}

void Connection::on_written(int status) {
  is_writing_ = false;
  if (is_closing_) return;
  if (status != 0) return close();
  last_activity_ = loop_.now_ms();
  empty(leaving_);
  flush();
}

// Nothing waits any more.
void Connection::after_flush() {
  if (closes_after_writing_) return half_close();
  if (was_congested_) {
    was_congested_ = false;
    protocol_->on_drained();
    was_congested_ = is_congested();
  }
  update_reading();
}

// ---- closing ----------------------------------------------------------------------------------

void Connection::close() {
  if (is_closing_) return;
  is_closing_ = true;
  is_reading_ = false;
  const auto closed = [](uv_handle_t* handle) { connection_of(handle->data).on_handle_closed(); };
  uv_close(reinterpret_cast<uv_handle_t*>(stream()), closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&clock_), closed);
}

void Connection::close_after_writing() {
  if (is_closing()) return;
  closes_after_writing_ = true;
  update_reading();
  schedule_flush();
}

void Connection::half_close() {
  if (is_half_closed_) return;
  if (tls_ && !has_said_goodbye_) {
    has_said_goodbye_ = true;
    tls_->close(sealed_);
    if (!sealed_.empty()) return schedule_flush();  // and then comes here again
  }
  if (has_ended_) return close();
  is_half_closed_ = true;
  if (uv_shutdown(&shutdown_, stream(), [](uv_shutdown_t*, int) {}) != 0) return close();
  finish_by_ = loop_.now_ms() + kLingerMs;
  start_clock();
  update_reading();
}

void Connection::on_handle_closed() {
  if (--open_handles_ > 0) return;
  if (protocol_) protocol_->on_closed();
  protocol_.reset();
  if (settings_.on_gone) settings_.on_gone(*this);
  self_.reset();  // the last line: this may be the end of it
}

// ---- time -------------------------------------------------------------------------------------

void Connection::finish_within(std::optional<std::chrono::milliseconds> time) {
  if (is_half_closed_) return;
  finish_by_ = time ? loop_.now_ms() + std::uint64_t(time->count()) : kNever;
  start_clock();
}

std::uint64_t Connection::deadline() const {
  std::uint64_t first =
      std::min(finish_by_, last_activity_ + std::uint64_t(settings_.timeouts.idle.count()));
  if (is_writing_) {
    first = std::min(first, write_progress_ + std::uint64_t(settings_.timeouts.write.count()));
  }
  return first;
}

// The clock is set back only to ring earlier: when it rings, it looks at what has changed.
void Connection::start_clock() {
  const std::uint64_t wanted = deadline();
  if (is_closing_ || wanted >= clock_set_to_) return;
  clock_set_to_ = wanted;
  const std::uint64_t now = loop_.now_ms();
  uv_timer_start(
      &clock_, [](uv_timer_t* timer) { connection_of(timer->data).on_clock(); },
      wanted > now ? wanted - now : 0, 0);
}

void Connection::on_clock() {
  clock_set_to_ = kNever;
  if (is_writing_ && stream()->write_queue_size < write_rest_) {
    write_rest_ = stream()->write_queue_size;
    write_progress_ = loop_.now_ms();
    last_activity_ = write_progress_;
  }
  if (deadline() > loop_.now_ms()) return start_clock();
  add(settings_.counters->timed_out, 1);
  close();
}

}  // namespace runlog
