#include "log/symbol_writer.h"

#include <algorithm>
#include <array>

namespace runlog {

SymbolWriter::SymbolWriter(NameTable& names, const RunLimits& limits, std::vector<Symbol>& used)
    : names_(names), limits_(limits), used_(used) {
  used_.clear();
}

Symbol SymbolWriter::symbol(NameKind kind, std::string_view field, std::string_view text) {
  // A name that is known was checked when it became known.
  std::optional<Symbol> symbol = names_.find(kind, text);
  if (!symbol) {
    check_name(field, text);
    if (error_) return 0;
    symbol = names_.intern(kind, text);
    if (!symbol) return 0;
  }
  note(*symbol);
  return *symbol;
}

Symbol SymbolWriter::shape(NameKind kind, const StepShape& shape) {
  std::array<char, kMaxShapeBytes> buffer;
  const std::optional<std::string_view> name = shape_name(shape, buffer);
  std::optional<Symbol> symbol;
  if (name) symbol = names_.find(kind, *name);
  if (!symbol) {
    const bool is_gate = kind == NameKind::kGate;
    if (shape.node_id) check_free_text(is_gate ? "skippedBy.nodeId" : "nodeId", *shape.node_id);
    if (shape.node_type) {
      check_free_text(is_gate ? "skippedBy.edgeId" : "nodeType", *shape.node_type);
    }
    if (shape.node_label) {
      check_free_text(is_gate ? "skippedBy.label" : "nodeLabel", *shape.node_label);
    }
    if (error_ || !name) return 0;
    symbol = names_.intern(kind, *name);
    if (!symbol) return 0;
  }
  note(*symbol);
  return *symbol;
}

void SymbolWriter::check_free_text(std::string_view field, std::string_view text) {
  if (error_ || is_utf8(text)) return;
  refuse(ErrorCode::InvalidArgument, "field '" + std::string(field) + "' is not valid UTF-8");
}

void SymbolWriter::check_name(std::string_view field, std::string_view text) {
  check_free_text(field, text);
  if (text.size() <= limits_.max_name_bytes) return;
  refuse(ErrorCode::TooLarge, "field '" + std::string(field) + "' has " +
                                  std::to_string(text.size()) + " bytes; the limit is " +
                                  std::to_string(limits_.max_name_bytes));
}

void SymbolWriter::refuse(ErrorCode code, std::string message) {
  if (!error_) error_ = Error{code, std::move(message)};
}

void SymbolWriter::note(Symbol symbol) {
  // Most runs use few symbols; with many, finish() sorts out the repetitions.
  constexpr std::size_t kScan = 64;
  if (used_.size() < kScan && std::find(used_.begin(), used_.end(), symbol) != used_.end()) return;
  if (!used_.empty() && used_.back() == symbol) return;
  used_.push_back(symbol);
}

Expected<void> SymbolWriter::finish() {
  if (error_) return tl::unexpected<Error>(std::move(*error_));
  if (used_.size() >= 64) {
    std::sort(used_.begin(), used_.end());
    used_.erase(std::unique(used_.begin(), used_.end()), used_.end());
  }
  return {};
}

}  // namespace runlog
