// Turns the symbols of one record back into names, which live in the log's name table.
#pragma once

#include <vector>

#include "log/names.h"
#include "log/record_head.h"

namespace runlog {

class NameReader {
 public:
  // Adds every symbol that is asked for to `asked`, which may be null.
  explicit NameReader(const NameTable& names, std::vector<Symbol>* asked = nullptr)
      : names_(names), asked_(asked) {}

  OptionalText text(NameKind kind, const StoredText& stored) {
    if (!stored.present) return std::nullopt;
    return stored.symbol == 0 ? stored.text : name(kind, stored.symbol);
  }

  // The name, or an empty text if the table has none; finish() then says so.
  std::string_view name(NameKind kind, Symbol symbol) {
    if (asked_ != nullptr) asked_->push_back(symbol);
    if (const std::string_view* found = names_.peek(kind, symbol)) return *found;
    all_found_ = false;
    missing_kind_ = kind;
    missing_symbol_ = symbol;
    return {};
  }

  // Errors: Corruption (names a symbol that had no name).
  Expected<void> finish() const {
    if (all_found_) return {};
    Expected<std::string_view> name = names_.name(missing_kind_, missing_symbol_);
    if (name) return fail(ErrorCode::Corruption, "a symbol's name appeared while it was read");
    return tl::unexpected<Error>(std::move(name.error()));
  }

 private:
  const NameTable& names_;
  std::vector<Symbol>* asked_;
  bool all_found_ = true;
  NameKind missing_kind_{};
  Symbol missing_symbol_ = 0;
};

}  // namespace runlog
