#include "server/command_line.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <limits>
#include <set>
#include <sstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "server/commands.h"
#include "server/connect_options.h"
#include "server/filter_options.h"
#include "server/forget_command.h"
#include "server/open_log.h"
#include "server/paused_commands.h"
#include "server/retention_commands.h"
#include "server/serve/serve_command.h"
#include "server/tenants/tenant_commands.h"

#ifndef RUNLOG_VERSION
#error "the build says which version this is"
#endif

namespace runlog {
namespace {

constexpr std::uint32_t kMostRunsOfAPage = 1000;  // what query::list takes

// What the options are parsed into; each command uses its own part.
struct Parsed {
  std::string data;
  std::string tenant = "default";
  std::string connect, token_file, ca_file;
  ImportOptions import;
  ExportOptions export_runs;
  ListOptions list;
  bool oldest_first = false;
  GetOptions get;
  StatsOptions stats;
  GroupsOptions groups;
  VerifyCommandOptions verify;
  InfoOptions info;
  BackupOptions backup;
  PausedOptions paused;
  RetentionOptions retention;
  TenantOptions tenants;
  ServeOptions serve;
  ForgetOptions forget;
  Command command;
};

void add_data_option(CLI::App& app, Parsed& parsed, const std::string& group) {
  app.add_option("--data", parsed.data, "Where the logs are; or set RUNLOG_DATA")
      ->type_name("DIR")
      ->group(group);
}

void add_place_options(CLI::App& app, Parsed& parsed, const std::string& group) {
  add_data_option(app, parsed, group);
  app.add_option("--tenant", parsed.tenant, "Whose log (default: default)")
      ->type_name("NAME")
      ->group(group);
  app.add_option("--connect", parsed.connect,
                 "A server in place of --data: tcp://HOST:PORT, tls://HOST:PORT or unix:PATH")
      ->check(refuse_empty)
      ->type_name("ADDRESS")
      ->group(group);
  app.add_option("--token-file", parsed.token_file, "The token for that server, in a file")
      ->check(refuse_empty)
      ->type_name("FILE")
      ->group(group);
  app.add_option("--ca-file", parsed.ca_file, "Whom to believe that it is the server (tls://)")
      ->check(refuse_empty)
      ->type_name("FILE")
      ->group(group);
}

// Those that ask a log's questions; others care for its files.
bool can_connect(const std::string& command) {
  static const std::set<std::string> kCommands = {
      "import", "export", "list", "get",  "groups",    "stats",  "info",
      "paused", "pin",    "unpin", "pins", "retention", "forget", "backup"};
  return kCommands.contains(command);
}

// Before the command, behind it or behind its own command.
bool was_given(const CLI::App& app, const std::string& option) {
  const CLI::Option* const here = app.get_option_no_throw(option);
  if (here != nullptr && here->count() > 0) return true;
  const auto commands = app.get_subcommands();
  return !commands.empty() && was_given(*commands.front(), option);
}

// What goes through a whole log: the server's own deadline would be too short.
bool takes_long(const std::string& command) {
  return command == "backup" || command == "forget" || command == "retention";
}
constexpr std::chrono::minutes kLongPatience{10};

CLI::App& add_command(CLI::App& app, Parsed& parsed, const std::string& name,
                      const std::string& description, const std::string& example) {
  CLI::App& command = *app.add_subcommand(name, description);
  command.footer("Example:\n  " + example);
  add_place_options(command, parsed, "Which log");
  return command;
}

// Sets what runs when `command` was given.
template <typename Options>
void run_with(CLI::App& command, Parsed& parsed, Options& options,
              ExitCode (*run)(const LogPlace&, const Options&, Console&)) {
  command.callback([&parsed, &options, run] {
    parsed.command = [&options, run](const LogPlace& place, Console& console) {
      return run(place, options, console);
    };
  });
}

void add_json_flag(CLI::App& command, bool& json) {
  command.add_flag("--json", json, "Print one JSON object");
}

void add_import_command(CLI::App& app, Parsed& parsed) {
  CLI::App& import = add_command(
      app, parsed, "import", "Append runs from NDJSON files, plain, .zst or .gz",
      "runlog import --data ./history runs.ndjson.zst\n  tail -f runs.ndjson | runlog import "
      "--data ./history -");
  import.add_option("FILE", parsed.import.files, "Files; - or none is the standard input")
      ->type_name("");
  run_with(import, parsed, parsed.import, &run_import);
}

void add_list_command(CLI::App& app, Parsed& parsed) {
  CLI::App& list = add_command(app, parsed, "list", "Which runs there were, the newest first",
                               "runlog list --data ./history --status failed --since 12h");
  ListRequest& request = parsed.list.request;
  add_filter_options(list, request.filter, true);
  list.add_option("--limit", request.limit, "How many, 1 to 1000 (default: 20)")
      ->check(CLI::Range(std::uint32_t(1), kMostRunsOfAPage).description(""))
      ->type_name("N");
  list.add_option("--cursor", request.cursor, "Go on where another page ended")
      ->check(refuse_empty)
      ->type_name("C");
  list.add_flag("--oldest-first", parsed.oldest_first, "The oldest first");
  add_json_flag(list, parsed.list.json);
  run_with(list, parsed, parsed.list, &run_list);
}

void add_get_command(CLI::App& app, Parsed& parsed) {
  CLI::App& get = add_command(
      app, parsed, "get", "One run: why it failed, and its steps",
      "runlog get run_b49b5ca4-55c1-4ad4-9dfe-ef7d40f08703 --data ./history");
  get.add_option("RUN_ID", parsed.get.run_id, "The run")->required()->type_name("");
  get.add_flag("--every-iteration", parsed.get.every_iteration,
               "Show the steps of all iterations, not only of those that failed");
  add_json_flag(get, parsed.get.json);
  run_with(get, parsed, parsed.get, &run_get);
}

void add_stats_command(CLI::App& app, Parsed& parsed) {
  CLI::App& stats = add_command(app, parsed, "stats", "How often flows ran, failed, how long",
                                "runlog stats --data ./history --flow lead_routing");
  stats.add_option("--flow", parsed.stats.flow, "Of this flow alone, with its hours")
      ->type_name("F");
  add_json_flag(stats, parsed.stats.json);
  stats.footer("Percentiles of durations are within 6.25 %. The last run and the last failure are "
               "those that\nwere stored last, with the time when they finished.\n\n" +
               stats.get_footer());
  run_with(stats, parsed, parsed.stats, &run_stats);
}

void add_groups_command(CLI::App& app, Parsed& parsed) {
  CLI::App& groups =
      add_command(app, parsed, "groups", "How many runs share an error, a flow, a node ...",
                  "runlog groups --data ./history --by error --since 7d");
  const auto take = [&parsed](const std::string& name) {
    const auto kind = group_kind_named(name);
    if (!kind) {
      throw CLI::ValidationError(
          "--by", fmt::format("'{}' is not one of {}", name, group_kind_names()));
    }
    parsed.groups.by = *kind;
    parsed.groups.by_name = name;
  };
  groups.add_option_function<std::string>("--by", take,
                                          group_kind_names() + " (default: error)")
      ->type_name("KIND");
  groups.add_option("--limit", parsed.groups.limit, "How many groups (default: 20)")
      ->check(CLI::Range(std::uint32_t(1), std::numeric_limits<std::uint32_t>::max())
                  .description(""))
      ->type_name("N");
  add_json_flag(groups, parsed.groups.json);
  add_filter_options(groups, parsed.groups.filter, false);
  run_with(groups, parsed, parsed.groups, &run_groups);
}

void add_export_command(CLI::App& app, Parsed& parsed) {
  CLI::App& exported = add_command(
      app, parsed, "export", "Write runs as NDJSON, the oldest first",
      "runlog export --data ./history --flow lead_routing --output runs.ndjson");
  add_filter_options(exported, parsed.export_runs.filter, false);
  exported.add_option("--output", parsed.export_runs.output,
                      "Into this file, replaced when all is written; otherwise to the standard "
                      "output")
      ->check(refuse_empty)
      ->type_name("FILE");
  run_with(exported, parsed, parsed.export_runs, &run_export);
}

void add_care_commands(CLI::App& app, Parsed& parsed) {
  CLI::App& verify = add_command(app, parsed, "verify", "Check every record and every table",
                                 "runlog verify --data ./history");
  verify.add_flag("--repair", parsed.verify.repair,
                  "Rebuild what can be rebuilt, set aside what cannot be read");
  run_with(verify, parsed, parsed.verify, &run_verify);

  CLI::App& backup = add_command(
      app, parsed, "backup", "Copy the log as it is now, while others go on with it",
      "runlog backup ./backups/2026-11-24 --data ./history\n  runlog list --data ./backups --tenant "
      "2026-11-24");
  backup.add_option("DIR", parsed.backup.directory,
                    "The copy; a directory that is not there yet, or empty; with --connect its name "
                    "on the server")
      ->required()
      ->check(refuse_empty)
      ->type_name("");
  add_json_flag(backup, parsed.backup.json);
  run_with(backup, parsed, parsed.backup, &run_backup);

  CLI::App& info = add_command(app, parsed, "info", "What the log consists of, and what it costs",
                               "runlog info --data ./history");
  add_json_flag(info, parsed.info.json);
  run_with(info, parsed, parsed.info, &run_info);
}

// So that the shell gives back the same argument.
std::string quoted(const std::string& argument) {
  const bool plain = !argument.empty() && std::all_of(argument.begin(), argument.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("-_=+.,:/@%").find(c) != std::string_view::npos;
  });
  if (plain) return argument;
  std::string out = "'";
  for (const char c : argument) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// The command as typed, without its cursor.
std::string invocation_of(const std::vector<std::string>& arguments) {
  std::string out;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--cursor") {
      ++i;
    } else if (arguments[i].rfind("--cursor=", 0) != 0) {
      out += (out.empty() ? "" : " ") + quoted(arguments[i]);
    }
  }
  return out;
}

