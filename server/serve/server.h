// A running server: the tenants of one data directory behind the socket protocol and HTTP.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "index/error.h"
#include "log/file_io.h"
#include "server/http/http_door.h"
#include "server/protocol/session.h"
#include "server/serve/config.h"
#include "server/tenants/tenants.h"
#include "server/tenants/tokens.h"
#include "server/transport/listener.h"
#include "server/transport/loop.h"

namespace runlog {

// Takes the lines of the server's log. Called by any thread; must not block.
enum class LogLevel { kInfo, kWarning, kError };
using ServerLog = std::function<void(LogLevel level, const std::string& line)>;

// Used by one thread, but for what says otherwise.
class Server {
 public:
  // Listens on every address of `config`, which check_config() has accepted. Makes the data
  // directory and the anonymous tenant if they are not there.
  // Errors: Busy (another server runs on `data`, or somebody listens there); those of Tokens::load,
  // Tenants::create and Listener::open.
  static Expected<std::unique_ptr<Server>> start(const std::filesystem::path& data,
                                                 const ServeConfig& config, ServerLog log);
  // drain(), unless that was done.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Where it listens, with the ports that were chosen: tcp://127.0.0.1:7414, http://127.0.0.1:7480.
  std::vector<std::string> addresses() const;

  // What must be done about once a second, see Tenants::measure.
  void measure();
  // Takes tokens as they are on disk. Connections stay open; the next request of one whose token is
  // gone is refused. Errors: those of Tokens::reload.
  Expected<void> reload_tokens();
  // Takes policies and limits of `config`. What else it has stays as it is.
  void reload(const ServeConfig& config);
  // Accepts no more, lets requests that have begun end, syncs and closes the logs.
  void drain();

 private:
  Server(const std::filesystem::path& data, const ServeConfig& config, ServerLog log);
  Expected<void> open(const ServeConfig& config);
  Expected<void> listen(std::string_view text, std::string_view scheme,
                        ListenOptions options, Listener::ProtocolFactory make_protocol);
  Expected<void> listen_on_all(const ServeConfig& config);
  void tend(const std::stop_token& stop);
  void log_refusals();
  void log_failures(const std::vector<Error>& failures, std::string_view event);
  std::string metrics();

  const ServerLog log_;
  std::unique_ptr<WriterLock> lock_;  // of the data directory
  const std::chrono::milliseconds grace_;
  Tenants tenants_;
  std::unique_ptr<Tokens> tokens_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<ProtocolServer> sessions_;
  std::unique_ptr<HttpDoor> door_;
  struct Listening {
    std::string address;
    std::unique_ptr<Listener> listener;
  };
  std::vector<Listening> listeners_;
  bool is_drained_ = false;
  std::jthread tending_;  // Tenants::tend, again and again: it may wait for a log's maintenance
};

}  // namespace runlog
