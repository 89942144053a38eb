#include "log/json_mend.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <vector>

#include <fmt/format.h>

namespace runlog {
namespace {

constexpr std::string_view kReplacement = "\\ufffd";
constexpr std::size_t kEscapeBytes = 6;  // \uXXXX
constexpr std::size_t kDigitsShown = 20;

// The code of an escape \uXXXX that `text` begins with; nullopt if it does not.
std::optional<unsigned> escaped_code(std::string_view text) {
  if (text.size() < kEscapeBytes || text[0] != '\\' || text[1] != 'u') return std::nullopt;
  unsigned code = 0;
  const char* const end = text.data() + kEscapeBytes;
  if (std::from_chars(text.data() + 2, end, code, 16).ptr != end) return std::nullopt;
  return code;
}

bool is_high_half(std::optional<unsigned> code) { return code && *code >> 10 == 0xd800 >> 10; }
bool is_low_half(std::optional<unsigned> code) { return code && *code >> 10 == 0xdc00 >> 10; }

template <typename Number>
bool is_beyond(std::string_view digits) {
  Number number;
  return std::from_chars(digits.data(), digits.data() + digits.size(), number).ec ==
         std::errc::result_out_of_range;
}

class Mender {
 public:
  explicit Mender(std::string_view json) : rest_(json) { out_.text.reserve(json.size() + 16); }

  MendedJson run() {
    while (!rest_.empty()) {
      const char c = rest_.front();
      if (c == '"') {
        copy_string();
      } else if (c == '-' || (c >= '0' && c <= '9')) {
        copy_number();
      } else {
        if (c == '{' || c == '[') keys_.emplace_back();
        if ((c == '}' || c == ']') && !keys_.empty()) keys_.pop_back();
        copy(1);
      }
    }
    return std::move(out_);
  }

 private:
  void copy(std::size_t bytes) {
    out_.text.append(rest_.substr(0, bytes));
    rest_.remove_prefix(std::min(bytes, rest_.size()));
  }

  void copy_string() {
    copy(1);
    const std::string_view content = rest_;
    for (;;) {
      copy(std::min(rest_.find_first_of("\"\\"), rest_.size()));
      if (rest_.empty()) return;
      if (rest_.front() == '"') break;
      copy_escape();
    }
    const std::string_view text = content.substr(0, content.size() - rest_.size());
    copy(1);
    const std::size_t next = rest_.find_first_not_of(" \t\r\n");
    if (next != std::string_view::npos && rest_[next] == ':' && !keys_.empty()) keys_.back() = text;
  }

  void copy_escape() {
    const auto code = escaped_code(rest_);
    if (is_high_half(code) && is_low_half(escaped_code(rest_.substr(kEscapeBytes)))) {
      copy(2 * kEscapeBytes);
    } else if (is_high_half(code) || is_low_half(code)) {
      out_.text += kReplacement;
      rest_.remove_prefix(kEscapeBytes);
    } else {
      copy(2);
    }
  }

  void copy_number() {
    const std::string_view number =
        rest_.substr(0, std::min(rest_.find_first_not_of("+-.eE0123456789"), rest_.size()));
    const bool is_integer = number.find_first_of(".eE") == std::string_view::npos;
    copy(number.size());
    if (is_integer && is_beyond<std::int64_t>(number) &&
        (number.front() == '-' || is_beyond<std::uint64_t>(number))) {
      out_.text += "e0";
    }
    if (!out_.refusal && is_beyond<double>(number)) refuse(number);
  }

  void refuse(std::string_view number) {
    std::string_view field;
    for (const std::string_view key : keys_) {
      if (!key.empty()) field = key;
    }
    const bool is_long = number.size() > kDigitsShown;
    out_.refusal = Error{ErrorCode::InvalidArgument,
                         fmt::format("field '{}' is {}{}, beyond the limit of a number, 1.8e308",
                                     field, number.substr(0, kDigitsShown), is_long ? "…" : "")};
  }

  std::string_view rest_;
  std::vector<std::string_view> keys_;  // the latest at each level, empty in arrays
  MendedJson out_;
};

}  // namespace

MendedJson mend_json(std::string_view json) { return Mender(json).run(); }

}  // namespace runlog
