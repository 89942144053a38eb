#include "log/json_text.h"

namespace runlog {

void append_quoted(std::string_view text, std::string& out) {
  constexpr char kDigits[] = "0123456789abcdef";
  out.push_back('"');
  std::size_t plain = 0;  // where what needs no escape begins
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = std::uint8_t(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text.data() + plain, i - plain);
    plain = i + 1;
    if (c >= 0x20) {
      out.push_back('\\');
      out.push_back(text[i]);
    } else {
      out.append("\\u00");
      out.push_back(kDigits[c >> 4]);
      out.push_back(kDigits[c & 15]);
    }
  }
  out.append(text.data() + plain, text.size() - plain);
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
