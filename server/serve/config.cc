#include "server/serve/config.h"

#include <algorithm>

#include <fmt/format.h>

#include "server/open_log.h"
#include "server/quantities.h"
#include "server/serve/config_section.h"

namespace runlog {
namespace {

void read_retention(const toml::table& table, ConfigProblem& problem, RetentionPolicy& policy) {
  using Rule = ConfigSection::Rule;
  ConfigSection section(table, problem);
  section.rule("max_age", Rule::kAge, policy.all.max_age_ms);
  for (unsigned status = 0; status < kRunStatusCount; ++status)
    section.rule(fmt::format("{}_max_age", status_name(RunStatus(status))), Rule::kAge,
                 policy.all.max_age_by_status_ms[status]);
  section.rule("max_per_flow", Rule::kCount, policy.all.max_per_flow);
  section.rule("min_per_flow", Rule::kCount, policy.all.min_per_flow);
  section.rule("max_bytes", Rule::kSize, policy.max_bytes);
  section.finish();
  if (problem.error) return;
  if (auto good = check_policy(policy); !good)
    problem.error = fail_at(table, problem.file, good.error().code, good.error().message).value();
}

void read_tenants(const toml::table& table, ConfigProblem& problem, TenantsOptions& options) {
  ConfigSection section(table, problem);
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    if (!is_tenant_name(name)) {
      section.refuse(name, "is no tenant's name: 1 to 64 letters, digits, '-' or '_'");
      return;
    }
    const toml::table* const entry = section.table(name);
    if (entry == nullptr) return;
    TenantRules& rules = options.rules[name];
    ConfigSection tenant(*entry, problem);
    if (entry->contains("max_bytes")) tenant.size("max_bytes", rules.max_bytes.emplace());
    if (const toml::table* retention = tenant.table("retention"))
      read_retention(*retention, problem, rules.retention.emplace());
    tenant.finish();
  }
}

void read_limits(const toml::table& table, ConfigProblem& problem, ServeConfig& config) {
  constexpr std::uint64_t kMost = 10'000'000;
  ConfigSection section(table, problem);
  section.count("connections", 1, kMost, config.max_connections);
  section.count("tenant_connections", 1, kMost, config.limits.tenant_connections);
  section.count("connection_in_flight", 1, kMost, config.limits.connection_in_flight);
  section.count("tenant_in_flight", 1, kMost, config.limits.tenant_in_flight);
  section.size("connection_bytes_per_second", config.limits.connection_bytes_per_second);
  section.size("tenant_bytes_per_second", config.limits.tenant_bytes_per_second);
  section.size("tenant_bytes", config.tenants.max_bytes);
  section.size("index_memory", config.tenants.index_memory_bytes);
  section.span("tenant_idle", config.tenants.idle_after);
  section.span("hello_timeout", config.timeouts.first_message);
  section.span("idle_timeout", config.timeouts.idle);
  section.span("write_timeout", config.timeouts.write);
  section.span("drain", config.drain);
  section.finish();
}

void read_tls(const toml::table& table, ConfigProblem& problem, TlsServerOptions& tls) {
  ConfigSection section(table, problem);
  std::string certificate, key, client_ca;
  section.text("certificate", certificate);
  section.text("key", key);
  section.text("client_ca", client_ca);
  section.finish();
  if (certificate.empty()) section.refuse("certificate", "must name the file of the certificate");
  if (key.empty()) section.refuse("key", "must name the file of the certificate's key");
  tls = {certificate, key, client_ca};
}

ServeConfig read_all(const toml::table& table, ConfigProblem& problem) {
  ServeConfig config;
  ConfigSection section(table, problem);
  section.texts("listen", config.listen);
  section.texts("http", config.http);
  section.flag("allow_plaintext", config.allow_plaintext);
  section.count("workers", 1, 1024, config.workers);
  std::string backup_dir;
  section.text("backup_dir", backup_dir);
  config.backup_dir = backup_dir;
  if (table.contains("anonymous")) section.text("anonymous", config.anonymous.emplace());
  if (const toml::table* tls = section.table("tls"))
    read_tls(*tls, problem, config.tls.emplace());
  if (const toml::table* limits = section.table("limits")) read_limits(*limits, problem, config);
  if (const toml::table* retention = section.table("retention")) {
    config.tenants.log.retention = RetentionPolicy();
    read_retention(*retention, problem, config.tenants.log.retention);
  }
  if (const toml::table* tenants = section.table("tenants"))
    read_tenants(*tenants, problem, config.tenants);
  section.finish();
  return config;
}

Expected<ServeConfig> config_of(Expected<toml::table> table, const std::filesystem::path& file) {
  if (!table) return tl::unexpected(table.error());
  ConfigProblem problem{file, {}};
  ServeConfig config = read_all(*table, problem);
  if (problem.error) return tl::unexpected(std::move(*problem.error));
  return config;
}

// Whether another machine can reach `address`.
Expected<bool> is_public(const Address& address) {
  if (address.kind == Address::Kind::kUnix) return false;
  auto resolved = address.resolve();
  if (!resolved) return tl::unexpected(resolved.error());
  return !std::all_of(resolved->begin(), resolved->end(), is_loopback);
}

}  // namespace

Expected<ServeConfig> read_config(const std::filesystem::path& file) {
  return config_of(read_toml(file), file);
}

Expected<ServeConfig> parse_config(std::string_view text, const std::filesystem::path& file) {
  return config_of(parse_toml(text, file), file);
}

Expected<void> check_config(const ServeConfig& config) {
  if (config.anonymous && !is_tenant_name(*config.anonymous))
    return fail(ErrorCode::InvalidArgument,
                fmt::format("anonymous access is for one tenant, and '{}' is no tenant's name",
                            *config.anonymous));
  if (config.listen.empty() && config.http.empty())
    return fail(ErrorCode::InvalidArgument, "there is no address to listen on");
  for (const auto* texts : {&config.listen, &config.http})
    for (const std::string& text : *texts) {
      auto address = Address::parse(text);
      if (!address) return tl::unexpected(address.error());
      if (address->is_tls && !config.tls)
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("{} needs a [tls] certificate in the configuration",
                                address->text()));
      auto reachable = is_public(*address);
      if (!reachable) return tl::unexpected(reachable.error());
      if (!*reachable) continue;
      if (config.anonymous)
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("other machines can reach {}: there is no anonymous access with "
                                "such an address",
                                address->text()));
      if (!config.tls && !config.allow_plaintext)
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("other machines can reach {}, where tokens would travel in clear: "
                                "give a [tls] certificate in the configuration, or "
                                "--allow-plaintext where the network is trusted",
                                address->text()));
    }
  return {};
}

}  // namespace runlog
