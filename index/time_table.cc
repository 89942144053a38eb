#include "index/time_table.h"

#include "index/table_bytes.h"

namespace runlog {
namespace {

constexpr const char* kName = "times";

// Persistent: an elapsed time that does not fit stands in the escapes.
constexpr std::uint32_t kEscaped = ~std::uint32_t(0);
constexpr std::size_t kEscapeBytes = 16;  // u32 ordinal, u32 zero, u64 elapsed
constexpr std::size_t kHeaderBytes = 24;  // TableHeader, u32 width, u32 escapes, i64 origin
static_assert(sizeof(TimeZone) == 32);

std::uint32_t zones_for(Ordinal count) {
  return std::uint32_t((std::uint64_t(count) + kZoneRuns - 1) / kZoneRuns);
}

template <typename T>
T load_from(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

void append_all(std::vector<std::byte>& to, const std::vector<std::byte>& from) {
  to.insert(to.end(), from.begin(), from.end());
  pad_to_8(to);
}

}  // namespace

TimeTable::Writer::Writer(std::int64_t earliest_start, std::int64_t latest_start, Ordinal count)
    : origin_(earliest_start),
      width_(std::uint64_t(latest_start) - std::uint64_t(earliest_start) <= UINT32_MAX ? 4 : 8) {
  starts_.reserve(std::size_t(width_) * count);
  elapsed_.reserve(4 * std::size_t(count));
}

void TimeTable::Writer::add(std::int64_t started_at_ms, std::int64_t finished_at_ms) {
  const std::uint64_t start = std::uint64_t(started_at_ms) - std::uint64_t(origin_);
  if (width_ == 4) {
    append_number(starts_, std::uint32_t(start));
  } else {
    append_number(starts_, start);
  }
  // Wraps, also for a finish before the start, and adds up again.
  const std::uint64_t elapsed = std::uint64_t(finished_at_ms) - std::uint64_t(started_at_ms);
  if (elapsed < kEscaped) {
    append_number(elapsed_, std::uint32_t(elapsed));
  } else {
    append_number(elapsed_, kEscaped);
    append_number(escapes_, std::uint32_t(added_));
    append_number(escapes_, std::uint32_t(0));
    append_number(escapes_, elapsed);
    ++escape_count_;
  }
  zone_.add(started_at_ms, finished_at_ms);
  if (++added_ % kZoneRuns == 0) {
    append_number(zones_, zone_);
    zone_ = TimeZone{};
  }
}

std::vector<std::byte> TimeTable::Writer::finish() {
  if (added_ % kZoneRuns != 0) append_number(zones_, zone_);
  std::vector<std::byte> bytes;
  bytes.reserve(kHeaderBytes + zones_.size() + starts_.size() + elapsed_.size() + escapes_.size() +
                16);
  append_number(bytes, TableHeader{TableHeader::kLayout, added_});
  append_number(bytes, width_);
  append_number(bytes, escape_count_);
  append_number(bytes, origin_);
  append_all(bytes, zones_);
  append_all(bytes, starts_);
  append_all(bytes, elapsed_);
  append_all(bytes, escapes_);
  return bytes;
}

Expected<TimeTable> TimeTable::open(std::span<const std::byte> bytes, Ordinal count) {
  const auto header = table_header(bytes, kName);
  if (!header) return tl::unexpected(header.error());
  if (bytes.size() < kHeaderBytes) return corrupt_table(kName, "is shorter than its header");
  TimeTable table;
  table.width_ = load_number<std::uint32_t>(bytes, 8);
  table.escape_count_ = load_number<std::uint32_t>(bytes, 12);
  table.origin_ = load_number<std::int64_t>(bytes, 16);
  if (table.width_ != 4 && table.width_ != 8)
    return corrupt_table(kName, "has starts of an unknown width");

  const std::size_t starts = kHeaderBytes + sizeof(TimeZone) * zones_for(count);
  const std::size_t elapsed = starts + padded_to_8(std::size_t(table.width_) * count);
  const std::size_t escapes = elapsed + padded_to_8(4 * std::size_t(count));
  if (header->number != count ||
      bytes.size() != escapes + kEscapeBytes * std::size_t(table.escape_count_))
    return corrupt_table(kName, "has not the length that its runs need");
  table.zones_ = bytes.data() + kHeaderBytes;
  table.starts_ = bytes.data() + starts;
  table.elapsed_ = bytes.data() + elapsed;
  table.escapes_ = bytes.data() + escapes;
  return table;
}

std::int64_t TimeTable::started_at_ms(Ordinal ordinal) const {
  const std::uint64_t start = width_ == 4
                                  ? load_from<std::uint32_t>(starts_ + 4 * std::size_t(ordinal))
                                  : load_from<std::uint64_t>(starts_ + 8 * std::size_t(ordinal));
  return std::int64_t(std::uint64_t(origin_) + start);
}

std::int64_t TimeTable::finished_at_ms(Ordinal ordinal) const {
  std::uint64_t elapsed = load_from<std::uint32_t>(elapsed_ + 4 * std::size_t(ordinal));
  if (elapsed == kEscaped) {
    std::uint32_t low = 0;
    for (std::uint32_t high = escape_count_; low < high;) {
      const std::uint32_t middle = low + (high - low) / 2;
      if (load_from<std::uint32_t>(escapes_ + kEscapeBytes * middle) < ordinal) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    // A table without the escape that it refers to was written wrong; any time will do.
    if (low < escape_count_) elapsed = load_from<std::uint64_t>(escapes_ + kEscapeBytes * low + 8);
  }
  return std::int64_t(std::uint64_t(started_at_ms(ordinal)) + elapsed);
}

std::optional<TimeZone> TimeTable::zone(std::uint32_t index) const {
  return load_from<TimeZone>(zones_ + sizeof(TimeZone) * std::size_t(index));
}

}  // namespace runlog
