#include "server/serve/serve_command.h"

#include <sys/resource.h>

#include <csignal>
#include <ctime>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "server/filter_options.h"
#include "server/serve/config.h"
#include "server/serve/log_line.h"
#include "server/serve/notify.h"
#include "server/serve/server.h"

namespace runlog {
namespace {

// SIGTERM, SIGINT and SIGHUP as something to wait for. While this lives they do nothing else, in
// any thread that is started later; a second SIGTERM or SIGINT after let_end() ends the process.
class ServeSignals {
 public:
  ServeSignals() {
    ::sigemptyset(&ours_);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&ours_, signal);
    ::pthread_sigmask(SIG_BLOCK, &ours_, &before_);
  }
  ~ServeSignals() { let_end(); }
  ServeSignals(const ServeSignals&) = delete;
  ServeSignals& operator=(const ServeSignals&) = delete;

  // The next signal, or 0 when none has come within a second.
  int wait() const {
    const timespec second{1, 0};
    const int signal = ::sigtimedwait(&ours_, nullptr, &second);
    return signal > 0 ? signal : 0;
  }
  void let_end() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t ours_{}, before_{};
};

// Lines wait in memory for the thread that writes them; when nobody reads them, the oldest are
// lost, and no request waits.
class LogWriter {
 public:
  LogWriter() {
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    logger_ = std::make_shared<spdlog::async_logger>("runlog", std::move(sink), threads_,
                                                     spdlog::async_overflow_policy::overrun_oldest);
    logger_->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
  }
  ServerLog log() {
    return [logger = logger_](LogLevel level, const std::string& line) {
      static constexpr spdlog::level::level_enum kLevels[] = {
          spdlog::level::info, spdlog::level::warn, spdlog::level::err};
      logger->log(kLevels[unsigned(level)], spdlog::string_view_t(line));
    };
  }

 private:
  static constexpr std::size_t kMostLines = 8192;
  std::shared_ptr<spdlog::details::thread_pool> threads_ =
      std::make_shared<spdlog::details::thread_pool>(kMostLines, 1);
  std::shared_ptr<spdlog::logger> logger_;
};

// As many descriptors as the process may have: each connection and each open tenant needs some.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

Expected<ServeConfig> config_of(const ServeOptions& options) {
  ServeConfig config;
  if (!options.config.empty()) {
    auto read = read_config(options.config);
    if (!read) return read;
    config = std::move(*read);
  }
  const auto replace = [](const std::vector<std::string>& given, std::vector<std::string>& list) {
    if (given.empty()) return;
    list = given;
    std::erase(list, "none");
  };
  replace(options.listen, config.listen);
  replace(options.http, config.http);
  if (options.anonymous) config.anonymous = options.anonymous;
  config.allow_plaintext = config.allow_plaintext || options.allow_plaintext;
  if (auto good = check_config(config); !good) return tl::unexpected(good.error());
  return config;
}

void reload(Server& server, const ServeOptions& options, const ServerLog& log) {
  notify_reloading();
  const auto say = [&](const Error& error) {
    log(LogLevel::kError, LogLine("not reloaded").add("why", error.message).text());
  };
  // A token that was taken back must go, whatever the configuration is like.
  const auto tokens = server.reload_tokens();
  if (!tokens) say(tokens.error());
  const auto config = config_of(options);
  if (config)
    server.reload(*config);
  else
    say(config.error());
  if (tokens && config) log(LogLevel::kInfo, "reloaded");
  notify_service("READY=1");
}

}  // namespace

ExitCode run_serve(const LogPlace& place, const ServeOptions& options, Console& console) {
  auto config = config_of(options);
  if (!config) return complain(console, config.error());
  raise_descriptor_limit();
  ServeSignals signals;  // before any thread is started
  LogWriter writer;
  const ServerLog log = writer.log();
  auto server = Server::start(place.data, *config, log);
  if (!server) return complain(console, server.error());
  for (const std::string& address : (*server)->addresses())
    console.out.write(fmt::format("listening {}\n", address));
  if (auto told = console.out.flush(); !told) return complain(console, told.error());
  notify_service("READY=1");

  int signal = 0;
  while (signal != SIGTERM && signal != SIGINT) {
    signal = signals.wait();
    if (signal == SIGHUP) reload(**server, options, log);
    if (signal == 0) (*server)->measure();
  }
  notify_service("STOPPING=1");
  signals.let_end();
  (*server)->drain();
  log(LogLevel::kInfo, "stopped");
  return ExitCode::kDone;
}

void add_serve_command(CLI::App& app, ServeOptions& options, Command& command,
                       const std::function<void(CLI::App& command)>& finish) {
  CLI::App& serve = *app.add_subcommand("serve", "Serve the logs over sockets and HTTP");
  serve.footer("SIGTERM ends what was begun and stops; SIGHUP reads tokens, limits and policies "
               "again.\n\nExample:\n  runlog serve --data ./history --anonymous default\n  runlog "
               "serve --data /var/lib/runlog --config /etc/runlog/runlog.toml");
  finish(serve);
  serve.add_option("--listen", options.listen,
                   "tcp://HOST:PORT or unix:PATH, any number of times; none (default: "
                   "tcp://127.0.0.1:7414)")
      ->take_all()->expected(1)->check(refuse_empty)->type_name("ADDRESS");
  serve.add_option("--http", options.http,
                   "HOST:PORT, any number of times; none (default: 127.0.0.1:7480)")
      ->take_all()->expected(1)->check(refuse_empty)->type_name("ADDRESS");
  serve.add_option("--config", options.config, "A TOML file: limits, policies, certificates")
      ->check(refuse_empty)->type_name("FILE");
  serve.add_option("--anonymous", options.anonymous,
                   "Who comes without a token may do everything in this tenant; only with "
                   "addresses that no other machine can reach")
      ->check(refuse_empty)->type_name("TENANT");
  serve.add_flag("--allow-plaintext", options.allow_plaintext,
                 "Other machines may connect without TLS: tokens travel in the clear");
  serve.callback([&command, &options] {
    command = [&options](const LogPlace& place, Console& console) {
      return run_serve(place, options, console);
    };
  });
}

}  // namespace runlog
