// The times of a sealed segment's runs: kTimes. Starts are stored as distances from the earliest,
// finishes as the time that elapsed since the start; both nearly always fit 32 bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "index/error.h"
#include "index/index.h"
#include "index/time_zones.h"

namespace runlog {

class TimeTable {
 public:
  // Builds the table; runs are added in the order of their ordinals.
  class Writer {
   public:
    explicit Writer(std::int64_t earliest_start, std::int64_t latest_start, Ordinal count);
    void add(std::int64_t started_at_ms, std::int64_t finished_at_ms);
    std::vector<std::byte> finish();

   private:
    std::int64_t origin_;
    std::uint32_t width_;  // bytes of a start
    std::vector<std::byte> starts_, elapsed_, escapes_, zones_;
    std::uint32_t escape_count_ = 0;
    Ordinal added_ = 0;
    TimeZone zone_;
  };

  // Errors: Corruption (not the length that `count` runs need).
  static Expected<TimeTable> open(std::span<const std::byte> bytes, Ordinal count);

  // `ordinal` must be below the run count.
  std::int64_t started_at_ms(Ordinal ordinal) const;
  std::int64_t finished_at_ms(Ordinal ordinal) const;
  // `index` must be one of the zones of the runs.
  std::optional<TimeZone> zone(std::uint32_t index) const;

 private:
  TimeTable() = default;

  std::int64_t origin_ = 0;
  std::uint32_t width_ = 0;
  std::uint32_t escape_count_ = 0;
  const std::byte* zones_ = nullptr;
  const std::byte* starts_ = nullptr;
  const std::byte* elapsed_ = nullptr;
  const std::byte* escapes_ = nullptr;
};

}  // namespace runlog
