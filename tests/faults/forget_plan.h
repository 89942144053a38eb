// A life of appends and forgets: in each round some runs come, and those with the round's word are
// forgotten.
#pragma once

#include <chrono>
#include <string>

#include "log/log.h"
#include "log/paused_runs.h"
#include "log/run_json.h"
#include "tests/forget_runs.h"

namespace runlog::faults {

inline constexpr int kOthersPerRound = 12, kMarkedPerRound = 4;

// Six letters that no other round has in a row.
inline Trace trace_of(int round) {
  std::string word = "qzj";
  for (int i = 0; i < 3; ++i, round /= 5) word += "vxkwp"[round % 5];
  return Trace(word);
}

inline std::string other_id(int round, int i) {
  return "other" + std::to_string(round) + "." + std::to_string(i);
}
inline std::string marked_id(int round, int i) {
  return std::to_string(i) + " marked " + trace_of(round).text();
}
inline std::string paused_id(int round) { return "paused " + trace_of(round).text(); }
inline std::string user_of(int round) { return "user " + trace_of(round).text(); }

inline LogOptions forget_options() {
  LogOptions options;
  options.segment_runs = 10;
  options.merge_fanout = 3;
  options.train_dictionary = false;
  options.retention = RetentionPolicy();
  options.sweep_interval = std::chrono::milliseconds(0);
  return options;
}

inline Expected<void> append_round(Log& log, int round) {
  RunJsonParser parser;
  const auto append = [&](const std::string& json) -> Expected<void> {
    TextArena arena;
    Run run;
    if (auto parsed = parser.parse(json, arena, run); !parsed) return parsed;
    auto done = log.append(run);
    return done ? Expected<void>() : tl::unexpected(done.error());
  };
  const std::string word = trace_of(round).text();
  for (int i = 0; i < kOthersPerRound; ++i) {
    auto done = append(run_with(other_id(round, i), "of others", i));
    if (done && i % 3 == 0) done = append(run_with(marked_id(round, i / 3), word, i));
    if (!done) return done;
  }
  TextArena arena;
  SuspendedRun paused;
  auto done = parser.parse_suspended(suspended_with(paused_id(round), word), arena, paused);
  if (done) done = log.paused().save(paused);
  if (!done) return done;
  auto pin = log.pin(marked_id(round, 1), "for " + word);
  return pin ? Expected<void>() : tl::unexpected(pin.error());
}

}  // namespace runlog::faults
