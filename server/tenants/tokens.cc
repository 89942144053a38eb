#include "server/tenants/tokens.h"

#include <algorithm>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "log/file_io.h"
#include "server/open_log.h"
#include "server/tenants/token_file.h"

namespace runlog {
namespace {

constexpr std::string_view kPrefix = "rl_";
constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kIdBytes = 6;

constexpr std::pair<Role, std::string_view> kRoles[] = {
    {Role::kRead, "read"}, {Role::kAppend, "append"}, {Role::kAdmin, "admin"}};

using Digest = decltype(Token::sha256);

std::optional<Digest> sha256_of(std::string_view text) {
  Digest digest;
  if (EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
    return std::nullopt;
  return digest;
}

// base64url without padding (RFC 4648, section 5).
std::string base64url(std::span<const std::uint8_t> bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(), int(bytes.size()));
  text.resize((bytes.size() * 8 + 5) / 6);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

template <std::size_t kBytes>
Expected<std::string> random_text() {
  std::array<std::uint8_t, kBytes> bytes;
  if (RAND_bytes(bytes.data(), int(bytes.size())) != 1)
    return fail(ErrorCode::IoError, "the system gives no random bytes");
  std::string text = base64url(bytes);
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return text;
}

bool has_expired(const Token& token, UnixMs now) {
  return token.expires_at && *token.expires_at <= now;
}

tl::unexpected<Error> refused(std::string why) {
  return fail(ErrorCode::InvalidArgument, std::move(why));
}

}  // namespace

std::string_view role_name(Role role) {
  for (const auto& [known, name] : kRoles)
    if (known == role) return name;
  return "unknown";
}

std::optional<Role> role_of(std::string_view name) {
  for (const auto& [role, known] : kRoles)
    if (known == name) return role;
  return std::nullopt;
}

Tokens::Tokens(std::filesystem::path data)
    : data_(std::move(data)), file_(data_ / "tokens.toml"), tokens_(std::make_shared<List>()) {}

Expected<std::unique_ptr<Tokens>> Tokens::load(const std::filesystem::path& data) {
  std::unique_ptr<Tokens> tokens(new Tokens(data));
  if (auto read = tokens->reload(); !read) return tl::unexpected(read.error());
  return tokens;
}

Expected<void> Tokens::reload() {
  auto read = read_token_file(file_);
  if (!read) return tl::unexpected(read.error());
  const std::lock_guard lock(mutex_);
  tokens_ = std::make_shared<const List>(std::move(*read));
  return {};
}

std::shared_ptr<const Tokens::List> Tokens::current() const {
  const std::lock_guard lock(mutex_);
  return tokens_;
}

std::vector<Token> Tokens::list() const { return *current(); }

// Reads the file, lets `change` have the tokens and writes them, while no other process does.
template <typename Change>
Expected<void> Tokens::change(Change&& change) {
  if (auto made = make_directory(data_); !made) return made;
  auto lock = WriterLock::take(data_ / "tokens.lock");
  if (!lock && lock.error().code == ErrorCode::Busy)
    return fail(ErrorCode::Busy, fmt::format("another process is changing the tokens in '{}'",
                                             data_.string()));
  if (!lock) return tl::unexpected(lock.error());
  auto tokens = read_token_file(file_);
  if (!tokens) return tl::unexpected(tokens.error());
  Expected<void> changed = change(*tokens);
  if (!changed) return changed;
  if (auto written = write_token_file(file_, *tokens); !written) return written;
  const std::lock_guard guard(mutex_);
  tokens_ = std::make_shared<const List>(std::move(*tokens));
  return {};
}

Expected<Tokens::Created> Tokens::create(std::string_view tenant, Role role,
                                         std::optional<UnixMs> expires_at, UnixMs now) {
  if (!is_tenant_name(tenant))
    return refused("that is no tenant's name: 1 to 64 letters, digits, '-' or '_'");
  if (expires_at && *expires_at <= now) return refused("the token would have expired already");
  auto secret = random_text<kSecretBytes>();
  if (!secret) return tl::unexpected(secret.error());
  Created created;
  created.secret = std::string(kPrefix) + *secret;
  const auto digest = sha256_of(created.secret);
  if (!digest) return fail(ErrorCode::IoError, "SHA-256 is not available");
  created.token = {{}, std::string(tenant), role, now, expires_at, *digest};
  auto stored = change([&](List& tokens) -> Expected<void> {
    std::string& id = created.token.id;
    const auto has_id = [&id](const Token& other) { return other.id == id; };
    do {
      auto text = random_text<kIdBytes>();
      if (!text) return tl::unexpected(text.error());
      id = *text;
      // An id is typed as an argument, which must not look like an option.
    } while (id.front() == '-' || std::any_of(tokens.begin(), tokens.end(), has_id));
    tokens.push_back(created.token);
    return {};
  });
  if (!stored) return tl::unexpected(stored.error());
  return created;
}

Expected<void> Tokens::revoke(std::string_view id) {
  return change([&](List& tokens) -> Expected<void> {
    if (std::erase_if(tokens, [&](const Token& token) { return token.id == id; }) == 0)
      return fail(ErrorCode::NotFound, fmt::format("there is no token with the id '{}'", id));
    return {};
  });
}

Expected<std::size_t> Tokens::revoke_all(std::string_view tenant) {
  std::size_t revoked = 0;
  auto done = change([&](List& tokens) -> Expected<void> {
    revoked = std::erase_if(tokens, [&](const Token& token) { return token.tenant == tenant; });
    return {};
  });
  if (!done) return tl::unexpected(done.error());
  return revoked;
}

Expected<Grant> Tokens::check(std::string_view secret, UnixMs now) const {
  const auto digest = sha256_of(secret);
  if (!digest) return refused("SHA-256 is not available");
  const auto tokens = current();
  const Token* found = nullptr;
  // All of them, each to its last byte: how long it takes tells nothing.
  for (const Token& token : *tokens)
    if (CRYPTO_memcmp(token.sha256.data(), digest->data(), digest->size()) == 0) found = &token;
  if (found == nullptr) return refused("the token is unknown, or was revoked");
  if (has_expired(*found, now)) return refused(fmt::format("the token {} has expired", found->id));
  return Grant{found->tenant, found->role, found->id};
}

bool Tokens::holds(const Grant& grant, UnixMs now) const {
  if (grant.token_id.empty()) return true;
  const auto tokens = current();
  return std::any_of(tokens->begin(), tokens->end(), [&](const Token& token) {
    return token.id == grant.token_id && !has_expired(token, now);
  });
}

}  // namespace runlog
