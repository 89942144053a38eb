// zstd dictionaries of one log, by number. A body that was compressed with one needs the same one to
// be read; each segment carries those that its records use. Number 0 means "no dictionary".
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "index/error.h"
#include "log/names.h"
#include "log/run.h"

struct ZSTD_CDict_s;
struct ZSTD_DDict_s;

namespace runlog {

class Dictionaries {
 public:
  // Numbers go from 1 to this.
  static constexpr std::uint32_t kMaxNumber = 255;
  static constexpr std::size_t kMaxBytes = 256u << 10;  // of one dictionary

  Dictionaries();
  ~Dictionaries();
  Dictionaries(const Dictionaries&) = delete;
  Dictionaries& operator=(const Dictionaries&) = delete;

  // Takes a dictionary, which becomes current() if its number is the highest. Thread-safe.
  // Errors: Corruption (a number that cannot be, other bytes under a known number, bytes that are
  // no dictionary).
  Expected<void> add(std::uint32_t number, std::span<const std::byte> bytes);

  // The bytes of a dictionary; empty if there is none. Alive as long as this. Thread-safe, no lock.
  std::span<const std::byte> bytes(std::uint32_t number) const;

  // What new bodies are compressed with, or 0. Thread-safe, no lock.
  std::uint32_t current() const { return current_.load(std::memory_order_acquire); }

  // For the record codec; null if there is none. Thread-safe, no lock.
  const ZSTD_CDict_s* compressor(std::uint32_t number) const;
  const ZSTD_DDict_s* decompressor(std::uint32_t number) const;

 private:
  struct Entry;
  const Entry* entry(std::uint32_t number) const;

  std::array<std::atomic<const Entry*>, kMaxNumber + 1> entries_{};
  std::atomic<std::uint32_t> current_{0};
  std::mutex mutex_;  // one adds at a time
  std::vector<std::unique_ptr<const Entry>> owned_;
};

// One run's body, to learn a dictionary from.
struct DictionarySample {
  std::vector<std::byte> plain;   // as it is stored before compression; to measure with
  std::vector<std::byte> masked;  // with random letters for free text; to learn from
};

// Makes a sample of a run that came from this log, with `names` its table. Runs that are alike need
// different `seed`s. No text of the run that an erasure would have to find is in `masked`: names are
// symbols, messages and values in JSON are replaced; what stays is the keys of JSON objects.
DictionarySample dictionary_sample(const Run& run, NameTable& names, std::uint64_t seed);

struct TrainedDictionary {
  std::vector<std::byte> bytes;
  double gain = 0;  // the share of the bodies' bytes that it saves, of samples it did not see
};

// A log takes a dictionary when it saves at least this.
inline constexpr double kWorthwhileGain = 0.10;

// Learns from three of four samples and measures on the fourth. 2,000 samples take about 0.2 s.
// Errors: InvalidArgument (too few bodies of a size that is compressed, or too much alike).
Expected<TrainedDictionary> train_dictionary(std::span<const DictionarySample> samples);

}  // namespace runlog
