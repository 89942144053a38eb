// Learning a dictionary from a log's own bodies.
#include <zdict.h>
#include <zstd.h>

#include <algorithm>

#include "log/body_compression.h"
#include "log/dictionary.h"
#include "log/record_body.h"
#include "log/text_mask.h"

namespace runlog {
namespace {

// What 2,000 bodies of the size that is compressed can fill; larger ones gained nothing more.
constexpr std::size_t kDictionaryBytes = 32u << 10;
// With less to learn from, a dictionary fits its samples and nothing else.
constexpr std::size_t kMinSamples = 32;
constexpr std::size_t kHoldOutEvery = 4;

std::vector<std::byte> body_of(const Run& run, NameTable& names) {
  std::vector<Symbol> used;
  const RunLimits limits;
  SymbolWriter symbols(names, limits, used);
  std::vector<const Step*> steps;
  if (run.steps) {
    for (const Step& step : *run.steps) steps.push_back(&step);
  }
  ByteWriter body;
  write_body(run, steps, run.omitted_steps, symbols, body);
  if (!symbols.finish()) return {};
  return {body.data(), body.data() + body.size()};
}

std::size_t stored_size(std::span<const std::byte> body, const Dictionaries* dictionaries) {
  ByteWriter compressed;
  std::uint32_t dictionary = 0;
  return compress_body(body, dictionaries, compressed, dictionary) ? compressed.size()
                                                                   : body.size();
}

// The share of the held-out samples' bytes that `dictionary` saves.
Expected<double> gain_of(std::span<const std::byte> dictionary,
                         std::span<const DictionarySample> samples) {
  Dictionaries with;
  if (Expected<void> added = with.add(1, dictionary); !added) {
    return tl::unexpected<Error>(added.error());
  }
  std::size_t before = 0, after = 0;
  for (std::size_t i = 0; i < samples.size(); i += kHoldOutEvery) {
    before += stored_size(samples[i].plain, nullptr);
    after += stored_size(samples[i].plain, &with);
  }
  return before == 0 ? 0.0 : 1.0 - double(after) / double(before);
}

}  // namespace

DictionarySample dictionary_sample(const Run& run, NameTable& names, std::uint64_t seed) {
  TextArena arena;
  Run masked = run;
  TextMask(arena, seed).mask(masked);
  return {body_of(run, names), body_of(masked, names)};
}

Expected<TrainedDictionary> train_dictionary(std::span<const DictionarySample> samples) {
  std::vector<std::byte> text;
  std::vector<std::size_t> sizes;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const std::vector<std::byte>& body = samples[i].masked;
    if (i % kHoldOutEvery == 0 || body.size() < kCompressFromWithDictionary) continue;
    text.insert(text.end(), body.begin(), body.end());
    sizes.push_back(body.size());
  }
  if (sizes.size() < kMinSamples) {
    return fail(ErrorCode::InvalidArgument,
                "only " + std::to_string(sizes.size()) + " of " + std::to_string(samples.size()) +
                    " bodies are large enough to learn a dictionary from; it takes " +
                    std::to_string(kMinSamples));
  }
  TrainedDictionary trained;
  trained.bytes.resize(kDictionaryBytes);
  const std::size_t size = ZDICT_trainFromBuffer(trained.bytes.data(), trained.bytes.size(),
                                                 text.data(), sizes.data(), unsigned(sizes.size()));
  if (ZDICT_isError(size)) {
    return fail(ErrorCode::InvalidArgument,
                std::string("no dictionary can be learnt from the samples: ") +
                    ZDICT_getErrorName(size));
  }
  trained.bytes.resize(size);
  const Expected<double> gain = gain_of(trained.bytes, samples);
  if (!gain) return tl::unexpected<Error>(gain.error());
  trained.gain = *gain;
  return trained;
}

}  // namespace runlog