// What CLI11 takes: the arguments without the program's name, in reverse. `runlog help list` is
// what many type for `runlog list --help`.
std::vector<std::string> for_parser(const std::vector<std::string>& arguments) {
  if (arguments.size() >= 2 && arguments[1] == "help") {
    std::vector<std::string> help = {"--help"};
    help.insert(help.end(), arguments.rbegin(), arguments.rend() - 2);
    return help;
  }
  return {arguments.rbegin(), arguments.rend() - 1};
}

ExitCode usage_error(const std::string& message, const CLI::App& app, Console& console) {
  std::string names;
  for (auto commands = app.get_subcommands(); !commands.empty();
       commands = commands.front()->get_subcommands()) {
    names += commands.front()->get_name() + " ";
  }
  console.err.write(
      fmt::format("runlog: {}\nrunlog: see `runlog {}--help`\n", message, names));
  return ExitCode::kUsage;
}

}  // namespace

ExitCode run_command_line(const std::vector<std::string>& arguments, Console& console) {
  Parsed parsed;
  CLI::App app("runlog: a durable, queryable log of finished workflow runs", "runlog");
  app.set_version_flag("--version", "runlog " RUNLOG_VERSION);
  app.require_subcommand(0, 1);
  app.footer("Example:\n  runlog import --data ./history runs.ndjson\n  runlog list --data "
             "./history --status failed\n\n`runlog COMMAND --help` shows a command's options.");
  add_place_options(app, parsed, "");  // before the command they work too; not shown twice
  add_import_command(app, parsed);
  add_list_command(app, parsed);
  add_get_command(app, parsed);
  add_groups_command(app, parsed);
  add_stats_command(app, parsed);
  add_export_command(app, parsed);
  const auto add_place = [&parsed](CLI::App& command) {
    add_place_options(command, parsed, "Which log");
  };
  const auto add_data = [&parsed](CLI::App& command) {
    add_data_option(command, parsed, "Which logs");
  };
  add_paused_commands(app, parsed.paused, parsed.command, add_place);
  add_retention_commands(app, parsed.retention, parsed.command, add_place);
  add_forget_command(app, parsed.forget, parsed.command, add_place);
  add_tenant_commands(app, parsed.tenants, parsed.command, add_data, add_place);
  add_serve_command(app, parsed.serve, parsed.command, add_data);
  add_care_commands(app, parsed);

  const auto is_asked_for = [&](const CLI::App* command) {
    return command->get_name() == arguments[2];
  };
  if (arguments.size() > 2 && arguments[1] == "help" &&
      app.get_subcommands(is_asked_for).empty()) {
    return usage_error(fmt::format("there is no command '{}'", arguments[2]), app, console);
  }
  try {
    app.parse(for_parser(arguments));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != int(CLI::ExitCodes::Success)) {
      return usage_error(error.what(), app, console);
    }
    std::ostringstream text;
    app.exit(error, text, text);
    console.out.write(text.str());
    return ExitCode::kDone;
  }
  if (!parsed.command) {
    console.err.write(app.help());
    return ExitCode::kUsage;
  }
  if (const char* data = std::getenv("RUNLOG_DATA"); parsed.data.empty() && data != nullptr) {
    parsed.data = data;
  }
  LogPlace place{parsed.data, parsed.tenant, std::nullopt};
  if (!parsed.connect.empty()) {
    if (const auto command = app.get_subcommands().front()->get_name(); !can_connect(command)) {
      return usage_error(fmt::format("`{}` reads files, so it takes --data and not --connect",
                                     command), app, console);
    }
    auto server = server_options({parsed.connect, parsed.token_file, parsed.ca_file,
                                  was_given(app, "--tenant") ? parsed.tenant : ""});
    if (!server) return complain(console, server.error());
    place.server = std::move(*server);
    if (takes_long(app.get_subcommands().front()->get_name()))
      place.server->patience = kLongPatience;
  } else if (parsed.data.empty()) {
    return usage_error("--data DIR must say where the logs are; RUNLOG_DATA may say so instead",
                       app, console);
  }
  if (!is_tenant_name(parsed.tenant)) {
    return usage_error(fmt::format("'{}' is not a tenant's name: 1 to 64 letters, digits, '-' or "
                                   "'_'", parsed.tenant), app, console);
  }
  for (const Filter* filter :
       {&parsed.list.request.filter, &parsed.groups.filter, &parsed.export_runs.filter}) {
    if (const auto wrong = contradiction_in(*filter)) return usage_error(*wrong, app, console);
  }
  if (parsed.oldest_first) parsed.list.request.direction = Direction::kOldestFirst;
  parsed.list.invocation = parsed.paused.list.invocation = invocation_of(arguments);
  return parsed.command(place, console);
}

}  // namespace runlog
