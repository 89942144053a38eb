#include "log/counters_check.h"

#include <algorithm>

#include <fmt/format.h>

#include "log/salvage.h"

namespace runlog {
namespace {

// Adds an entry to what was found; of a bucket its newest form stays. False if it cannot be read.
bool keep(SalvagedCounters& found, std::uint64_t key, Bytes value) {
  if (!is_counter_key(key)) return true;
  if (key == kCounterMarkKey) {
    auto mark = decode_counter_mark(value);
    if (mark && (!found.mark || mark->counted_to > found.mark->counted_to))
      found.mark = std::move(*mark);
    return mark.has_value();
  }
  if (!CounterBucket::decode(key, value)) return false;
  SalvagedCounters::Bucket& kept = found.buckets[key];
  const SequenceNumber counted_to = CounterBucket::counted_to(value);
  if (counted_to >= kept.counted_to) kept = {counted_to, {value.begin(), value.end()}};
  return true;
}

}  // namespace

void CountersCheck::note(std::uint64_t key, const std::string& problem) {
  damaged_keys_.insert(key);
  problems_.push_back(problem);
}

void CountersCheck::visit(std::uint64_t key, Bytes value) {
  if (key == kCounterMarkKey) {
    has_mark_ = true;
    if (auto mark = decode_counter_mark(value); !mark) note(key, mark.error().message);
    return;
  }
  has_buckets_ = true;
  if (auto bucket = CounterBucket::decode(key, value); !bucket) note(key, bucket.error().message);
}

void CountersCheck::finish() {
  if (has_buckets_ && !has_mark_) note(kCounterMarkKey, "the mark of the counters is missing");
}

Expected<std::vector<std::string>> repair_counters(Catalog& catalog,
                                                   const std::set<std::uint64_t>& damaged_keys) {
  std::vector<std::string> done;
  std::set<std::uint64_t> removed = damaged_keys;
  CounterMark mark;
  {
    auto read = catalog.begin_read();
    if (!read) return tl::unexpected(read.error());
    Expected<void> result;
    auto scanned =
        read->scan(LmdbTable::kTables, kCounterMarkKey, [&](std::uint64_t key, Bytes value) {
          if (!is_counter_key(key)) return false;
          if (damaged_keys.count(kCounterMarkKey) != 0) {
            removed.insert(key);
          } else if (key == kCounterMarkKey) {
            auto decoded = decode_counter_mark(value);
            if (decoded)
              mark = std::move(*decoded);
            else
              result = tl::unexpected(decoded.error());
          }
          return result.has_value();
        });
    if (scanned) scanned = result;
    if (!scanned) return tl::unexpected(scanned.error());
  }
  constexpr const char* kAnew =
      "the log counts anew, when it is opened, what of it is still there";
  if (damaged_keys.count(kCounterMarkKey) != 0) {
    done.push_back(fmt::format("all counters were removed from '{}', for their mark cannot be read; {}",
                               catalog.file().string(), kAnew));
    mark = {};
  } else {
    for (const std::uint64_t key : damaged_keys) {
      mark.recount.insert(key);
      done.push_back(fmt::format("the counters of {} were removed from '{}', for they cannot be read; {}",
                                 bucket_name(key), catalog.file().string(), kAnew));
    }
  }
  auto written = catalog.write_beside([&](LmdbWrite& write) -> Expected<void> {
    for (const std::uint64_t key : removed)
      if (auto gone = write.remove(LmdbTable::kTables, key); !gone) return gone;
    return write.put(LmdbTable::kTables, kCounterMarkKey, counter_mark_entry(mark).value);
  });
  if (!written) return tl::unexpected(written.error());
  return done;
}

SalvagedCounters salvage_counters(const std::filesystem::path& state_directory) {
  SalvagedCounters found;
  const bool is_sound = salvage_state(state_directory, [&](std::uint64_t key, Bytes value) {
    return keep(found, key, value);
  });
  found.is_certain = is_sound && (found.mark || found.buckets.empty());
  // Nobody knows what they have counted.
  if (!found.mark) found.buckets.clear();
  return found;
}

Expected<void> write_counters(LmdbWrite& write, const SalvagedCounters& salvaged) {
  if (salvaged.is_empty()) return {};
  for (const auto& [key, bucket] : salvaged.buckets)
    if (auto put = write.put(LmdbTable::kTables, key, bucket.value); !put) return put;
  return write.put(LmdbTable::kTables, kCounterMarkKey, counter_mark_entry(*salvaged.mark).value);
}

}  // namespace runlog
