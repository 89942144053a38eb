// `runlog import`: NDJSON into the log, line by line; a refused line never stops the others.
#include <unistd.h>

#include <chrono>

#include <fmt/format.h>

#include "log/log.h"
#include "log/run_json.h"
#include "server/commands.h"
#include "server/history.h"
#include "server/import_pipeline.h"
#include "server/ndjson_reader.h"
#include "server/progress.h"
#include "server/quantities.h"
#include "server/retention_commands.h"
#include "server/stop_signals.h"

namespace runlog {
namespace {

// Enough to see what is wrong with a file; a million equal complaints help nobody.
constexpr std::uint64_t kRefusalsShown = 100;
constexpr std::uint64_t kProgressEvery = 256;  // lines

class Import {
 public:
  Import(RunHistory& history, const Log::Hidden& hidden_before, Console& console)
      : console_(console),
        hidden_before_(hidden_before),
        pipeline_(history.start_import()),
        progress_(console.err, console.err_screen, "importing", "run") {}

  void read_file(const std::string& path);
  ExitCode finish(RunHistory& history);
  bool stopped() const { return stopped_; }

 private:
  void take_line(const std::string& path, const NdjsonLine& line);
  void leave_file(const Error& why);
  void refuse(const std::string& path, std::uint64_t line, const std::string& why);
  void report(const Error& error);
  void take_refusals();
  void print_summary(RunHistory& history, std::chrono::milliseconds took);
  void tell_of_hidden(RunHistory& history);

