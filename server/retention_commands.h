// `runlog retention …`, `pin`, `unpin` and `pins`: which runs a log keeps. As commands.h: options in,
// text out.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "log/log.h"
#include "server/commands.h"

namespace CLI {
class App;
}

namespace runlog {

class JsonAnswer;

struct RetentionShowOptions {
  bool json = false;
};
ExitCode run_retention_show(const LogPlace& place, const RetentionShowOptions& options,
                            Console& console);

// One rule as it was typed: not given, taken back (what holds otherwise holds again), or a value,
// kNoLimit for "none".
struct RuleChange {
  bool is_given = false;
  std::optional<std::int64_t> value;
};

struct RetentionSetOptions {
  RuleChange max_age_ms, max_per_flow, min_per_flow, max_bytes;
  std::optional<std::string> flow;   // of this flow alone
  std::optional<RunStatus> status;   // max_age_ms of runs with this status
  std::optional<std::string> archive;  // a directory, empty: no archive any more
  bool json = false;
};
// Makes the log if there is none. A policy that makes no sense is refused, and the old one stays.
ExitCode run_retention_set(const LogPlace& place, const RetentionSetOptions& options,
                           Console& console);

struct RetentionSweepOptions {
  bool dry_run = false;
  bool json = false;
};
ExitCode run_retention_sweep(const LogPlace& place, const RetentionSweepOptions& options,
                             Console& console);

struct PinOptions {
  std::string run_id;
  std::string reason;
  std::optional<UnixMs> until;
  bool json = false;
};
ExitCode run_pin(const LogPlace& place, const PinOptions& options, Console& console);

struct UnpinOptions {
  std::string run_id;
  bool json = false;
};
ExitCode run_unpin(const LogPlace& place, const UnpinOptions& options, Console& console);

struct PinsOptions {
  bool json = false;
};
ExitCode run_pins(const LogPlace& place, const PinsOptions& options, Console& console);

// What was hidden between two counts, and the member `hidden` of an answer that says it.
Log::Hidden difference(const Log::Hidden& after, const Log::Hidden& before);
void write_hidden(const Log::Hidden& hidden, JsonAnswer& json);
// What the rules that hid `hidden` runs are, in words: "12 past max-age, 3 beyond max-per-flow".
std::string reasons_of(const Log::Hidden& hidden);

// What the options of all of them are parsed into.
struct RetentionOptions {
  RetentionShowOptions show;
  RetentionSetOptions set;
  RetentionSweepOptions sweep;
  PinOptions pin;
  UnpinOptions unpin;
  PinsOptions pins;
};

// Adds the commands to `app`. Parsing one fills `options` and sets `command` to what runs it;
// `finish` adds to each command what all commands of the program have.
using Command = std::function<ExitCode(const LogPlace&, Console&)>;
void add_retention_commands(CLI::App& app, RetentionOptions& options, Command& command,
                            const std::function<void(CLI::App& command)>& finish);

}  // namespace runlog
