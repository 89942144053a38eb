#include "log/counter_format.h"

#include <algorithm>

#include <fmt/format.h>

#include "index/flow_counts.h"
#include "index/flow_table_codec.h"
#include "log/run_json.h"
#include "log/state_entry.h"

namespace runlog {
namespace {

constexpr std::uint8_t kVersion = 1;

// At most what is there: after a repair some of what is to be taken away may be missing.
FlowCounts within(const FlowCounts& wanted, const FlowCounts& there) {
  FlowCounts out = wanted;
  for (std::size_t i = 0; i < out.runs.size(); ++i)
    out.runs[i] = std::min(out.runs[i], there.runs[i]);
  for (auto& [bucket, runs] : out.durations.buckets) {
    const auto known = there.durations.buckets.find(bucket);
    runs = known == there.durations.buckets.end() ? 0 : std::min(runs, known->second);
  }
  std::erase_if(out.durations.buckets, [](const auto& entry) { return entry.second == 0; });
  return out;
}

std::int64_t number_of(std::uint64_t key) {
  const std::uint64_t base = is_day_bucket(key) ? kDayBucketKey : kHourBucketKey;
  // Of a damaged key anything may come.
  constexpr std::int64_t kFarthest = 1 << 26;
  return std::clamp(std::int64_t(key - base - kBucketOfZero), -kFarthest, kFarthest);
}

UnixMs length_of(std::uint64_t key) { return kHourMs * (is_day_bucket(key) ? kHoursADay : 1); }

}  // namespace

UnixMs bucket_start(std::uint64_t key) { return number_of(key) * length_of(key); }
UnixMs bucket_end(std::uint64_t key) { return bucket_start(key) + length_of(key); }

std::string bucket_name(std::uint64_t key) {
  const std::string start = format_time(bucket_start(key));
  return is_day_bucket(key) ? "the day " + start.substr(0, 10)
                            : "the hour " + start.substr(0, 10) + " " + start.substr(11, 5);
}

void CounterReach::rise_to(UnixMs now) {
  const std::int64_t hour = hour_of(now);
  first_hour = std::max(first_hour, hour - kHoursKept);
  first_day = std::max(first_day, day_of_hour(hour) - kDaysKept);
}

void CounterReach::rise_above(std::uint64_t bucket) {
  std::int64_t& first = is_day_bucket(bucket) ? first_day : first_hour;
  first = std::max(first, number_of(bucket) + 1);
}

bool CounterReach::covers(std::uint64_t bucket) const {
  return number_of(bucket) >= (is_day_bucket(bucket) ? first_day : first_hour);
}

std::vector<std::uint64_t> buckets_beyond(const std::map<std::uint64_t, std::uint64_t>& sizes,
                                          std::uint64_t most) {
  std::uint64_t total = 0;
  std::vector<std::pair<UnixMs, std::uint64_t>> oldest_first;
  for (const auto& [key, bytes] : sizes) {
    total += bytes;
    oldest_first.emplace_back(bucket_start(key), key);
  }
  std::sort(oldest_first.begin(), oldest_first.end());
  std::vector<std::uint64_t> beyond;
  for (std::size_t i = 0; i + 1 < oldest_first.size() && total > most; ++i) {
    beyond.push_back(oldest_first[i].second);
    total -= sizes.at(beyond.back());
  }
  return beyond;
}

// ---- buckets ---------------------------------------------------------------------------------

FlowCounts* CounterBucket::place_of(std::string_view flow, bool make) {
  const auto found = flows_.find(flow);
  if (found != flows_.end()) return &found->second;
  if (has_others_) return &others_;
  if (!make) return nullptr;
  if (flows_.size() < kMaxBucketFlows) return &flows_[std::string(flow)];
  has_others_ = true;
  return &others_;
}

void CounterBucket::take(const BucketChange& change, const NameTable& names) {
  for (const auto& [symbol, counts] : change.more) {
    if (const auto* const name = names.peek(NameKind::kFlow, symbol))
      place_of(*name, true)->add(counts);
  }
  for (const auto& [symbol, counts] : change.less) {
    const auto* const name = names.peek(NameKind::kFlow, symbol);
    FlowCounts* const place = name == nullptr ? nullptr : place_of(*name, false);
    if (place != nullptr) place->subtract(within(counts, *place));
  }
  // A flow that has gone may get a place again, as long as nobody did without.
  if (!has_others_)
    std::erase_if(flows_, [](const auto& entry) { return entry.second == FlowCounts(); });
}

const FlowCounts* CounterBucket::of(const std::string& flow) const {
  const auto found = flows_.find(flow);
  return found == flows_.end() ? nullptr : &found->second;
}

FlowCounts CounterBucket::sum() const {
  FlowCounts sum = others_;
  for (const auto& [flow, counts] : flows_) sum.add(counts);
  return sum;
}

StateEntry CounterBucket::encode(std::uint64_t key, SequenceNumber counted_to) const {
  ByteWriter out;
  out.byte(kVersion);
  out.varint(counted_to);
  out.varint(flows_.size());
  FlowTable table;
  if (has_others_) table[0] = others_;
  for (const auto& [flow, counts] : flows_) {
    out.text(flow);
    table[std::uint32_t(table.size() + (has_others_ ? 0 : 1))] = counts;
  }
  const auto counts = encode_flow_table(table);
  out.bytes(counts.data(), counts.size());
  return checked_entry(key, out);
}

Expected<CounterBucket> CounterBucket::decode(std::uint64_t key, Bytes value) {
  const auto damaged = [&] {
    return fail(ErrorCode::Corruption,
                fmt::format("the counters of {} cannot be read", bucket_name(key)));
  };
  const auto content = checked_content(key, value);
  if (!content) return damaged();
  ByteReader in(content->data(), content->size());
  if (in.byte() != kVersion) return damaged();
  in.varint();  // counted-to
  const std::uint64_t count = in.varint();
  if (in.failed() || count > kMaxBucketFlows) return damaged();
  std::vector<std::string> names;
  for (std::uint64_t i = 0; i < count && !in.failed(); ++i) names.emplace_back(in.text());
  auto table = decode_flow_table(content->last(in.left()));
  if (in.failed() || !table || table->size() < count || table->size() > count + 1) return damaged();
  CounterBucket bucket;
  for (auto& [number, counts] : *table) {
    if (!counts.by_hour.empty() || number > count) return damaged();
    if (number == 0) {
      bucket.others_ = std::move(counts);
      bucket.has_others_ = true;
    } else if (!bucket.flows_.emplace(std::move(names[number - 1]), std::move(counts)).second) {
      return damaged();
    }
  }
  return bucket;
}

SequenceNumber CounterBucket::counted_to(Bytes value) {
  ByteReader in(value.data() + 8, value.size() - 8);
  in.byte();
  return in.varint();
}

// ---- the mark --------------------------------------------------------------------------------

StateEntry counter_mark_entry(const CounterMark& mark) {
  ByteWriter out;
  out.byte(kVersion);
  out.varint(mark.counted_to);
  out.signed_varint(mark.reach.first_hour);
  out.signed_varint(mark.reach.first_day);
  out.varint(mark.uncounted);
  out.signed_varint(mark.dropped_before);
  out.varint(mark.recount.size());
  for (const std::uint64_t key : mark.recount) out.varint(key);
  return checked_entry(kCounterMarkKey, out);
}

Expected<CounterMark> decode_counter_mark(Bytes value) {
  const auto damaged = [] {
    return fail(ErrorCode::Corruption, "the mark of the counters cannot be read");
  };
  const auto content = checked_content(kCounterMarkKey, value);
  if (!content) return damaged();
  ByteReader in(content->data(), content->size());
  CounterMark mark;
  const std::uint8_t version = in.byte();
  mark.counted_to = in.varint();
  mark.reach.first_hour = in.signed_varint();
  mark.reach.first_day = in.signed_varint();
  mark.uncounted = in.varint();
  mark.dropped_before = in.signed_varint();
  for (std::uint64_t i = in.varint(); i > 0 && !in.failed(); --i) mark.recount.insert(in.varint());
  if (version != kVersion || in.failed() || in.left() != 0 || mark.counted_to == 0)
    return damaged();
  return mark;
}

}  // namespace runlog
