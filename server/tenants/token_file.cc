#include "server/tenants/token_file.h"

#include <charconv>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "log/file_io.h"
#include "log/run_json.h"
#include "server/open_log.h"
#include "server/toml_file.h"

namespace runlog {
namespace {

constexpr unsigned kOnlyItsOwner = 0600;

std::string hex_of(const decltype(Token::sha256)& digest) {
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

bool read_hex(std::string_view text, decltype(Token::sha256)& digest) {
  if (text.size() != 2 * digest.size()) return false;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const char* const digits = text.data() + 2 * i;
    const auto [end, error] = std::from_chars(digits, digits + 2, digest[i], 16);
    if (error != std::errc() || end != digits + 2) return false;
  }
  return true;
}

std::string text_of(const toml::table& table, std::string_view key) {
  return table[key].value_or(std::string());
}

Expected<Token> read_token(const toml::table& table, const std::filesystem::path& file) {
  const auto damaged = [&](std::string_view what) {
    return fail_at(table, file, ErrorCode::Corruption, fmt::format("the token's {}", what));
  };
  Token token;
  token.id = text_of(table, "id");
  if (token.id.empty()) return damaged("id is missing");
  token.tenant = text_of(table, "tenant");
  if (!is_tenant_name(token.tenant)) return damaged("tenant is no tenant's name");
  const auto role = role_of(text_of(table, "role"));
  if (!role) return damaged("role is none of read, append and admin");
  token.role = *role;
  const auto created = parse_time(text_of(table, "created"));
  if (!created) return damaged("'created' is no time");
  token.created_at = *created;
  if (table.contains("expires")) {
    const auto expires = parse_time(text_of(table, "expires"));
    if (!expires) return damaged("'expires' is no time");
    token.expires_at = *expires;
  }
  if (!read_hex(text_of(table, "sha256"), token.sha256))
    return damaged("sha256 is not 64 hexadecimal digits");
  return token;
}

}  // namespace

Expected<std::vector<Token>> read_token_file(const std::filesystem::path& file) {
  std::vector<Token> tokens;
  auto table = read_toml(file);
  if (!table && table.error().code == ErrorCode::NotFound) return tokens;
  if (!table && table.error().code == ErrorCode::InvalidArgument)
    return fail(ErrorCode::Corruption, table.error().message);
  if (!table) return tl::unexpected(table.error());
  const toml::array* const list = (*table)["token"].as_array();
  if (list == nullptr && !table->empty())
    return fail(ErrorCode::Corruption,
                fmt::format("{} holds something else than tokens", file.string()));
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const toml::table* const entry = (*list)[i].as_table();
    if (entry == nullptr)
      return fail_at((*list)[i], file, ErrorCode::Corruption, "a token must be a table");
    auto token = read_token(*entry, file);
    if (!token) return tl::unexpected(token.error());
    tokens.push_back(std::move(*token));
  }
  return tokens;
}

Expected<void> write_token_file(const std::filesystem::path& file,
                                const std::vector<Token>& tokens) {
  toml::array list;
  for (const Token& token : tokens) {
    toml::table entry{{"id", token.id},
                      {"tenant", token.tenant},
                      {"role", role_name(token.role)},
                      {"created", format_time(token.created_at)},
                      {"sha256", hex_of(token.sha256)}};
    if (token.expires_at) entry.insert("expires", format_time(*token.expires_at));
    list.push_back(std::move(entry));
  }
  std::ostringstream text;
  text << "# Tokens of `runlog serve`, changed by `runlog token create` and `token revoke`.\n"
       << toml::table{{"token", std::move(list)}} << '\n';
  const std::string content = text.str();
  return replace_file(file, std::as_bytes(std::span(content)), kOnlyItsOwner);
}

}  // namespace runlog
