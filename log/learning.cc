#include "log/learning.h"

#include <algorithm>
#include <vector>

#include "log/dictionary.h"

namespace runlog {
namespace {

// More samples than this make training slower and the dictionary hardly better.
constexpr std::size_t kSamples = 2000;
constexpr std::size_t kFewestRuns = 500;

}  // namespace

void learn_dictionary(LogState& state, const Snapshot& snapshot, std::size_t position) {
  const SegmentView& view = snapshot.segments[position];
  if (state.dictionaries->current() != 0 || view.end < kFewestRuns) return;
  RecordReader reader(snapshot);
  std::vector<DictionarySample> samples;
  const Ordinal stride = std::max<Ordinal>(1, view.end / kSamples);
  for (Ordinal ordinal = 0; ordinal < view.end; ordinal += stride) {
    const auto record = reader.read(position, ordinal);
    if (!record) return;
    TextArena arena;
    Run run;
    if (!decode_run(*record, view.sequence(ordinal), *state.names, state.dictionaries.get(), arena,
                    run))
      return;
    samples.push_back(dictionary_sample(run, *state.names, view.sequence(ordinal)));
  }
  const auto trained = train_dictionary(samples);
  if (trained && trained->gain >= kWorthwhileGain) (void)state.dictionaries->add(1, trained->bytes);
}

}  // namespace runlog
