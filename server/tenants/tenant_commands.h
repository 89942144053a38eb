// `runlog token …` and `runlog tenants …`: who there is in a data directory, and who reaches them.
// As commands.h: options in, text out.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "server/commands.h"
#include "server/tenants/tokens.h"

namespace CLI {
class App;
}

namespace runlog {

struct TokenCreateOptions {
  Role role = Role::kRead;
  std::optional<UnixMs> expires_at;
  bool json = false;
};
// For the tenant of `place`. The token goes to the standard output and is shown nowhere again.
ExitCode run_token_create(const LogPlace& place, const TokenCreateOptions& options,
                          Console& console);

struct TokenListOptions {
  bool json = false;
};
ExitCode run_token_list(const LogPlace& place, const TokenListOptions& options, Console& console);

struct TokenRevokeOptions {
  std::string id;
};
ExitCode run_token_revoke(const LogPlace& place, const TokenRevokeOptions& options,
                          Console& console);

struct TenantsListOptions {
  bool json = false;
};
ExitCode run_tenants_list(const LogPlace& place, const TenantsListOptions& options,
                          Console& console);

struct TenantsCreateOptions {
  std::string name;
};
ExitCode run_tenants_create(const LogPlace& place, const TenantsCreateOptions& options,
                            Console& console);

struct TenantsDeleteOptions {
  std::string name;
  std::string confirmed_name;  // the same again, so that a slip deletes nothing
};
// Its tokens are revoked too: who makes a tenant of the same name later is somebody else.
ExitCode run_tenants_delete(const LogPlace& place, const TenantsDeleteOptions& options,
                            Console& console);

// What the options of all of them are parsed into.
struct TenantOptions {
  TokenCreateOptions token_create;
  TokenListOptions token_list;
  TokenRevokeOptions token_revoke;
  TenantsListOptions list;
  TenantsCreateOptions create;
  TenantsDeleteOptions remove;
};

// Adds the commands to `app`. Parsing one fills `options` and sets `command` to what runs it.
// `add_data` adds the option for the data directory, `add_place` that for a tenant as well.
using Command = std::function<ExitCode(const LogPlace&, Console&)>;
void add_tenant_commands(CLI::App& app, TenantOptions& options, Command& command,
                         const std::function<void(CLI::App& command)>& add_data,
                         const std::function<void(CLI::App& command)>& add_place);

}  // namespace runlog
