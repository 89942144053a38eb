#include "server/toml_file.h"

#include <fmt/format.h>

#include "log/file_io.h"

namespace runlog {
namespace {

constexpr std::size_t kMostBytes = 16u << 20;

std::string place(const std::filesystem::path& file, const toml::source_region& source) {
  return fmt::format("{}, line {}", file.string(), source.begin.line);
}

}  // namespace

Expected<toml::table> read_toml(const std::filesystem::path& file) {
  std::string text;
  auto read = read_file(file, [&](std::span<const std::byte> bytes) -> Expected<void> {
    if (text.size() + bytes.size() > kMostBytes)
      return fail(ErrorCode::TooLarge, fmt::format("{} is larger than 16 MiB", file.string()));
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  });
  if (!read) return tl::unexpected(read.error());
  return parse_toml(text, file);
}

Expected<toml::table> parse_toml(std::string_view text, const std::filesystem::path& file) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{}: {}", place(file, error.source()), error.description()));
  }
}

tl::unexpected<Error> fail_at(const toml::node& node, const std::filesystem::path& file,
                              ErrorCode code, std::string what) {
  return fail(code, fmt::format("{}: {}", place(file, node.source()), what));
}

}  // namespace runlog
