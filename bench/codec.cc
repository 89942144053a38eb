// Encoding a run into the log's stored form and decoding it again, on one core and without a
// dictionary, which a log has only after it learned one.
#include <stdexcept>
#include <vector>

#include "bench/figures.h"
#include "bench/measure.h"
#include "bench/runlog_store.h"
#include "log/names.h"
#include "log/record.h"

namespace runlog::bench {
namespace {

constexpr std::size_t kSteps = 10;
constexpr std::size_t kRuns = 2000;
constexpr std::size_t kRounds = 15;

std::vector<Run> ten_step_runs(const RunBatch& batch) {
  std::vector<Run> runs;
  for (const Run& run : batch.runs) {
    if (run.steps->size() == kSteps && runs.size() < kRuns) runs.push_back(run);
  }
  return runs;
}

// Everything decodes to what it was, or the figures mean nothing.
void check(const std::vector<Run>& runs, const std::vector<EncodedRun>& encoded,
           const NameTable& names) {
  for (std::size_t i = 0; i < runs.size(); ++i) {
    TextArena arena;
    Run decoded;
    take(decode_run(encoded[i].bytes, i + 1, names, nullptr, arena, decoded));
    if (!(decoded == runs[i])) throw std::runtime_error("a run decodes to another run");
  }
}

}  // namespace

void measure_codec(const Settings& settings, Report& report) {
  say("codec: encoding and decoding");
  const Generator generator(settings.seed);
  RunBatch batch;
  generator.fill(0, kRuns * 10, batch);
  const std::vector<Run> runs = ten_step_runs(batch);
  NameTable names;
  const RunLimits limits;
  std::vector<EncodedRun> encoded(runs.size());
  double bytes = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    take(encode_run(runs[i], names, nullptr, limits, encoded[i]));
    finish_record(encoded[i].bytes, i + 1, *runs[i].finished_at, 0);
    bytes += double(encoded[i].bytes.size());
  }
  check(runs, encoded, names);

  std::vector<double> encode_us, decode_us;
  for (std::size_t round = 0; round < kRounds; ++round) {
    EncodedRun out;
    auto start = Clock::now();
    for (const Run& run : runs) {
      take(encode_run(run, names, nullptr, limits, out));
      keep(out);
    }
    encode_us.push_back(micros_since(start) / double(runs.size()));
    start = Clock::now();
    for (std::size_t i = 0; i < runs.size(); ++i) {
      TextArena arena;
      Run decoded;
      take(decode_run(encoded[i].bytes, i + 1, names, nullptr, arena, decoded));
      keep(decoded);
    }
    decode_us.push_back(micros_since(start) / double(runs.size()));
  }
  report.at_most("encode a run of 10 steps, no dictionary", median(encode_us), "µs", 2.5);
  report.at_most("decode a run of 10 steps, no dictionary", median(decode_us), "µs", 2.5);
  report.note("encoded run of 10 steps, no dictionary", bytes / double(runs.size()), "B");
}

}  // namespace runlog::bench
