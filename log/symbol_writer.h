// What encoding one run needs of the log's names: turns text into symbols, notes which symbols the
// record uses, and remembers the first text that must be refused.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "index/error.h"
#include "log/names.h"
#include "log/record.h"

namespace runlog {

class SymbolWriter {
 public:
  // `used` is cleared and filled with the symbols that were given out.
  SymbolWriter(NameTable& names, const RunLimits& limits, std::vector<Symbol>& used);

  // The symbol of `text`, or 0 when it has to be kept inline. `field` is the JSON field's name.
  Symbol symbol(NameKind kind, std::string_view field, std::string_view text);
  // The symbol of a step's id, type and label (or of a gate), or 0.
  Symbol shape(NameKind kind, const StepShape& shape);

  // Refuses the run if `text` is not UTF-8; free_text() has no limit of its own but the record's.
  void check_free_text(std::string_view field, std::string_view text);
  void check_name(std::string_view field, std::string_view text);
  void refuse(ErrorCode code, std::string message);

  // Leaves each used symbol once in `used`. Errors: the first thing that was refused.
  Expected<void> finish();

 private:
  void note(Symbol symbol);

  NameTable& names_;
  const RunLimits& limits_;
  std::vector<Symbol>& used_;
  std::optional<Error> error_;
};

}  // namespace runlog
