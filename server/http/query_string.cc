#include "server/http/query_string.h"

#include <charconv>

#include <fmt/format.h>

#include "log/record.h"

namespace runlog {
namespace {

constexpr std::size_t kMaxParameters = 100;
constexpr std::size_t kShownBytes = 40;

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The beginning of what was given, cut between characters.
std::string shown(std::string_view text) {
  if (text.size() <= kShownBytes) return std::string(text);
  std::size_t end = kShownBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_blank) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (text.size() - i < 3) return std::nullopt;
      const int high = digit_of(text[i + 1]), low = digit_of(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out.push_back(char(high * 16 + low));
      i += 2;
    } else {
      out.push_back(plus_is_blank && text[i] == '+' ? ' ' : text[i]);
    }
  }
  if (!is_utf8(out)) return std::nullopt;
  return out;
}

QueryString::QueryString(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('&');
    parse(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (parameters_.size() <= kMaxParameters) continue;
    add_problem("(query)", "max_items",
                fmt::format("there are more than {} query parameters", kMaxParameters));
    return;
  }
}

void QueryString::parse(std::string_view piece) {
  if (piece.empty()) return;
  const std::size_t equals = piece.find('=');
  const auto name = percent_decode(piece.substr(0, equals), true);
  if (!name) {
    return add_problem("(query)", "invalid_format",
                       "the name of a query parameter is not percent-encoded UTF-8");
  }
  const auto value = equals == std::string_view::npos
                         ? std::string()
                         : percent_decode(piece.substr(equals + 1), true);
  if (!value) {
    return add_problem(*name, "invalid_format",
                       fmt::format("the value of '{}' is not percent-encoded UTF-8", shown(*name)));
  }
  parameters_.push_back({*name, *value});
}

std::vector<std::string> QueryString::all(std::string_view name) {
  std::vector<std::string> values;
  for (Parameter& parameter : parameters_) {
    if (parameter.name != name) continue;
    parameter.taken = true;
    values.push_back(parameter.value);
  }
  return values;
}

std::optional<std::string> QueryString::once(std::string_view name) {
  const std::vector<std::string> values = all(name);
  if (values.size() > 1) {
    add_problem(name, "invalid_type",
                fmt::format("'{}' was given {} times; it may be given once", name, values.size()));
  }
  return values.size() == 1 ? std::optional(values.front()) : std::nullopt;
}

std::optional<std::string> QueryString::once_or_empty(std::string_view name) {
  auto value = once(name);
  return value && value->empty() ? std::nullopt : value;
}

std::optional<std::uint64_t> QueryString::number(std::string_view name, std::uint64_t least,
                                                 std::uint64_t most) {
  const auto text = once_or_empty(name);
  if (!text) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  const char* code = nullptr;
  if (error == std::errc::result_out_of_range) {
    code = text->front() == '-' ? "min_value" : "max_value";
  } else if (error != std::errc() || end != text->data() + text->size()) {
    code = "invalid_number";
  } else if (value < 0 || std::uint64_t(value) < least) {
    code = "min_value";
  } else if (std::uint64_t(value) > most) {
    code = "max_value";
  }
  if (code == nullptr) return std::uint64_t(value);
  add_problem(name, code, fmt::format("'{}' is '{}'; it must be a whole number from {} to {}", name,
                                      shown(*text), least, most));
  return std::nullopt;
}

void QueryString::refuse_others() {
  for (const Parameter& parameter : parameters_) {
    if (parameter.taken) continue;
    add_problem(parameter.name, "unknown_field",
                fmt::format("there is no query parameter '{}' here", shown(parameter.name)));
  }
}

void QueryString::add_problem(std::string_view field, std::string_view code, std::string message) {
  problems_.push_back({std::string(field), std::string(code), std::move(message)});
}

}  // namespace runlog
