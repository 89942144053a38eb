#include "query/error_text.h"

#include <cstddef>
#include <cstdint>
#include <locale.h>
#include <wctype.h>

namespace runlog {
namespace {

// The locale that knows the case of every script. It is built into the C library and lives as long
// as the process; without it (no other C library has it under this name) only ASCII folds.
locale_t unicode_locale() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

char32_t fold(char32_t c) {
  // From the CJK radicals to the end of the CJK ideographs there is no case: most of what is not
  // ASCII in a log is there.
  if (c >= 0x2E80 && c <= 0x9FFF) return c;
  const locale_t locale = unicode_locale();
  if (locale == nullptr) return c >= U'A' && c <= U'Z' ? c + 32 : c;
  return char32_t(towlower_l(towupper_l(wint_t(c), locale), locale));
}

void append_utf8(char32_t c, std::string& out) {
  if (c < 0x80) {
    out.push_back(char(c));
  } else if (c < 0x800) {
    out.push_back(char(0xC0 | (c >> 6)));
    out.push_back(char(0x80 | (c & 0x3F)));
  } else if (c < 0x10000) {
    out.push_back(char(0xE0 | (c >> 12)));
    out.push_back(char(0x80 | ((c >> 6) & 0x3F)));
    out.push_back(char(0x80 | (c & 0x3F)));
  } else {
    out.push_back(char(0xF0 | (c >> 18)));
    out.push_back(char(0x80 | ((c >> 12) & 0x3F)));
    out.push_back(char(0x80 | ((c >> 6) & 0x3F)));
    out.push_back(char(0x80 | (c & 0x3F)));
  }
}

struct Decoded {
  char32_t c = 0;
  std::size_t bytes = 0;  // 0: not UTF-8
};

// Decodes the character that `text`, which is not empty, begins with.
Decoded decode_utf8(std::string_view text) {
  const auto at = [&](std::size_t i) { return std::uint8_t(text[i]); };
  const std::uint8_t first = at(0);
  if (first < 0x80) return {first, 1};
  const std::size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < bytes) return {};
  char32_t c = first & (0xFF >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((at(i) & 0xC0) != 0x80) return {};
    c = (c << 6) | (at(i) & 0x3F);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (c < kSmallest[bytes] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return {};
  return {c, bytes};
}

// Folds the ASCII of `text` into `out`; returns whether that was all of it. Written so that the
// compiler can do many bytes at once.
bool fold_ascii(std::string_view text, std::string& out) {
  out.resize(text.size());
  std::uint8_t any = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = std::uint8_t(text[i]);
    any |= c;
    out[i] = char(c + (std::uint8_t(c - 'A') < 26 ? 32 : 0));
  }
  return any < 0x80;
}

}  // namespace

void fold_case(std::string_view text, std::string& out) {
  if (fold_ascii(text, out)) return;
  out.clear();
  while (!text.empty()) {
    const Decoded next = decode_utf8(text);
    if (next.bytes == 0) {
      out.push_back(text.front());
    } else {
      append_utf8(fold(next.c), out);
    }
    text.remove_prefix(next.bytes == 0 ? 1 : next.bytes);
  }
}

ErrorTextSearch::ErrorTextSearch(std::string_view needle) { fold_case(needle, needle_); }

bool ErrorTextSearch::found_in(std::string_view message) {
  // Folding may make a text longer ("Ⱥ" has two bytes, "ⱥ" three), but never twice as long.
  if (message.size() < needle_.size() / 2) return false;
  fold_case(message, folded_);
  return folded_.find(needle_) != std::string::npos;
}

}  // namespace runlog
