// Steps and summaries as the JSON text that an ObjectStack server keeps in its SQL columns, made
// and read with the fastest libraries at hand. Only what generated and real runs carry is covered;
// the log's own JSON (log/run_json.h) is not used, so that a peer's time never depends on it.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "bench/text_buffer.h"
#include "log/run.h"

namespace runlog::bench {

// Keeps its buffers between calls; what it returns lives until the next call of the same function.
class RunTextWriter {
 public:
  RunTextWriter();
  ~RunTextWriter();
  std::string_view steps(const std::vector<Step>& steps);
  std::string_view summary(const RunSummary& summary);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Keeps a parser's buffers between calls. Throws std::runtime_error on text that it did not write.
class RunTextReader {
 public:
  RunTextReader();
  ~RunTextReader();
  void read_steps(std::string_view json, TextBuffer& text, std::vector<Step>& out);
  void read_summary(std::string_view json, TextBuffer& text, RunSummary& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace runlog::bench
