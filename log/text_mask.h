// Replaces free text by random text of the same length. Random, because a constant fill teaches a
// dictionary the fill.
#pragma once

#include <random>
#include <string>

#include "log/record.h"

namespace runlog {

class TextMask {
 public:
  TextMask(TextArena& arena, std::uint64_t seed) : arena_(arena), random_(seed) {}

  Text text(Text text);
  // Strings and digits are replaced, but for the keys of objects.
  Text json(Text json);

  // Everything in a step or a run that is not a name.
  void mask(Run& run);
  void mask(Step& step, Text run_message, Text masked_run_message);
  void mask(SuspendedRun& run);

 private:
  void fill(std::string& text, std::size_t from, std::size_t to);
  TextArena& arena_;
  std::minstd_rand random_;
};

}  // namespace runlog
