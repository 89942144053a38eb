// Text on a terminal: how many columns it takes (two for a Chinese character), cut or wrapped to
// fit, and made harmless, because names and error messages come from outside.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace runlog {

// Columns that the text takes. Bytes that are not UTF-8 take one each.
unsigned display_width(std::string_view text);

// The text as one line that cannot move the cursor, change colours or turn the direction of
// writing: white space becomes a blank, other control characters and bad bytes become '?'.
std::string printable(std::string_view text);

// The text itself if it fits into `columns`, else its beginning followed by `ellipsis`.
std::string cut_to_width(std::string_view text, unsigned columns, std::string_view ellipsis);

// Breaks the text at blanks, or inside a word where there is none, into lines of at most `columns`.
// At least one line; `columns` 0 means no limit.
std::vector<std::string> wrap_to_width(std::string_view text, unsigned columns);

// Blanks, so that `text` followed by them takes `columns`.
std::string padding(std::string_view text, unsigned columns);

}  // namespace runlog
