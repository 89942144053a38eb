// A table of a configuration file, read key by key. The first thing that is wrong is kept, with its
// line; a key that nobody asked for is wrong too, since a misspelt limit would be no limit.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "index/error.h"
#include "server/toml_file.h"

namespace runlog {

// What is wrong with a file, if anything is.
struct ConfigProblem {
  std::filesystem::path file;
  std::optional<Error> error;  // the first
};

class ConfigSection {
 public:
  // Both outlive it.
  ConfigSection(const toml::table& table, ConfigProblem& problem)
      : table_(table), problem_(problem) {}

  // Each reads a key if it is there and leaves `value` as it is if not.
  void text(std::string_view key, std::string& value);
  void flag(std::string_view key, bool& value);
  // One text, or an array of texts.
  void texts(std::string_view key, std::vector<std::string>& values);
  // A whole number.
  void count(std::string_view key, std::uint64_t least, std::uint64_t most, std::uint64_t& value);
  void count(std::string_view key, std::uint64_t least, std::uint64_t most, std::uint32_t& value);
  // 10GiB, 500MB, or a number of bytes.
  void size(std::string_view key, std::uint64_t& bytes);
  // 30d, 10m, 2s, at least 1 s.
  void span(std::string_view key, std::chrono::milliseconds& time);
  // A rule of a retention policy: none, a span, a count, a size.
  enum class Rule { kAge, kCount, kSize };
  void rule(std::string_view key, Rule form, std::optional<std::int64_t>& value);

  // The table at `key`; null if there is none.
  const toml::table* table(std::string_view key);
  // Refuses the keys that were not asked for.
  void finish();

  // Makes `what` the file's problem, at the line of `key`.
  void refuse(std::string_view key, std::string what);

 private:
  const toml::node* take(std::string_view key);
  std::optional<std::string> text_at(std::string_view key, std::string_view form);

  const toml::table& table_;
  ConfigProblem& problem_;
  std::set<std::string, std::less<>> taken_;
};

}  // namespace runlog
