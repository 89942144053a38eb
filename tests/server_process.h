// The real `runlog serve` as a process, for end-to-end tests: it tells when it is ready, has
// reloaded and stops by the way that it tells systemd, so that no test has to guess.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/cli_process.h"
#include "tests/faults/child_process.h"

namespace runlog {

// What systemd has: a socket that services send their state to.
class NotifySocket {
 public:
  explicit NotifySocket(std::string path) : path_(std::move(path)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    descriptor_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const timeval patience{30, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::bind(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("cannot bind " + path_);
  }
  ~NotifySocket() { ::close(descriptor_); }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  const std::string& path() const { return path_; }
  // The next state; empty if none comes for 30 s.
  std::string receive() {
    char state[512];
    const ssize_t bytes = ::recv(descriptor_, state, sizeof state, 0);
    return bytes > 0 ? std::string(state, std::size_t(bytes)) : std::string();
  }

 private:
  std::string path_;
  int descriptor_;
};

class ServerProcess {
 public:
  // Serves `data` on free ports of TCP and HTTP, with `options` besides; `limits` are shell commands
  // that come first, such as "ulimit -n 40". Throws std::runtime_error, with the server's complaint,
  // if it ends.
  explicit ServerProcess(const std::string& data, const std::vector<std::string>& options = {},
                         const std::string& limits = ":") {
    std::vector<std::string> arguments = {
        "-c", limits + "; log=$1; shift; exec \"$RUNLOG\" serve \"$@\" 2>\"$log\"", "sh",
        folder_.file("log"), "--data", data, "--listen", "tcp://127.0.0.1:0"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    if (std::find(options.begin(), options.end(), "--http") == options.end())
      arguments.insert(arguments.end(), {"--http", "127.0.0.1:0"});
    process_ = std::make_unique<faults::ChildProcess>(
        "/bin/sh", arguments,
        faults::Environment{{"RUNLOG", RUNLOG_CLI_PATH}, {"NOTIFY_SOCKET", notify_.path()}});
    constexpr std::string_view kListening = "listening ";
    const auto expected =
        std::size_t(std::count(arguments.begin(), arguments.end(), "--listen") +
                    std::count(arguments.begin(), arguments.end(), "--http") -
                    std::count(arguments.begin(), arguments.end(), "none"));
    std::string line;
    while (addresses_.size() < expected && process_->read_line(line) &&
           line.starts_with(kListening))
      addresses_.push_back(line.substr(kListening.size()));
    if (addresses_.size() < expected || notify_.receive() != "READY=1")
      throw std::runtime_error("no server: " + log());
  }

  // In the order in which they were printed.
  const std::vector<std::string>& addresses() const { return addresses_; }
  // What it has logged so far.
  std::string log() const { return read_text(folder_.file("log")); }

  // SIGHUP; returns when the server has reloaded.
  void reload() {
    process_->send(SIGHUP);
    if (!notify_.receive().starts_with("RELOADING=1\nMONOTONIC_USEC=") ||
        notify_.receive() != "READY=1")
      throw std::runtime_error("the server did not reload: " + log());
  }
  void send(int signal) { process_->send(signal); }
  // Waits until the server has taken notice of SIGTERM or SIGINT.
  void wait_for_stopping() {
    if (notify_.receive() != "STOPPING=1") throw std::runtime_error("the server does not stop");
  }
  faults::Ending wait() { return process_->wait(); }
  faults::Ending stop() {
    send(SIGTERM);
    return wait();
  }

 private:
  CliFolder folder_;
  NotifySocket notify_{folder_.file("notify")};
  std::unique_ptr<faults::ChildProcess> process_;
  std::vector<std::string> addresses_;
};

}  // namespace runlog
