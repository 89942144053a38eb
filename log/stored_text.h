// Text in Cap'n Proto structs: a null pointer is an absent text.
#pragma once

#include <capnp/blob.h>

#include <cstring>
#include <string_view>

#include "log/run.h"

namespace runlog {

inline std::string_view text_of(capnp::Text::Reader text) { return {text.begin(), text.size()}; }

inline void fill(capnp::Text::Builder to, std::string_view text) {
  if (!text.empty()) std::memcpy(to.begin(), text.data(), text.size());
}

}  // namespace runlog

// Sets or reads the text field `Name` (as in getName) of a struct if there is a text.
#define RUNLOG_SET_TEXT(builder, Name, text) \
  ::runlog::fill((builder).init##Name(static_cast<unsigned>((text).size())), (text))
#define RUNLOG_GET_TEXT(reader, Name) ::runlog::text_of((reader).get##Name())
#define RUNLOG_GET_OPTIONAL(reader, Name) \
  ((reader).has##Name() ? ::runlog::OptionalText(RUNLOG_GET_TEXT(reader, Name)) : std::nullopt)
