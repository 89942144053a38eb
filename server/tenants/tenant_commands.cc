#include "server/tenants/tenant_commands.h"

#include <algorithm>

#include <fmt/format.h>

#include "log/run_json.h"
#include "server/json_answer.h"
#include "server/open_log.h"
#include "server/quantities.h"
#include "server/tenants/tenants.h"
#include "server/terminal_table.h"

namespace runlog {
namespace {

using Align = TerminalTable::Align;

std::string end_of(const Token& token) {
  return token.expires_at ? format_instant(*token.expires_at) : "never";
}

void write_token(const Token& token, JsonAnswer& json) {
  json.member("id", token.id);
  json.member("tenant", token.tenant);
  json.member("role", role_name(token.role));
  json.member("createdAt", format_time(token.created_at));
  if (token.expires_at) json.member("expiresAt", format_time(*token.expires_at));
}

void write_tenant(const TenantSummary& tenant, JsonAnswer& json) {
  json.StartObject();
  json.member("name", tenant.name);
  json.flag("open", tenant.is_open);
  if (tenant.problem) {
    json.member("problem", tenant.problem->message);
  } else {
    json.member("runs", tenant.runs);
    json.member("bytes", tenant.bytes);
  }
  json.EndObject();
}

// One object with a list in it, as all the program's lists.
template <typename List, typename Write>
void print_json(std::string_view name, const List& list, Write&& write, Console& console) {
  JsonAnswer json;
  json.StartObject();
  json.key(name);
  json.StartArray();
  for (const auto& entry : list) write(entry, json);
  json.EndArray();
  json.EndObject();
  console.out.write(json.line());
}

ExitCode refuse(const std::string& why, Console& console) {
  return complain(console, {ErrorCode::InvalidArgument, why});
}

}  // namespace

// ---- tokens ----------------------------------------------------------------------------------

ExitCode run_token_create(const LogPlace& place, const TokenCreateOptions& options,
                          Console& console) {
  auto tokens = Tokens::load(place.data);
  if (!tokens) return complain(console, tokens.error());
  auto created = (*tokens)->create(place.tenant, options.role, options.expires_at, now_ms());
  if (!created) return complain(console, created.error());
  const Token& token = created->token;
  if (options.json) {
    JsonAnswer json;
    json.StartObject();
    write_token(token, json);
    json.member("token", created->secret);
    json.EndObject();
    console.out.write(json.line());
  } else {
    console.out.write(created->secret + "\n");
    remark(console, fmt::format("token {}: {} in tenant '{}', expires {}; it is shown only now",
                                token.id, role_name(token.role), token.tenant, end_of(token)));
  }
  if (!is_log(place.directory()))
    remark(console, fmt::format("there is no tenant '{0}' yet, see `runlog tenants create {0}`",
                                place.tenant));
  return ExitCode::kDone;
}

ExitCode run_token_list(const LogPlace& place, const TokenListOptions& options, Console& console) {
  auto tokens = Tokens::load(place.data);
  if (!tokens) return complain(console, tokens.error());
  const auto list = (*tokens)->list();
  if (options.json) {
    print_json("tokens", list, [](const Token& token, JsonAnswer& json) {
      json.StartObject();
      write_token(token, json);
      json.EndObject();
    }, console);
    return ExitCode::kDone;
  }
  TerminalTable table({{"ID"},
                       {"TENANT", Align::kLeft, 10},
                       {"ROLE"},
                       {"CREATED (UTC)", Align::kLeft, 0, 1},
                       {"EXPIRES (UTC)"}});
  for (const Token& token : list) {
    const bool is_over = token.expires_at && *token.expires_at <= now_ms();
    table.add_row({{token.id},
                   {token.tenant, Style::kBold},
                   {std::string(role_name(token.role))},
                   {format_instant(token.created_at)},
                   {end_of(token), is_over ? Style::kBad : Style::kPlain}});
  }
  console.out.write(table.render(console.screen));
  return ExitCode::kDone;
}

ExitCode run_token_revoke(const LogPlace& place, const TokenRevokeOptions& options,
                          Console& console) {
  auto tokens = Tokens::load(place.data);
  if (!tokens) return complain(console, tokens.error());
  if (auto revoked = (*tokens)->revoke(options.id); !revoked)
    return complain(console, revoked.error());
  console.out.write(fmt::format("revoked {}; a server takes notice when it gets SIGHUP\n",
                                options.id));
  return ExitCode::kDone;
}

// ---- tenants ---------------------------------------------------------------------------------

ExitCode run_tenants_list(const LogPlace& place, const TenantsListOptions& options,
                          Console& console) {
  Tenants tenants(place.data);
  auto list = tenants.list();
  if (!list) return complain(console, list.error());
  if (options.json) {
    print_json("tenants", *list, write_tenant, console);
    return ExitCode::kDone;
  }
  TerminalTable table({{"TENANT", Align::kLeft, 10},
                       {"RUNS", Align::kRight},
                       {"SIZE", Align::kRight},
                       {"STATE", Align::kLeft, 10}});
  for (const TenantSummary& tenant : *list) {
    if (tenant.problem) {
      table.add_row({{tenant.name, Style::kBold}, {}, {}, {tenant.problem->message, Style::kBad}});
    } else {
      table.add_row({{tenant.name, Style::kBold},
                     {format_count(tenant.runs)},
                     {format_bytes(tenant.bytes)},
                     {tenant.is_open ? "open" : ""}});
    }
  }
  console.out.write(table.render(console.screen));
  return ExitCode::kDone;
}

ExitCode run_tenants_create(const LogPlace& place, const TenantsCreateOptions& options,
                            Console& console) {
  Tenants tenants(place.data);
  if (auto created = tenants.create(options.name); !created)
    return complain(console, created.error());
  console.out.write(fmt::format("created {}\n", options.name));
  return ExitCode::kDone;
}

ExitCode run_tenants_delete(const LogPlace& place, const TenantsDeleteOptions& options,
                            Console& console) {
  if (options.confirmed_name != options.name)
    return refuse(fmt::format("nothing was deleted: --confirm must repeat the name '{}'",
                              options.name), console);
  auto tokens = Tokens::load(place.data);
  if (!tokens) return complain(console, tokens.error());
  Tenants tenants(place.data);
  const auto removed = tenants.remove(options.name);
  if (!removed && removed.error().code != ErrorCode::NotFound)
    return complain(console, removed.error());
  // Also of a tenant that is gone: somebody may make one of that name again.
  auto revoked = (*tokens)->revoke_all(options.name);
  if (!revoked) return complain(console, revoked.error());
  if (!removed && *revoked == 0) return complain(console, removed.error());
  console.out.write(fmt::format("{}; {} revoked\n",
                                removed ? fmt::format("deleted {} with all its runs", options.name)
                                        : fmt::format("{} was deleted before", options.name),
                                count_of(*revoked, "token")));
  return ExitCode::kDone;
}

}  // namespace runlog
