// `runlog serve`. As commands.h: options in, text out.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "server/commands.h"

namespace CLI {
class App;
}

namespace runlog {

struct ServeOptions {
  std::string config;                // a file; empty: none
  std::vector<std::string> listen;   // in place of the file's; "none": no such door
  std::vector<std::string> http;
  std::optional<std::string> anonymous;
  bool allow_plaintext = false;
};

// Runs until SIGTERM or SIGINT; SIGHUP reloads. Prints "listening ADDRESS" once it does; its log
// goes to the standard error output.
ExitCode run_serve(const LogPlace& place, const ServeOptions& options, Console& console);

// Adds the command to `app`, as add_retention_commands. `finish` adds the data directory's option.
using Command = std::function<ExitCode(const LogPlace&, Console&)>;
void add_serve_command(CLI::App& app, ServeOptions& options, Command& command,
                       const std::function<void(CLI::App& command)>& finish);

}  // namespace runlog
