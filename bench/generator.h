// Deterministic runs for the benchmark: run number n of a seed is always the same run, whoever asks
// and in whatever order, so that a reader can name any run of a log of millions without keeping it.
//
// The runs look like an engine's: 200 flows used by Zipf's law, ten steps on average, 5 % failed
// (most of them in a few flows, and one busy flow that rarely fails), half of them triggered by a
// record, random UUIDs as run ids.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/text_buffer.h"
#include "log/run.h"

namespace runlog::bench {

// Runs and the text that is theirs alone. Names of flows, nodes and users are borrowed from the
// generator, which must outlive the batch.
struct RunBatch {
  std::vector<Run> runs;
  TextBuffer text;
};

class Generator {
 public:
  static constexpr std::size_t kFlows = 200;
  static constexpr std::size_t kUsers = 2000;

  explicit Generator(std::uint64_t seed);

  // Replaces the content of `batch` by runs number `first` … `first + count - 1`.
  void fill(std::uint64_t first, std::size_t count, RunBatch& batch) const;

  // The id of run number `n`.
  std::string run_id(std::uint64_t n) const;

  // The flow with the `rank`-th most runs, the one with the most of all, and a flow with more than
  // one in twenty of the runs, of which one in two hundred fails.
  std::string_view flow(std::size_t rank) const { return flows_[rank].name; }
  std::string_view busiest_flow() const { return flow(0); }
  std::string_view rarely_failing_flow() const { return flow(kRarelyFailing); }

 private:
  static constexpr std::size_t kRarelyFailing = 2;

  enum class Effect : std::uint8_t { kNone, kSelected, kActed, kUnmeasured };
  struct StepPlan {
    std::string node_id;
    std::string node_type;
    Effect effect = Effect::kNone;
  };
  struct Flow {
    std::string name;
    std::int64_t version = 1;
    double failure_rate = 0;
    std::vector<StepPlan> steps;
    // Where there is one, the last of `steps` is a loop, which runs it a few times.
    std::vector<StepPlan> body;
  };
  class Random;

  void make_flows(Random& random);
  static void plan_straight(Random& random, std::size_t count, Flow& flow);
  static void plan_loop(Random& random, Flow& flow);
  void set_failure_rates(Random& random);
  Random random_of(std::uint64_t n) const;
  Run make(std::uint64_t n, TextBuffer& text) const;
  void add_trigger(Random& random, TextBuffer& text, Run& run) const;
  void add_steps(const Flow& flow, std::size_t count, Random& random, Run& run) const;
  static void run_step(const StepPlan& plan, Random& random, UnixMs& now, Step& step);
  void add_failure(Random& random, TextBuffer& text, Run& run) const;
  std::string error_text(Random& random) const;

  std::uint64_t seed_;
  std::vector<Flow> flows_;
  std::vector<double> cumulative_;  // of the flows' shares
  std::vector<std::string> users_;
};

}  // namespace runlog::bench
