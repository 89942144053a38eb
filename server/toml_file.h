// TOML files of ours: read whole, with errors that name the line.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <toml++/toml.h>

#include "index/error.h"

namespace runlog {

// Errors: NotFound; IoError; TooLarge (over 16 MiB); InvalidArgument (no TOML: names the line).
Expected<toml::table> read_toml(const std::filesystem::path& file);

// The same from text; `file` is its name in errors. Errors: InvalidArgument.
Expected<toml::table> parse_toml(std::string_view text, const std::filesystem::path& file);

// An error about the part of `file` that `node` was read from: "<file>, line 7: <what>".
tl::unexpected<Error> fail_at(const toml::node& node, const std::filesystem::path& file,
                              ErrorCode code, std::string what);

}  // namespace runlog
