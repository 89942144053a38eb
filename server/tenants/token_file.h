// DATA/tokens.toml, the file that tokens are stored in: one [[token]] table each.
//
//   [[token]]
//   id = "q8hX0c2L"
//   tenant = "acme"
//   role = "append"
//   created = "2026-11-24T12:00:00.000Z"
//   expires = "2027-02-22T12:00:00.000Z"       # left out: never
//   sha256 = "4f0c…"                           # of the token's text, 64 hexadecimal digits
#pragma once

#include <filesystem>
#include <vector>

#include "server/tenants/tokens.h"

namespace runlog {

// No file, no tokens. Errors: Corruption (names the line); IoError.
Expected<std::vector<Token>> read_token_file(const std::filesystem::path& file);

// Replaces the file as a whole; only its owner can read it. Errors: IoError; DiskFull.
Expected<void> write_token_file(const std::filesystem::path& file,
                                const std::vector<Token>& tokens);

}  // namespace runlog
