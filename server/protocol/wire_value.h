// Values that may be absent, in messages; beside log/stored_text.h.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "log/stored_text.h"
#include "server/protocol/protocol.capnp.h"

namespace runlog {

inline std::string_view bytes_of(capnp::Data::Reader data) {
  return {reinterpret_cast<const char*>(data.begin()), data.size()};
}
inline capnp::Data::Reader data_of(std::string_view bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}

}  // namespace runlog

// Sets or reads the field `Name` (as in getName) of a struct, absent when there is no value: an
// optional text, an optional number (wire::Int), a text as std::optional<std::string>.
#define RUNLOG_SET_IF(builder, Name, text) \
  do {                                     \
    if (text) RUNLOG_SET_TEXT(builder, Name, *(text)); \
  } while (false)
#define RUNLOG_SET_INT(builder, Name, number) \
  do {                                        \
    if (number) (builder).init##Name().setValue(*(number)); \
  } while (false)
#define RUNLOG_GET_INT(reader, Name)                                                \
  ((reader).has##Name() ? std::optional<std::int64_t>((reader).get##Name().getValue()) \
                        : std::nullopt)
#define RUNLOG_GET_STRING(reader, Name)                                                \
  ((reader).has##Name() ? std::optional<std::string>(RUNLOG_GET_TEXT(reader, Name)) \
                        : std::nullopt)
