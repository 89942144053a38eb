// Where a command's answers and complaints go: buffered output on a descriptor, what the terminal
// behind it can show, and the exit codes.
#pragma once

#include <string>
#include <string_view>

#include "index/error.h"

namespace runlog {

// The meaning is part of the command line's contract; scripts depend on it.
enum class ExitCode : int {
  kDone = 0,
  kRefused = 1,  // refused input, or what was asked for is not there
  kUsage = 2,
  kBroken = 3,  // I/O, a full disk, corruption, a log held by another process, a stopped import
};

// Buffered text on a descriptor that somebody else opened and closes. Not thread-safe.
class Output {
 public:
  explicit Output(int descriptor) : descriptor_(descriptor) {}
  ~Output() { static_cast<void>(flush()); }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // Never fails by itself: the first failed write makes all later ones do nothing.
  void write(std::string_view text);
  // Errors: IoError of the first failed write since the start. A reader that went away (EPIPE) is
  // no error: whoever closed the pipe has what he wanted, see reader_gone().
  Expected<void> flush();
  bool failed() const { return failure_ != 0; }
  bool reader_gone() const;

 private:
  int descriptor_;
  int failure_ = 0;  // errno of the first failed write
  std::string buffer_;
};

enum class Style { kPlain, kBold, kDim, kGood, kBad, kWarning };

// What the place that the text goes to can show.
struct Screen {
  unsigned columns = 0;  // 0: not a terminal, lines may have any length
  bool colour = false;
  bool utf8 = true;

  bool is_terminal() const { return columns != 0; }
  std::string paint(std::string_view text, Style style) const;
  std::string_view ellipsis() const { return utf8 ? "…" : "..."; }
  std::string_view dash() const { return utf8 ? "–" : "-"; }
};

// Looks at the descriptor, the locale, COLUMNS, NO_COLOR and TERM.
Screen screen_of(int descriptor);

struct Console {
  Output& out;
  Output& err;
  Screen screen;      // of `out`
  Screen err_screen;  // of `err`
};

// Writes a line that is about the answer and no part of it: dimmed on a terminal, to `err` where
// the answer goes into a pipe, for rows that go into a pipe are rows.
void remark(Console& console, std::string_view text);

ExitCode exit_code_of(const Error& error);

// Writes "runlog: <sentence>." to `console.err` and returns the exit code that fits.
ExitCode complain(Console& console, const Error& error);

}  // namespace runlog
