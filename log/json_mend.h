// JSON that JavaScript writes and our parser refuses, rewritten so that it takes it: half a surrogate
// pair, which a text cut inside an emoji ends with and which UTF-8 cannot say, becomes U+FFFD; an
// integer beyond 64 bits becomes the nearest double.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "index/error.h"

namespace runlog {

struct MendedJson {
  std::string text;              // as it came, where it is no JSON
  std::optional<Error> refusal;  // a number that no double holds: names its field and the limit
};

MendedJson mend_json(std::string_view json);

}  // namespace runlog
