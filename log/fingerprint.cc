// Error messages with everything masked that differs between two failures of one kind.
#include "log/record_head.h"

namespace runlog {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
// Bytes of characters beyond ASCII count as words without digits.
bool is_word(char c) {
  return is_digit(c) || is_letter(c) || c == '_' || std::uint8_t(c) >= 0x80;
}

// The end of the quoted text that opens at `at`, or npos. An apostrophe inside a word quotes nothing.
std::size_t closing_quote(std::string_view text, std::size_t at) {
  const char quote = text[at];
  if (quote != '\'' && quote != '"' && quote != '`') return std::string_view::npos;
  if (at > 0 && is_word(text[at - 1])) return std::string_view::npos;
  return text.find(quote, at + 1);
}

std::size_t word_end(std::string_view text, std::size_t at) {
  while (at < text.size() && is_word(text[at])) ++at;
  return at;
}

bool has_digit(std::string_view word) {
  for (const char c : word) {
    if (is_digit(c)) return true;
  }
  return false;
}

}  // namespace

std::string error_fingerprint(std::string_view message) {
  message = head_message(message);
  std::string out;
  out.reserve(message.size());
  for (std::size_t at = 0; at < message.size();) {
    if (const std::size_t close = closing_quote(message, at); close != std::string_view::npos) {
      out.append("'*'");
      at = close + 1;
      continue;
    }
    const std::size_t end = word_end(message, at);
    if (end == at) {
      out.push_back(message[at++]);
    } else {
      const std::string_view word = message.substr(at, end - at);
      // A word with a digit is an id, a number or part of an address.
      if (!has_digit(word)) {
        out.append(word);
      } else if (!out.ends_with('#')) {
        out.push_back('#');
      }
      at = end;
    }
  }
  if (out.size() > kMaxNameBytes) {
    std::size_t end = kMaxNameBytes;
    while (end > 0 && (std::uint8_t(out[end]) & 0xc0) == 0x80) --end;
    out.resize(end);
  }
  return out;
}

}  // namespace runlog
