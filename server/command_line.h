// From what the user typed to a command of commands.h: every option, its help and its limits.
#pragma once

#include <string>
#include <vector>

#include "server/console.h"

namespace runlog {

// `arguments` starts with the program's name, as main() gets it. Prints help and usage errors
// itself.
ExitCode run_command_line(const std::vector<std::string>& arguments, Console& console);

}  // namespace runlog
