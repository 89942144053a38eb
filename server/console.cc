#include "server/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <langinfo.h>
#include <strings.h>
#include <system_error>

#include <fmt/format.h>

namespace runlog {
namespace {

constexpr std::size_t kBufferBytes = 64u << 10;
constexpr unsigned kUsualColumns = 80;  // of a terminal that does not say how wide it is

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

bool ends_with_utf8(std::string_view locale) {
  for (std::string_view ending : {std::string_view("utf-8"), std::string_view("utf8")}) {
    if (locale.size() >= ending.size() &&
        ::strncasecmp(locale.data() + locale.size() - ending.size(), ending.data(),
                      ending.size()) == 0) {
      return true;
    }
  }
  return false;
}

// A container often names a locale that it has not installed; setlocale() then fails, and the name
// is the better witness of what the terminal understands.
bool locale_is_utf8() {
  if (std::setlocale(LC_CTYPE, "") != nullptr) {
    return std::strcmp(::nl_langinfo(CODESET), "UTF-8") == 0;
  }
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (std::string_view value = environment(name); !value.empty()) return ends_with_utf8(value);
  }
  return false;
}

unsigned columns_of(int descriptor) {
  if (::isatty(descriptor) == 0) return 0;
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const long columns = std::strtol(std::string(environment("COLUMNS")).c_str(), nullptr, 10);
  return columns > 0 && columns < 10'000 ? unsigned(columns) : kUsualColumns;
}

}  // namespace

void Output::write(std::string_view text) {
  if (failure_ != 0) return;
  buffer_.append(text);
  if (buffer_.size() >= kBufferBytes) static_cast<void>(flush());
}

Expected<void> Output::flush() {
  std::size_t written = 0;
  while (failure_ == 0 && written < buffer_.size()) {
    const ssize_t n = ::write(descriptor_, buffer_.data() + written, buffer_.size() - written);
    if (n >= 0) {
      written += std::size_t(n);
    } else if (errno != EINTR) {
      failure_ = errno;
    }
  }
  buffer_.clear();
  if (failure_ == 0 || reader_gone()) return {};
  return fail(ErrorCode::IoError, fmt::format("the output could not be written: {}",
                                              std::generic_category().message(failure_)));
}

bool Output::reader_gone() const { return failure_ == EPIPE; }

std::string Screen::paint(std::string_view text, Style style) const {
  const char* code = nullptr;
  switch (style) {
    case Style::kPlain: break;
    case Style::kBold: code = "1"; break;
    case Style::kDim: code = "2"; break;
    case Style::kGood: code = "32"; break;
    case Style::kBad: code = "31"; break;
    case Style::kWarning: code = "33"; break;
  }
  if (!colour || code == nullptr || text.empty()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

Screen screen_of(int descriptor) {
  Screen screen;
  screen.columns = columns_of(descriptor);
  screen.colour = screen.is_terminal() && environment("NO_COLOR").empty() &&
                  environment("TERM") != "dumb";
  screen.utf8 = locale_is_utf8();
  return screen;
}

void remark(Console& console, std::string_view text) {
  if (console.screen.is_terminal()) {
    console.out.write(console.screen.paint(text, Style::kDim) + "\n");
  } else {
    console.err.write(fmt::format("{}\n", text));
  }
}

ExitCode exit_code_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::NotFound:
    case ErrorCode::InvalidArgument:
    case ErrorCode::TooLarge: return ExitCode::kRefused;
    case ErrorCode::Corruption:
    case ErrorCode::IoError:
    case ErrorCode::DiskFull:
    case ErrorCode::Busy:
    case ErrorCode::OutcomeUnknown:
    case ErrorCode::Closed:
    case ErrorCode::ArchiveFailed: return ExitCode::kBroken;
  }
  return ExitCode::kBroken;
}

ExitCode complain(Console& console, const Error& error) {
  console.err.write(fmt::format("runlog: {}\n", error.message));
  return exit_code_of(error);
}

}  // namespace runlog
