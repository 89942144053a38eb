// Tokens: made once, stored as hashes, refused when they are unknown, revoked or expired.
#include <catch2/catch.hpp>

#include <sys/stat.h>

#include <fstream>

#include "server/tenants/tokens.h"
#include "tests/cli_process.h"
#include "tests/log_fixture.h"

using namespace runlog;
using Catch::Matchers::Contains;

namespace {

constexpr UnixMs kNow = 1'792'454'400'000;

std::unique_ptr<Tokens> load(const std::filesystem::path& data) {
  auto tokens = Tokens::load(data);
  if (!tokens) FAIL(tokens.error().message);
  return std::move(*tokens);
}

Tokens::Created create(Tokens& tokens, const char* tenant, Role role,
                       std::optional<UnixMs> expires = std::nullopt) {
  auto created = tokens.create(tenant, role, expires, kNow);
  must(created);
  return *created;
}

}  // namespace

TEST_CASE("a token allows its role in its tenant, in this process and in the next") {
  const TempDir dir;
  const auto tokens = load(dir / "data");
  const auto reader = create(*tokens, "acme", Role::kRead);
  const auto writer = create(*tokens, "other", Role::kAppend, kNow + 1000);
  CHECK(reader.secret.size() == 3 + 43);
  CHECK(reader.secret.substr(0, 3) == "rl_");
  CHECK(reader.secret != writer.secret);
  const auto again = load(dir / "data");
  for (const Tokens* loaded : {tokens.get(), again.get()}) {
    const auto grant = loaded->check(reader.secret, kNow);
    must(grant);
    CHECK(grant->tenant == "acme");
    CHECK(grant->role == Role::kRead);
    CHECK(grant->token_id == reader.token.id);
    CHECK(loaded->check(writer.secret, kNow)->tenant == "other");
    REQUIRE(loaded->list().size() == 2);
    CHECK(loaded->list()[1].expires_at == kNow + 1000);
    CHECK(loaded->list()[0].created_at == kNow);
  }
  CHECK(allows(Role::kAdmin, Role::kAppend));
  CHECK(allows(Role::kAppend, Role::kRead));
  CHECK_FALSE(allows(Role::kRead, Role::kAppend));
  CHECK_FALSE(allows(Role::kAppend, Role::kAdmin));
}

TEST_CASE("the file of tokens holds no token, and only its owner can read it") {
  const TempDir dir;
  const auto tokens = load(dir.path());
  const auto created = create(*tokens, "acme", Role::kAdmin);
  const std::string text = read_text(dir / "tokens.toml");
  CHECK(text.find(created.secret.substr(3)) == std::string::npos);
  CHECK_THAT(text, Contains("acme") && Contains("admin") && Contains(created.token.id));
  struct stat status {};
  REQUIRE(::stat((dir / "tokens.toml").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("a token that is unknown, altered, expired or revoked is refused") {
  const TempDir dir;
  const auto tokens = load(dir.path());
  const auto other = create(*tokens, "other", Role::kRead);
  const auto created = create(*tokens, "acme", Role::kRead, kNow + 1000);
  for (std::size_t i = 0; i < created.secret.size(); ++i) {
    std::string altered = created.secret;
    altered[i] = altered[i] == 'A' ? 'B' : 'A';
    CHECK_FALSE(tokens->check(altered, kNow));
  }
  CHECK_FALSE(tokens->check("", kNow));
  CHECK_FALSE(tokens->check(created.secret + "A", kNow));
  CHECK_FALSE(tokens->check(created.secret.substr(3), kNow));

  const auto grant = tokens->check(created.secret, kNow + 999);
  must(grant);
  CHECK(tokens->holds(*grant, kNow + 999));
  CHECK_FALSE(tokens->holds(*grant, kNow + 1000));
  const auto expired = tokens->check(created.secret, kNow + 1000);
  REQUIRE_FALSE(expired);
  CHECK_THAT(expired.error().message, Contains("expired"));

  must(tokens->revoke(created.token.id));
  CHECK_FALSE(tokens->check(created.secret, kNow));
  CHECK_FALSE(tokens->holds(*grant, kNow));
  CHECK(tokens->revoke(created.token.id).error().code == ErrorCode::NotFound);
  CHECK(tokens->check(other.secret, kNow));
  CHECK(tokens->holds(Grant{"acme", Role::kRead, {}}, kNow));

  CHECK(tokens->create("a/b", Role::kRead, {}, kNow).error().code == ErrorCode::InvalidArgument);
  CHECK(tokens->create("acme", Role::kRead, kNow, kNow).error().code ==
        ErrorCode::InvalidArgument);
}

TEST_CASE("what another process changed counts from the next reload on") {
  const TempDir dir;
  const auto server = load(dir.path());
  const auto command = load(dir.path());
  const auto first = create(*command, "acme", Role::kRead);
  CHECK_FALSE(server->check(first.secret, kNow));
  must(server->reload());
  CHECK(server->check(first.secret, kNow));
  // Neither overwrites what the other made.
  const auto second = create(*server, "acme", Role::kAppend);
  must(command->revoke(first.token.id));
  must(server->reload());
  CHECK_FALSE(server->check(first.secret, kNow));
  CHECK(server->check(second.secret, kNow));
}

TEST_CASE("a damaged file of tokens is refused with its line, and the tokens stay") {
  const TempDir dir;
  const auto tokens = load(dir.path());
  const auto created = create(*tokens, "acme", Role::kRead);
  const std::string good = read_text(dir / "tokens.toml");
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
  };
  const std::string digest = good.substr(good.find("sha256"), 20);
  for (const std::string& text :
       {replaced("acme", "../b"), replaced("read'", "root'"), replaced("created", "erected"),
        replaced(digest, "sha256 = 'zz"), replaced("[[token]]", "[[token]"), replaced("id = ", "# "),
        replaced("[[token]]", "[[taken]]"), std::string("token = 1\n"), std::string("token = [1]\n")}) {
    std::ofstream(dir / "tokens.toml", std::ios::binary) << text;
    INFO(text);
    const auto reloaded = tokens->reload();
    REQUIRE_FALSE(reloaded);
    CHECK(reloaded.error().code == ErrorCode::Corruption);
    CHECK_THAT(reloaded.error().message, Contains("tokens.toml"));
    CHECK_FALSE(tokens->create("acme", Role::kRead, {}, kNow));
    CHECK(read_text(dir / "tokens.toml") == text);
    CHECK(tokens->check(created.secret, kNow));
  }
}
