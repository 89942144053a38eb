// Case-insensitive search in error messages: a substring of the message's characters with their
// case folded. Words are not split, which would fail for scripts without spaces.
//
// Folding is simple (one character to one): upper case, then lower case, as the C.UTF-8 locale has
// them, so that all cases of a letter meet ("Σ", "σ" and "ς"; "K" and the Kelvin sign). What takes
// several characters ("ß" and "SS") stays different, and so do composed and decomposed accents.
#pragma once

#include <string>
#include <string_view>

namespace runlog {

class ErrorTextSearch {
 public:
  explicit ErrorTextSearch(std::string_view needle);

  // Whether `message` contains the needle. Bytes that are not UTF-8 only match themselves.
  // Keeps a buffer between calls: one thread at a time.
  bool found_in(std::string_view message);

 private:
  std::string needle_;  // folded
  std::string folded_;  // the message at hand, folded
};

// Replaces `out` by `text` with its case folded.
void fold_case(std::string_view text, std::string& out);

}  // namespace runlog
