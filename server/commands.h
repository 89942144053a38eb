// The commands of `runlog`, without the parsing of their arguments: options in, text out, an exit
// code back. command_line.h makes the options from what the user typed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "query/query.h"
#include "server/client/client_options.h"
#include "server/console.h"

namespace runlog {

// Which log: one tenant's directory below the data directory, or a server's.
struct LogPlace {
  std::filesystem::path data;
  std::string tenant = "default";
  std::filesystem::path directory() const { return data / tenant; }
  std::optional<ClientOptions> server = {};  // the log is behind this one, in no directory here
};

struct ImportOptions {
  std::vector<std::string> files;  // "-" is standard input, and so is an empty list
};
// Goes on after a refused line; ends early only when the log or a file cannot go on.
ExitCode run_import(const LogPlace& place, const ImportOptions& options, Console& console);

struct ExportOptions {
  Filter filter;
  std::string output;  // a file, replaced as a whole when the export is complete; empty: stdout
};
ExitCode run_export(const LogPlace& place, const ExportOptions& options, Console& console);

struct ListOptions {
  ListRequest request;
  bool json = false;
  std::string invocation;  // the command as typed, without a cursor: how to ask for the next page
};
ExitCode run_list(const LogPlace& place, const ListOptions& options, Console& console);

struct GetOptions {
  std::string run_id;
  bool json = false;
  bool every_iteration = false;
};
ExitCode run_get(const LogPlace& place, const GetOptions& options, Console& console);

struct StatsOptions {
  std::optional<std::string> flow;
  bool json = false;
};
ExitCode run_stats(const LogPlace& place, const StatsOptions& options, Console& console);

struct GroupsOptions {
  TermKind by = TermKind::kFingerprint;
  std::string by_name = "error";  // as the user gave it
  Filter filter;
  std::uint32_t limit = 20;
  bool json = false;
};
ExitCode run_groups(const LogPlace& place, const GroupsOptions& options, Console& console);

struct VerifyCommandOptions {
  bool repair = false;
};
ExitCode run_verify(const LogPlace& place, const VerifyCommandOptions& options, Console& console);

struct BackupOptions {
  std::string directory;
  bool json = false;
};
ExitCode run_backup(const LogPlace& place, const BackupOptions& options, Console& console);

struct InfoOptions {
  bool json = false;
};
ExitCode run_info(const LogPlace& place, const InfoOptions& options, Console& console);

}  // namespace runlog