  Console& console_;
  StopSignals signals_;
  Log::Hidden hidden_before_;
  const std::unique_ptr<ImportPipeline> pipeline_;
  Progress progress_;
  RunJsonParser parser_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::uint64_t taken_ = 0, json_bytes_ = 0, refused_ = 0;
  ExitCode worst_ = ExitCode::kDone;
  bool cut_short_ = false;  // not all input was read
  bool stopped_ = false;    // and no more will be
};

void Import::report(const Error& error) {
  progress_.clear();
  worst_ = std::max(worst_, complain(console_, error));
}

// The rest of a file is not read. Being told to stop is no error, but what was asked for is not all
// done; a damaged file says nothing against the files after it.
void Import::leave_file(const Error& why) {
  cut_short_ = true;
  if (why.code != ErrorCode::Closed) return report(why);
  stopped_ = true;
  worst_ = ExitCode::kBroken;
}

void Import::refuse(const std::string& path, std::uint64_t line, const std::string& why) {
  worst_ = std::max(worst_, ExitCode::kRefused);
  if (++refused_ > kRefusalsShown) return;
  progress_.clear();
  console_.err.write(fmt::format("{}:{}: {}\n", path, line, why));
  static_cast<void>(console_.err.flush());  // whoever feeds a pipe sees it now
}

void Import::take_line(const std::string& path, const NdjsonLine& line) {
  if (line.too_long) {
    return refuse(path, line.number, fmt::format("the line is longer than {} bytes, the limit of a "
                                                 "run's JSON", format_count(kMaxRunJsonBytes)));
  }
  TextArena arena;
  Run run;
  if (auto parsed = parser_.parse(line.text, arena, run); !parsed) {
    return refuse(path, line.number, parsed.error().message);
  }
  const std::string name = fmt::format("{}:{}", path, line.number);
  if (auto added = pipeline_->add(run, line.text, name); !added) {
    return refuse(path, line.number, added.error().message);
  }
  ++taken_;
  json_bytes_ += line.text.size();
}

void Import::read_file(const std::string& path) {
  auto source = ByteSource::open(path, signals_.descriptor());
  if (!source && source.error().code == ErrorCode::Closed) return leave_file(source.error());
  if (!source) return report(source.error());
  // A batch is not kept waiting for runs that may come in an hour.
  NdjsonReader reader(std::move(*source), kMaxRunJsonBytes, [this] { pipeline_->send(); });
  const std::string shown = path == "-" ? "<stdin>" : path;
  for (;;) {
    auto line = reader.next();
    if (!line) return leave_file(line.error());
    if (!*line) return;
    take_line(shown, **line);
    if ((*line)->number % kProgressEvery != 0) continue;
    take_refusals();
    progress_.update(taken_, reader.source().taken_bytes(), reader.source().file_bytes());
    if (pipeline_->failure()) {
      stopped_ = true;
      return;
    }
  }
}

// Those that a server refused after they were sent.
void Import::take_refusals() {
  for (const std::string& refusal : pipeline_->take_refusals()) {
    worst_ = std::max(worst_, ExitCode::kRefused);
    --taken_;
    if (++refused_ > kRefusalsShown) continue;
    progress_.clear();
    console_.err.write(refusal + "\n");
  }
}

void Import::print_summary(RunHistory& history, std::chrono::milliseconds took) {
  const ImportPipeline::Counts counts = pipeline_->counts();
  const LogInfo now = history.describe().value_or(LogInfo());
  std::string line = fmt::format(
      "imported {} ({} of JSON) in {}: {} new, {} superseding, {} already there, {} refused",
      count_of(counts.stored(), "run"), format_bytes(json_bytes_), format_duration(took.count()),
      format_count(counts.appended), format_count(counts.superseding),
      format_count(counts.duplicates), format_count(refused_));
  if (now.runs > 0) {
    line += fmt::format("; the log holds {} in {}, {} B a run", count_of(now.runs, "run"),
                        format_bytes(now.bytes), format_count(now.bytes / now.runs));
  }
  console_.out.write(line + "\n");
}

// What the policy hides of what was imported, or because of it, must not surprise anybody later.
void Import::tell_of_hidden(RunHistory& history) {
  const Log::Hidden now = history.hidden_by_retention().value_or(hidden_before_);
  const Log::Hidden hidden = difference(now, hidden_before_);
  if (hidden.total() == 0) return;
  console_.err.write(fmt::format(
      "runlog: the retention policy hides {}: {}; see `runlog retention show`, and `runlog retention "
      "set` before an import of runs that should stay\n",
      count_of(hidden.total(), "run"), reasons_of(hidden)));
}

ExitCode Import::finish(RunHistory& history) {
  const auto finished = pipeline_->finish();
  take_refusals();
  progress_.clear();
  if (finished)
    if (auto hidden = history.hide_expired(); !hidden) report(hidden.error());
  if (refused_ > kRefusalsShown) {
    console_.err.write(fmt::format("... and {} refused\n",
                                   count_of(refused_ - kRefusalsShown, "more line")));
  }
  if (!finished) report(finished.error());
  if (!finished || stopped_ || cut_short_) {
    console_.err.write(fmt::format(
        "runlog: the import ended early with {} safely stored; import the same input again, stored "
        "runs are recognised\n", count_of(pipeline_->counts().stored(), "run")));
  }
  print_summary(history, std::chrono::duration_cast<std::chrono::milliseconds>(
                         std::chrono::steady_clock::now() - start_));
  tell_of_hidden(history);
  return worst_;
}

}  // namespace

ExitCode run_import(const LogPlace& place, const ImportOptions& options, Console& console) {
  auto history = open_history(place, Access::kCreate);
  if (!history) return complain(console, history.error());
  auto hidden = (*history)->hidden_by_retention();
  if (!hidden) return complain(console, hidden.error());
  ExitCode code;
  {
    Import import(**history, *hidden, console);
    const std::vector<std::string> files =
        options.files.empty() ? std::vector<std::string>{"-"} : options.files;
    for (const std::string& file : files) {
      if (file == "-" && ::isatty(STDIN_FILENO) != 0) {
        console.err.write("reading runs from the terminal, one JSON object a line; Ctrl-D ends\n");
        static_cast<void>(console.err.flush());
      }
      import.read_file(file);
      if (import.stopped()) break;
    }
    code = import.finish(**history);
  }
  // A log that already failed has said why.
  if (auto closed = (*history)->close(); !closed && code != ExitCode::kBroken) {
    code = complain(console, closed.error());
  }
  return code;
}

}  // namespace runlog
