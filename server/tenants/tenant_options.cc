// The command line of `runlog token …` and `runlog tenants …`.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "server/filter_options.h"
#include "server/quantities.h"
#include "server/tenants/tenant_commands.h"
#include "server/time_argument.h"

namespace runlog {
namespace {

using Finish = std::function<void(CLI::App& command)>;

// `token` or `tenants`, with commands below it.
class CommandGroup {
 public:
  CommandGroup(CLI::App& app, const std::string& name, const std::string& description,
               const std::string& example, Command& command)
      : group_(*app.add_subcommand(name, description)), command_(command) {
    group_.require_subcommand(1);
    group_.footer(fmt::format("Example:\n  runlog {}\n\n`runlog {} COMMAND --help` shows a "
                              "command's options.", example, name));
  }

  template <typename Options>
  CLI::App& add(const std::string& name, const std::string& description, const std::string& example,
                Options& options, ExitCode (*run)(const LogPlace&, const Options&, Console&),
                const Finish& finish) {
    CLI::App& command = *group_.add_subcommand(name, description);
    command.footer("Example:\n  runlog " + example);
    finish(command);
    if constexpr (requires { options.json; })
      command.add_flag("--json", options.json, "Print one JSON object");
    command.callback([this_command = &command_, &options, run] {
      *this_command = [&options, run](const LogPlace& place, Console& console) {
        return run(place, options, console);
      };
    });
    return command;
  }

 private:
  CLI::App& group_;
  Command& command_;
};

void add_token_commands(CLI::App& app, TenantOptions& options, Command& command,
                        const Finish& add_data, const Finish& add_place) {
  CommandGroup group(app, "token", "Who may use the server: create, list, revoke",
                     "token create --data ./history --tenant acme --role append", command);
  CLI::App& create = group.add(
      "create", "Make a token and show it, once",
      "token create --data ./history --tenant acme --role append --expires 90d > acme.token",
      options.token_create, &run_token_create, add_place);
  create.add_option_function<std::string>(
            "--role",
            [&role = options.token_create.role](const std::string& name) {
              const auto known = role_of(name);
              if (!known)
                throw CLI::ValidationError(
                    "--role", fmt::format("'{}' is not one of read, append, admin", name));
              role = *known;
            },
            "read: queries; append: appends and paused runs too; admin: policies and backups too")
      ->required()
      ->type_name("ROLE");
  create.add_option_function<std::string>(
            "--expires",
            [&expires_at = options.token_create.expires_at](const std::string& text) {
              auto time = parse_time_ahead(text, now_ms());
              if (!time) throw CLI::ValidationError("--expires", time.error().message);
              expires_at = *time;
            },
            "It ends then: 2026-12-31, or from now: 90d (default: never)")
      ->type_name("TIME");
  group.add("list", "Which tokens there are, without the tokens themselves",
            "token list --data ./history", options.token_list, &run_token_list, add_data);
  group.add("revoke", "Take a token back", "token revoke q8hX0c2L --data ./history",
            options.token_revoke, &run_token_revoke, add_data)
      .add_option("ID", options.token_revoke.id, "As `runlog token list` shows it")
      ->required()
      ->check(refuse_empty)
      ->type_name("");
}

void add_name(CLI::App& command, std::string& name) {
  command.add_option("NAME", name, "The tenant: 1 to 64 letters, digits, '-' or '_'")
      ->required()
      ->type_name("");
}

}  // namespace

void add_tenant_commands(CLI::App& app, TenantOptions& options, Command& command,
                         const Finish& add_data, const Finish& add_place) {
  add_token_commands(app, options, command, add_data, add_place);
  CommandGroup group(app, "tenants", "Whose logs there are: list, create, delete",
                     "tenants list --data ./history", command);
  group.add("list", "Every tenant, its runs and its size", "tenants list --data ./history",
            options.list, &run_tenants_list, add_data);
  add_name(group.add("create", "Make a tenant with an empty log",
                     "tenants create acme --data ./history", options.create, &run_tenants_create,
                     add_data),
           options.create.name);
  CLI::App& remove = group.add(
      "delete", "Remove a tenant, all its runs and its tokens, for good",
      "tenants delete acme --confirm acme --data ./history", options.remove, &run_tenants_delete,
      add_data);
  add_name(remove, options.remove.name);
  remove.add_option("--confirm", options.remove.confirmed_name, "The name again")
      ->required()
      ->type_name("NAME");
}

}  // namespace runlog
