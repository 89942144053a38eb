// The program `runlog`.
#include <unistd.h>

#include <csignal>
#include <exception>

#include <fmt/format.h>

#include "server/command_line.h"
#include "server/console.h"

int main(int argc, char** argv) {
  using namespace runlog;
  // A reader that goes away (`runlog export | head`) shows as EPIPE, which Output keeps quiet
  // about; an import must not die of it half-way.
  std::signal(SIGPIPE, SIG_IGN);
  Output out(STDOUT_FILENO), err(STDERR_FILENO);
  Console console{out, err, screen_of(STDOUT_FILENO), screen_of(STDERR_FILENO)};
  ExitCode code = ExitCode::kBroken;
  try {
    code = run_command_line({argv, argv + argc}, console);
  } catch (const std::exception& error) {
    err.write(fmt::format("runlog: {}\n", error.what()));
  }
  if (auto flushed = out.flush(); !flushed) code = complain(console, flushed.error());
  static_cast<void>(err.flush());
  return int(code);
}
