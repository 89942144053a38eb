// `runlog paused …`: the runs that wait to be resumed. As commands.h: options in, text out.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "log/paused_runs.h"
#include "server/commands.h"

namespace CLI {
class App;
}

namespace runlog {

struct PausedListOptions {
  PausedListRequest request;
  bool json = false;
  std::string invocation;  // see ListOptions
};
ExitCode run_paused_list(const LogPlace& place, const PausedListOptions& options, Console& console);

struct PausedRunOptions {
  std::string run_id;
  bool json = false;
};
ExitCode run_paused_get(const LogPlace& place, const PausedRunOptions& options, Console& console);
ExitCode run_paused_delete(const LogPlace& place, const PausedRunOptions& options,
                           Console& console);

struct PausedClaimOptions {
  std::string run_id;
  std::optional<std::string> node_id, correlation;
  std::string owner;
  bool json = false;
};
ExitCode run_paused_claim(const LogPlace& place, const PausedClaimOptions& options,
                          Console& console);

// Lines of JSON. Both go on after a refused line.
struct PausedInputOptions {
  std::vector<std::string> files;  // see ImportOptions
  bool json = false;
};
ExitCode run_paused_save(const LogPlace& place, const PausedInputOptions& options,
                         Console& console);
ExitCode run_paused_complete(const LogPlace& place, const PausedInputOptions& options,
                             Console& console);

// What the options of all of them are parsed into.
struct PausedOptions {
  PausedListOptions list;
  PausedRunOptions get, erase;
  PausedClaimOptions claim;
  PausedInputOptions save, complete;
};

// Adds `paused` and its commands to `app`. Parsing one fills `options` and sets `command` to what
// runs it; `finish` adds to each command what all commands of the program have.
using Command = std::function<ExitCode(const LogPlace&, Console&)>;
void add_paused_commands(CLI::App& app, PausedOptions& options, Command& command,
                         const std::function<void(CLI::App& command)>& finish);

}  // namespace runlog
