// JSON text that is kept as it came: the members of an object that no field of ours holds.
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>

#include "log/record.h"

namespace runlog {

// Appends `text` as a JSON string, quotes included.
void append_quoted(std::string_view text, std::string& out);

// Collects members into the text of one object.
class ExtraMembers {
 public:
  void add(std::string_view key, simdjson::dom::element value);
  bool empty() const { return text_.empty(); }
  // The text, kept in `arena`; empty if nothing was added.
  Text keep(TextArena& arena);

 private:
  std::string text_;
};

}  // namespace runlog
