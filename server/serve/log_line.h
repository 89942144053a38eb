// A line of the server's log: an event and its values, as key=value, so that people and programs
// can read it. Values come from outside: none can begin a line or pretend to be another value.
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

#include "server/display_text.h"

namespace runlog {

class LogLine {
 public:
  explicit LogLine(std::string_view event) : text_(event) {}

  // Empty texts are left out.
  LogLine& add(std::string_view key, std::string_view value) {
    if (value.empty()) return *this;
    const std::string clean = printable(value);
    const bool is_plain = clean.find_first_of(" =\"\\") == std::string::npos;
    text_ += fmt::format(" {}=", key);
    text_ += is_plain ? clean : quoted(clean);
    return *this;
  }
  LogLine& add(std::string_view key, std::uint64_t value) {
    text_ += fmt::format(" {}={}", key, value);
    return *this;
  }

  const std::string& text() const { return text_; }

 private:
  static std::string quoted(std::string_view value) {
    std::string out = "\"";
    for (const char c : value) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    return out + '"';
  }
  std::string text_;
};

}  // namespace runlog
