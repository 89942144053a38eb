#include "server/display_text.h"

#include <wchar.h>

#include <clocale>
#include <cstdint>
#include <locale.h>

namespace runlog {
namespace {

struct Character {
  char32_t code = 0;
  std::size_t bytes = 1;
  bool valid = false;
};

// The character that starts at `text`, which is not empty.
Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return {};
  char32_t code = lead & (0x7Fu >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    code = (code << 6) | (byte(i) & 0x3F);
  }
  const bool overlong = (bytes == 3 && code < 0x800) || (bytes == 4 && code < 0x10000);
  if (overlong || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return {};
  return {code, bytes, true};
}

// wcwidth() answers for the thread's locale, which in a bare container knows ASCII only; C.UTF-8
// is part of the C library.
int width_of(char32_t code) {
  static const locale_t kUtf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (kUtf8 == nullptr) return code < 0x20 || code == 0x7F ? -1 : 1;
  const locale_t before = ::uselocale(kUtf8);
  const int width = ::wcwidth(wchar_t(code));
  ::uselocale(before);
  return width;
}

unsigned columns_of(const Character& character) {
  if (!character.valid) return 1;
  if (character.code >= 0x20 && character.code < 0x7F) return 1;
  const int width = width_of(character.code);
  return width < 0 ? 1 : unsigned(width);
}

bool turns_direction(char32_t code) {
  return code == 0x061C || code == 0x200E || code == 0x200F ||
         (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

// The bytes of `text` that fit into `columns`; characters without width stay with the one before.
std::size_t bytes_that_fit(std::string_view text, unsigned columns) {
  std::size_t at = 0;
  unsigned used = 0;
  while (at < text.size()) {
    const Character character = first_character(text.substr(at));
    used += columns_of(character);
    if (used > columns) break;
    at += character.bytes;
  }
  return at;
}

}  // namespace

unsigned display_width(std::string_view text) {
  unsigned columns = 0;
  while (!text.empty()) {
    const Character character = first_character(text);
    columns += columns_of(character);
    text.remove_prefix(character.bytes);
  }
  return columns;
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character character = first_character(text);
    const char32_t code = character.code;
    const bool control = code < 0x20 || (code >= 0x7F && code < 0xA0);
    if (character.valid && (code == '\n' || code == '\t' || code == '\r')) {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else if (!character.valid || control || turns_direction(code) || code == 0x2028 ||
               code == 0x2029) {
      out += '?';
    } else {
      out.append(text.substr(0, character.bytes));
    }
    text.remove_prefix(character.bytes);
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string cut_to_width(std::string_view text, unsigned columns, std::string_view ellipsis) {
  if (display_width(text) <= columns) return std::string(text);
  const unsigned for_ellipsis = display_width(ellipsis);
  if (for_ellipsis >= columns) return std::string(text.substr(0, bytes_that_fit(text, columns)));
  std::string out(text.substr(0, bytes_that_fit(text, columns - for_ellipsis)));
  return out.append(ellipsis);
}

std::vector<std::string> wrap_to_width(std::string_view text, unsigned columns) {
  std::vector<std::string> lines;
  while (columns != 0 && display_width(text) > columns) {
    std::size_t end = bytes_that_fit(text, columns);
    if (end == 0) end = first_character(text).bytes;
    std::size_t next = end;
    if (end < text.size() && text[end] != ' ') {
      // A blank in the last half of the line is a better place to break than the middle of a word.
      const std::size_t blank = text.rfind(' ', end - 1);
      if (blank != std::string_view::npos && blank > end / 2) next = end = blank;
    }
    lines.emplace_back(text.substr(0, end));
    while (next < text.size() && text[next] == ' ') ++next;
    text.remove_prefix(next);
  }
  if (!text.empty() || lines.empty()) lines.emplace_back(text);
  return lines;
}

std::string padding(std::string_view text, unsigned columns) {
  const unsigned used = display_width(text);
  return std::string(used < columns ? columns - used : 0, ' ');
}

}  // namespace runlog
