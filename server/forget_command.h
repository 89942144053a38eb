// `runlog forget`: removes runs for good. As commands.h: options in, text out.
#pragma once

#include <functional>

#include "log/forget.h"
#include "server/retention_commands.h"

namespace runlog {

struct ForgetOptions {
  ForgetRequest request;
  bool dry_run = false;
  bool yes = false;  // do not ask
  bool json = false;
};
// Asks whoever sits at the terminal first, unless `yes`; where nobody sits it is refused without.
ExitCode run_forget(const LogPlace& place, const ForgetOptions& options, Console& console);

// As add_retention_commands().
void add_forget_command(CLI::App& app, ForgetOptions& options, Command& command,
                        const std::function<void(CLI::App& command)>& finish);

}  // namespace runlog
