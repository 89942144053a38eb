// Access tokens: who may do what in which tenant. A token is 256 random bits; the file
// DATA/tokens.toml keeps its SHA-256, so that who reads the file can use none of them.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "index/error.h"
#include "log/run.h"

namespace runlog {

// What a token allows; each role may do all that those before it may. persistent: never renumber
enum class Role : std::uint8_t {
  kRead = 1,    // queries
  kAppend = 2,  // and appends, paused runs, pins
  kAdmin = 3,   // and policies, sweeps, backups
};

inline bool allows(Role has, Role needs) { return has >= needs; }
std::string_view role_name(Role role);  // read, append, admin
std::optional<Role> role_of(std::string_view name);

// What the holder of a token may do.
struct Grant {
  std::string tenant;
  Role role = Role::kRead;
  std::string token_id;  // for logs and for Tokens::holds; empty: it came from no token
};

// A token as it is stored.
struct Token {
  std::string id;  // 8 characters, no secret
  std::string tenant;
  Role role = Role::kRead;
  UnixMs created_at = 0;
  std::optional<UnixMs> expires_at;
  std::array<std::uint8_t, 32> sha256{};  // of the whole text, rl_ included
};

// The tokens of a data directory. Thread-safe.
class Tokens {
 public:
  // Reads DATA/tokens.toml; no file, no tokens. Errors: Corruption (names the line); IoError.
  static Expected<std::unique_ptr<Tokens>> load(const std::filesystem::path& data);

  // Makes a token and stores it durably. `secret` is what its holder presents, and stands nowhere
  // else. Errors: InvalidArgument (no tenant's name; an end in the past); Busy (another process
  // changes the tokens); IoError; DiskFull; Corruption.
  struct Created {
    Token token;
    std::string secret;
  };
  Expected<Created> create(std::string_view tenant, Role role, std::optional<UnixMs> expires_at,
                           UnixMs now);
  // Removes a token. Errors: NotFound (no such id); Busy; IoError; DiskFull; Corruption.
  Expected<void> revoke(std::string_view id);
  // Removes all tokens of a tenant and returns how many there were. Errors: as revoke.
  Expected<std::size_t> revoke_all(std::string_view tenant);
  // The oldest first.
  std::vector<Token> list() const;

  // What `secret` allows. Takes as long for a wrong token as for a right one, whichever it is.
  // Errors: InvalidArgument (unknown, revoked or expired).
  Expected<Grant> check(std::string_view secret, UnixMs now) const;
  // Whether the token that `grant` came from is still there and has not expired. True for a grant
  // without one.
  bool holds(const Grant& grant, UnixMs now) const;

  // Reads the file again; the tokens stay as they are if it cannot be read. Errors: as load.
  Expected<void> reload();

 private:
  using List = std::vector<Token>;
  explicit Tokens(std::filesystem::path data);
  std::shared_ptr<const List> current() const;
  template <typename Change>
  Expected<void> change(Change&& change);

  const std::filesystem::path data_, file_;
  mutable std::mutex mutex_;  // guards the pointer
  std::shared_ptr<const List> tokens_;
};

}  // namespace runlog
