// What the benchmark asks of every store alike: runlog and its peers answer the same questions
// about the same runs, and start and end with the same runs in memory.
//
// A store throws std::runtime_error when it fails; that ends the benchmark. One thread at a time,
// except where a function says otherwise. Runs and heads that it returns live until its next call.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "log/record.h"
#include "log/run.h"

namespace runlog::bench {

// Newest first. `cursor` is what next_cursor() said after the page before; empty for the first
// page.
struct PageRequest {
  std::string_view flow;
  std::optional<RunStatus> status;
  std::string cursor;
  std::uint32_t limit = 50;
};

class Store {
 public:
  virtual ~Store() = default;
  virtual std::string_view name() const = 0;

  // Encodes and commits `runs` at once; they are on disk when it returns.
  virtual void append(std::span<const Run> runs) = 0;
  // The same for many runs as fast as the store can, for filling it before reads are measured: what
  // a crash would lose doesn't matter here.
  virtual void load(std::span<const Run> runs) = 0;
  // Brings the store to its best state for reading, and its files to their final size: statistics
  // are gathered, everything is sealed, compacted or checkpointed.
  virtual void settle() = 0;

  // The stored bytes of a run, as they are (returns how many); and the run itself.
  virtual std::size_t get_stored(std::string_view run_id) = 0;
  virtual const Run& get(std::string_view run_id) = 0;
  // A page of summaries, decoded, without a total.
  virtual std::span<const RunHead> list(const PageRequest& request) = 0;
  // Where the page after the last one begins; empty if there was a page that was not full.
  virtual std::string next_cursor() const = 0;
  virtual std::uint64_t count_flow(std::string_view flow) = 0;
  virtual std::uint64_t count_status(RunStatus status) = 0;
};

}  // namespace runlog::bench
