#include "server/serve/server.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "server/http/http_connection.h"
#include "server/metrics/kind_names.h"
#include "server/metrics/server_metrics.h"
#include "server/open_log.h"
#include "server/serve/log_line.h"

namespace runlog {
namespace {

// The lock of the data directory: two servers would keep each other from the tenants, one by one.
Expected<std::unique_ptr<WriterLock>> lock_data(const std::filesystem::path& data) {
  if (auto made = make_directory(data); !made) return tl::unexpected(made.error());
  auto lock = WriterLock::take(data / "server.lock");
  if (!lock && lock.error().code == ErrorCode::Busy)
    return fail(ErrorCode::Busy, fmt::format("another server runs on '{}'", data.string()));
  return lock;
}

}  // namespace

Server::Server(const std::filesystem::path& data, const ServeConfig& config, ServerLog log)
    : log_(std::move(log)), grace_(config.drain), tenants_(data, config.tenants) {}

Server::~Server() { drain(); }

// ---- start -----------------------------------------------------------------------------------

Expected<std::unique_ptr<Server>> Server::start(const std::filesystem::path& data,
                                                const ServeConfig& config, ServerLog log) {
  std::unique_ptr<Server> server(new Server(data, config, std::move(log)));
  if (auto opened = server->open(config); !opened) return tl::unexpected(opened.error());
  return server;
}

Expected<void> Server::open(const ServeConfig& config) {
  auto lock = lock_data(tenants_.data());
  if (!lock) return tl::unexpected(lock.error());
  lock_ = std::move(*lock);
  auto tokens = Tokens::load(tenants_.data());
  if (!tokens) return tl::unexpected(tokens.error());
  tokens_ = std::move(*tokens);
  if (config.anonymous && !is_log(tenants_.data() / *config.anonymous))
    if (auto created = tenants_.create(*config.anonymous); !created) return created;

  loop_ = std::make_unique<Loop>(config.workers);
  sessions_ = std::make_unique<ProtocolServer>(*loop_, tenants_, *tokens_);
  sessions_->limits = config.limits;
  sessions_->anonymous_tenant = config.anonymous;
  sessions_->backups = config.backup_dir;
  door_.reset(new HttpDoor{tenants_, *tokens_, sessions_->loads});
  door_->limits = config.limits;
  if (config.anonymous) door_->anonymous = Grant{*config.anonymous, Role::kAdmin, {}};
  log_refusals();
  if (auto listening = listen_on_all(config); !listening) return listening;
  tending_ = std::jthread([this](const std::stop_token& stop) { tend(stop); });
  return {};
}

Expected<void> Server::listen_on_all(const ServeConfig& config) {
  ListenOptions options;
  options.max_connections = config.max_connections;
  options.timeouts = config.timeouts;
  if (config.tls) {
    auto tls = TlsContext::for_server(*config.tls);
    if (!tls) return tl::unexpected(tls.error());
    options.tls = std::move(*tls);
  }
  options.refusal = overloaded_frame();
  for (const std::string& text : config.listen)
    if (auto done = listen(text, "tcp", options, sessions_of(*sessions_)); !done) return done;
  options.refusal = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n"
                    "Connection: close\r\n\r\n";
  const std::string_view scheme = config.tls ? "https" : "http";
  for (const std::string& text : config.http)
    if (auto done = listen(text, scheme, options, [door = door_.get()](Connection& connection) {
          return std::make_unique<HttpConnection>(connection, *door);
        }); !done)
      return done;
  // Only now, since it reads what was changed until here.
  loop_->call([this] { door_->metrics_text = [this] { return metrics(); }; });
  return {};
}

Expected<void> Server::listen(std::string_view text, std::string_view scheme,
                              ListenOptions options, Listener::ProtocolFactory make_protocol) {
  auto address = Address::parse(text);
  if (!address) return tl::unexpected(address.error());
  if (address->kind == Address::Kind::kUnix) options.tls = nullptr;
  auto listener = Listener::open(*loop_, *address, options, std::move(make_protocol));
  if (!listener) return tl::unexpected(listener.error());
  std::string shown = (*listener)->address().text();
  constexpr std::string_view kTcp = "tcp:";
  if (shown.starts_with(kTcp)) shown = fmt::format("{}:{}", scheme, shown.substr(kTcp.size()));
  listeners_.push_back({std::move(shown), std::move(*listener)});
  return {};
}

std::vector<std::string> Server::addresses() const {
  std::vector<std::string> addresses;
  for (const Listening& each : listeners_) addresses.push_back(each.address);
  return addresses;
}

// ---- while it runs ---------------------------------------------------------------------------

// What the doors tell on the loop.
void Server::log_refusals() {
  door_->on_refused = [this](const Connection& connection, int status, std::string_view path) {
    log_(LogLevel::kWarning, LogLine("refused")
                                 .add("peer", connection.peer())
                                 .add("status", std::uint64_t(status))
                                 .add("path", path)
                                 .text());
  };
  sessions_->on_ended = [this](const SessionReport& session) {
    log_(LogLevel::kInfo, LogLine("connection")
                              .add("peer", session.peer)
                              .add("tenant", session.tenant)
                              .add("token", session.token_id)
                              .add("requests", session.requests)
                              .add("failed", session.failures)
                              .add("received", session.received_bytes)
                              .add("sent", session.sent_bytes)
                              .add("ms", session.milliseconds)
                              .add("ended", session.ended_because)
                              .text());
  };
  sessions_->on_refused = [this](const std::string& peer, const std::string& tenant,
                                 std::uint16_t kind, const Failure& failure) {
    log_(LogLevel::kWarning, LogLine("refused")
                                 .add("peer", peer)
                                 .add("tenant", tenant)
                                 .add("kind", socket_kind_name(kind))
                                 .add("why", failure.message)
                                 .text());
  };
  door_->on_failed = [this](const Connection& connection, const Error& error) {
    log_(LogLevel::kError, LogLine("stream")
                               .add("peer", connection.peer())
                               .add("why", error.message)
                               .text());
  };
  door_->on_ended = sessions_->on_ended;
}

void Server::log_failures(const std::vector<Error>& failures, std::string_view event) {
  for (const Error& failure : failures)
    log_(LogLevel::kError, LogLine(event).add("why", failure.message).text());
}

void Server::tend(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  while (!stopped.wait_for(lock, stop, std::chrono::seconds(1),
                           [&] { return stop.stop_requested(); }))
    log_failures(tenants_.tend(), "tenant");
}

void Server::measure() { tenants_.measure(); }

Expected<void> Server::reload_tokens() { return tokens_->reload(); }

void Server::reload(const ServeConfig& config) {
  log_failures(tenants_.set_options(config.tenants), "policy");
  loop_->call([&] { sessions_->limits = door_->limits = config.limits; });
}

std::string Server::metrics() {
  ServerMetrics server{{{"socket", sessions_->metrics, &socket_kind_name},
                        {"http", door_->metrics, &http_kind_name}}, {}, tenants_, *loop_};
  for (const Listening& each : listeners_)
    server.addresses.push_back({each.address, each.listener->counters()});
  return metrics_text(server);
}

void Server::drain() {
  if (std::exchange(is_drained_, true)) return;
  tending_.request_stop();
  if (door_) loop_->call([this] { door_->is_ready = false; });
  // All at once: while one waits for its last requests, another must not accept new ones.
  std::vector<std::thread> draining;
  for (const Listening& each : listeners_)
    draining.emplace_back([&each, this] { each.listener->drain(grace_); });
  for (std::thread& thread : draining) thread.join();
  // What was appended is acknowledged or lost by now; this makes the rest durable.
  log_failures(tenants_.close_all(), "closing");
  if (tending_.joinable()) tending_.join();
  listeners_.clear();
  sessions_.reset();
  loop_.reset();
  door_.reset();
}

}  // namespace runlog
