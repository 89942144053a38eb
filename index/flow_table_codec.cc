#include "index/flow_table_codec.h"

#include "index/table_bytes.h"

namespace runlog {
namespace {

constexpr const char* kName = "flows";
constexpr std::uint64_t kBuckets = 488;  // see DurationHistogram

void put(std::vector<std::byte>& bytes, std::uint64_t value) {
  while (value >= 0x80) {
    bytes.push_back(std::byte(value | 0x80));
    value >>= 7;
  }
  bytes.push_back(std::byte(value));
}

// Small numbers of either sign become small numbers.
std::uint64_t folded(std::int64_t value) {
  return (std::uint64_t(value) << 1) ^ std::uint64_t(value >> 63);
}
std::int64_t unfolded(std::uint64_t value) {
  return std::int64_t((value >> 1) ^ (0 - (value & 1)));
}

// Takes numbers from the front; after a number that is cut off or too long everything is 0 and
// failed() is true.
class Numbers {
 public:
  explicit Numbers(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::uint64_t next() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && at_ < bytes_.size(); shift += 7) {
      const auto byte = std::uint64_t(bytes_[at_++]);
      if (shift == 63 && byte > 1) break;
      value |= (byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    failed_ = true;
    at_ = bytes_.size();
    return 0;
  }
  bool failed() const { return failed_; }
  std::size_t left() const { return bytes_.size() - at_; }

 private:
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

void put_counts(std::vector<std::byte>& bytes, const FlowCounts& counts) {
  for (const std::uint64_t runs : counts.runs) put(bytes, runs);
  put(bytes, counts.bytes);
  put(bytes, folded(counts.selected));
  put(bytes, folded(counts.acted));
  put(bytes, folded(counts.unmeasured));

  put(bytes, counts.durations.buckets.size());
  std::uint64_t previous_bucket = 0;
  for (const auto& [bucket, runs] : counts.durations.buckets) {
    put(bytes, bucket - previous_bucket);
    put(bytes, runs);
    previous_bucket = bucket;
  }

  put(bytes, counts.by_hour.size());
  std::uint64_t previous_hour = 0;
  for (const auto& [hour, by_status] : counts.by_hour) {
    put(bytes, folded(std::int64_t(std::uint64_t(hour) - previous_hour)));
    for (const std::uint64_t runs : by_status) put(bytes, runs);
    previous_hour = std::uint64_t(hour);
  }
}

bool take_durations(Numbers& numbers, DurationHistogram& durations) {
  const std::uint64_t count = numbers.next();
  if (count > kBuckets) return false;
  std::uint64_t bucket = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t step = numbers.next();
    if (step >= kBuckets || (i > 0 && step == 0)) return false;
    bucket += step;
    if (bucket >= kBuckets) return false;
    durations.buckets.emplace_hint(durations.buckets.end(), std::uint16_t(bucket), numbers.next());
  }
  return !numbers.failed();
}

bool take_hours(Numbers& numbers, FlowCounts& counts) {
  const std::uint64_t count = numbers.next();
  std::int64_t hour = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::int64_t next =
        std::int64_t(std::uint64_t(hour) + std::uint64_t(unfolded(numbers.next())));
    if (numbers.failed() || (i > 0 && next <= hour)) return false;
    hour = next;
    auto& by_status =
        counts.by_hour.emplace_hint(counts.by_hour.end(), hour, std::array<std::uint64_t, 4>{})
            ->second;
    for (std::uint64_t& runs : by_status) runs = numbers.next();
  }
  return !numbers.failed();
}

bool take_counts(Numbers& numbers, FlowCounts& counts) {
  for (std::uint64_t& runs : counts.runs) runs = numbers.next();
  counts.bytes = numbers.next();
  counts.selected = unfolded(numbers.next());
  counts.acted = unfolded(numbers.next());
  counts.unmeasured = unfolded(numbers.next());
  return take_durations(numbers, counts.durations) && take_hours(numbers, counts);
}

}  // namespace

std::vector<std::byte> encode_flow_table(const FlowTable& table) {
  std::vector<std::byte> bytes;
  append_number(bytes, TableHeader{TableHeader::kLayout, std::uint32_t(table.size())});
  std::uint32_t previous = 0;
  for (const auto& [flow, counts] : table) {
    put(bytes, flow - previous);
    put_counts(bytes, counts);
    previous = flow;
  }
  return bytes;
}

Expected<FlowTable> decode_flow_table(std::span<const std::byte> bytes) {
  const auto header = table_header(bytes, kName);
  if (!header) return tl::unexpected(header.error());
  Numbers numbers(bytes.subspan(sizeof(TableHeader)));
  FlowTable table;
  std::uint64_t flow = 0;
  for (std::uint32_t i = 0; i < header->number; ++i) {
    const std::uint64_t step = numbers.next();
    if (numbers.failed() || step > UINT32_MAX || (i > 0 && step == 0) || flow + step > UINT32_MAX)
      return corrupt_table(kName, "is cut off or out of order");
    flow += step;
    FlowCounts& counts = table.emplace_hint(table.end(), std::uint32_t(flow), FlowCounts{})->second;
    if (!take_counts(numbers, counts)) return corrupt_table(kName, "is cut off or out of order");
  }
  if (numbers.left() != 0) return corrupt_table(kName, "goes on after its last flow");
  return table;
}

}  // namespace runlog
