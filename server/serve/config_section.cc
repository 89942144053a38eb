#include "server/serve/config_section.h"

#include <fmt/format.h>

#include "log/retention_policy.h"
#include "server/quantities.h"
#include "server/time_argument.h"

namespace runlog {

void ConfigSection::refuse(std::string_view key, std::string what) {
  if (problem_.error) return;
  const toml::node* const node = table_.get(key);
  problem_.error = fail_at(node != nullptr ? *node : table_, problem_.file,
                           ErrorCode::InvalidArgument, fmt::format("'{}' {}", key, what)).value();
}

const toml::node* ConfigSection::take(std::string_view key) {
  taken_.emplace(key);
  return table_.get(key);
}

std::optional<std::string> ConfigSection::text_at(std::string_view key, std::string_view form) {
  const toml::node* const node = take(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* text = node->as_string()) return text->get();
  refuse(key, fmt::format("must be {}", form));
  return std::nullopt;
}

void ConfigSection::text(std::string_view key, std::string& value) {
  if (auto text = text_at(key, "a text in quotes")) value = std::move(*text);
}

void ConfigSection::flag(std::string_view key, bool& value) {
  const toml::node* const node = take(key);
  if (node == nullptr) return;
  if (const auto* flag = node->as_boolean())
    value = flag->get();
  else
    refuse(key, "must be true or false");
}

void ConfigSection::texts(std::string_view key, std::vector<std::string>& values) {
  const toml::node* const node = take(key);
  if (node == nullptr) return;
  values.clear();
  if (const auto* text = node->as_string()) {
    values.push_back(text->get());
    return;
  }
  const toml::array* const list = node->as_array();
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i)
    if (const auto* text = (*list)[i].as_string()) values.push_back(text->get());
  if (list == nullptr || values.size() != list->size()) refuse(key, "must be a list of texts");
}

void ConfigSection::count(std::string_view key, std::uint64_t least, std::uint64_t most,
                          std::uint64_t& value) {
  const toml::node* const node = take(key);
  if (node == nullptr) return;
  const auto* number = node->as_integer();
  const std::uint64_t given = number != nullptr && number->get() >= 0
                                  ? std::uint64_t(number->get()) : UINT64_MAX;
  if (given < least || given > most)
    refuse(key, fmt::format("must be a whole number from {} to {}", least, most));
  else
    value = given;
}

void ConfigSection::count(std::string_view key, std::uint64_t least, std::uint64_t most,
                          std::uint32_t& value) {
  std::uint64_t wide = value;
  count(key, least, std::min<std::uint64_t>(most, UINT32_MAX), wide);
  value = std::uint32_t(wide);
}

void ConfigSection::size(std::string_view key, std::uint64_t& bytes) {
  const toml::node* const node = take(key);
  if (node == nullptr) return;
  std::optional<std::int64_t> given;
  if (const auto* number = node->as_integer()) given = number->get();
  if (const auto* text = node->as_string()) given = parse_size(text->get());
  if (!given || *given < 0)
    refuse(key, "must be a size: \"10GiB\", \"500MB\", or a number of bytes");
  else
    bytes = std::uint64_t(*given);
}

void ConfigSection::span(std::string_view key, std::chrono::milliseconds& time) {
  constexpr std::string_view kForm = "a time: \"2s\", \"10m\", \"30d\"";
  const auto text = text_at(key, kForm);
  if (!text) return;
  const auto given = parse_time_span(*text);
  if (!given || *given < 1000)
    refuse(key, fmt::format("must be {}", kForm));
  else
    time = std::chrono::milliseconds(*given);
}

void ConfigSection::rule(std::string_view key, Rule form, std::optional<std::int64_t>& value) {
  const toml::node* const node = take(key);
  if (node == nullptr) return;
  std::optional<std::int64_t> given;
  if (const auto* text = node->as_string()) {
    if (text->get() == "none") given = kNoLimit;
    else if (form == Rule::kAge) given = parse_time_span(text->get());
    else if (form == Rule::kSize) given = parse_size(text->get());
  } else if (const auto* number = node->as_integer(); number != nullptr && form != Rule::kAge) {
    given = number->get();
  }
  static constexpr std::string_view kForms[] = {"an age (\"30d\") or \"none\"",
                                                "a number of runs or \"none\"",
                                                "a size (\"10GiB\") or \"none\""};
  if (given)
    value = given;
  else
    refuse(key, fmt::format("must be {}", kForms[unsigned(form)]));
}

const toml::table* ConfigSection::table(std::string_view key) {
  const toml::node* const node = take(key);
  if (node == nullptr) return nullptr;
  if (node->as_table() == nullptr) refuse(key, "must be a table");
  return node->as_table();
}

void ConfigSection::finish() {
  // In the order of the lines: the first one is what the user looks for.
  std::string_view unknown;
  toml::source_index line = 0;
  for (const auto& [key, node] : table_) {
    if (taken_.contains(key.str()) || (!unknown.empty() && node.source().begin.line >= line))
      continue;
    unknown = key.str();
    line = node.source().begin.line;
  }
  if (!unknown.empty()) refuse(unknown, "is not known here");
}

}  // namespace runlog
