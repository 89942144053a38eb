#include "log/retention_check.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "log/salvage.h"

namespace runlog {
namespace {

std::string name_of(std::uint64_t key) {
  if (key == kPolicyKey) return "the retention policy";
  if (key == kMarkKey) return "retention's mark";
  if (key == kForgetKey) return "what a forget has begun (run it again)";
  if (key == kArchiveProblemKey) return "what kept runs from being archived";
  if (key < kPinKey) return fmt::format("the set of hidden runs from sequence number {} on",
                                        (key - kHiddenKey) << kHiddenChunkBits);
  if (key >= kWithheldKey)
    return fmt::format("the set of replaced runs from sequence number {} on",
                       (key - kWithheldKey) << kHiddenChunkBits);
  return fmt::format("pin {:x}", key - kPinKey);
}

// All records are taken once more when the log is opened: a cap hides again what it hid.
RetentionMark from_the_start(const std::optional<RetentionMark>& mark) {
  RetentionMark start = mark.value_or(RetentionMark());
  start.hidden_to = 1;
  return start;
}

// Adds an entry to what was found; of what can be there once the first stays. False if it is
// retention's and cannot be read.
bool keep(StoredRetention& found, std::uint64_t key, Bytes value) {
  StoredRetention one;
  const auto taken = take_retention_entry(key, value, one);
  if (!taken || !*taken) return taken.has_value();
  if (one.policy && !found.policy) found.policy = std::move(one.policy);
  if (one.mark) {
    RetentionMark& mark = found.mark ? *found.mark : found.mark.emplace();
    mark.hidden_to = std::max(mark.hidden_to, one.mark->hidden_to);
    mark.names_end = std::max(mark.names_end, one.mark->names_end);
    mark.trusted_time = std::max(mark.trusted_time, one.mark->trusted_time);
  }
  for (auto& [chunk, runs] : one.hidden) found.hidden[chunk] |= runs;
  if (one.forgotten && !found.forgotten) found.forgotten = std::move(one.forgotten);
  for (auto& [chunk, runs] : one.withheld) found.withheld[chunk] |= runs;
  for (Pin& pin : one.pins) {
    const bool is_known = std::any_of(found.pins.begin(), found.pins.end(),
                                      [&](const Pin& known) { return known.run_id == pin.run_id; });
    if (!is_known) found.pins.push_back(std::move(pin));
  }
  return true;
}

}  // namespace

Expected<std::vector<std::string>> repair_retention(Catalog& catalog,
                                                    const std::set<std::uint64_t>& damaged_keys) {
  std::vector<StateEntry> entries;
  std::vector<std::string> done;
  for (const std::uint64_t key : damaged_keys) {
    if (key != kMarkKey) entries.push_back({key, {}});
    done.push_back(fmt::format("{} was removed from '{}', for it cannot be read", name_of(key),
                               catalog.file().string()));
  }
  StoredRetention left;
  auto read = catalog.read_state([&](std::uint64_t key, Bytes value) {
    if (key == kMarkKey) keep(left, key, value);
    return key <= kMarkKey;
  });
  if (!read) return tl::unexpected(read.error());
  entries.push_back(mark_entry(from_the_start(left.mark)));
  if (auto written = catalog.write_state(entries); !written)
    return tl::unexpected(written.error());
  return done;
}

bool SalvagedRetention::is_empty() const {
  return !stored.policy && !stored.mark && stored.hidden.empty() && stored.pins.empty() &&
         !stored.forgotten;
}

SalvagedRetention salvage_retention(const std::filesystem::path& state_directory) {
  SalvagedRetention found;
  found.is_certain = salvage_state(state_directory, [&](std::uint64_t key, Bytes value) {
    return keep(found.stored, key, value);
  });
  if (found.is_certain) return found;
  if (!found.is_empty()) found.stored.mark = from_the_start(found.stored.mark);
  return found;
}

Expected<void> write_retention(LmdbWrite& write, const SalvagedRetention& salvaged) {
  const StoredRetention& stored = salvaged.stored;
  std::vector<StateEntry> entries;
  if (stored.policy) entries.push_back(policy_entry(*stored.policy));
  if (stored.mark) entries.push_back(mark_entry(*stored.mark));
  if (stored.forgotten) entries.push_back(forgotten_entry(*stored.forgotten));
  for (const auto& [chunk, runs] : stored.hidden) entries.push_back(hidden_entry(chunk, runs));
  for (const auto& [chunk, runs] : stored.withheld) entries.push_back(withheld_entry(chunk, runs));
  std::map<std::uint64_t, std::vector<const Pin*>> pins;
  for (const Pin& pin : stored.pins) pins[pin_key(pin.run_id)].push_back(&pin);
  for (const auto& [key, some] : pins) entries.push_back(pin_entry(key, some));
  for (const StateEntry& entry : entries)
    if (auto put = write.put(LmdbTable::kTables, entry.key, entry.value); !put) return put;
  return {};
}

}  // namespace runlog
