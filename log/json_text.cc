#include "log/json_text.h"

namespace runlog {

void append_quoted(std::string_view text, std::string& out) {
  constexpr char kDigits[] = "0123456789abcdef";
  out.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (std::uint8_t(c) >= 0x20) {
      out.push_back(c);
    } else {
      out.append("\\u00");
      out.push_back(kDigits[std::uint8_t(c) >> 4]);
      out.push_back(kDigits[std::uint8_t(c) & 15]);
    }
  }
  out.push_back('"');
}

void ExtraMembers::add(std::string_view key, simdjson::dom::element value) {
  text_.push_back(text_.empty() ? '{' : ',');
  append_quoted(key, text_);
  text_.push_back(':');
  text_.append(simdjson::minify(value));
}

Text ExtraMembers::keep(TextArena& arena) {
  if (text_.empty()) return {};
  text_.push_back('}');
  return arena.keep(text_);
}

}  // namespace runlog
