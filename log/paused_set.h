// The paused runs of one moment, which a snapshot holds: never changed, only copied with a
// difference. Entries stand in chunks that copies share, so that a change costs microseconds however
// many there are, and lists by flow or by correlation read nothing else.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "log/paused_runs.h"

namespace runlog {

// Entries in one order. Order::key(run) is unique, and `<` compares it.
template <typename Order>
class PausedOrder {
 public:
  using Key = decltype(Order::key(std::declval<const PausedRun&>()));

  // Where an entry stands; end() is behind the last.
  struct Place {
    std::size_t chunk = 0, at = 0;
    friend bool operator==(const Place&, const Place&) = default;
  };

  void insert(PausedRunPtr run) {
    const Key key = Order::key(*run);
    Place place = lower_bound(key);
    if (place.chunk == chunks_.size()) {
      // Behind all others, where saves go: full chunks stay full.
      if (chunks_.empty() || chunks_.back()->size() >= kChunk) {
        chunks_.push_back(std::make_shared<const Chunk>(Chunk{std::move(run)}));
        return;
      }
      place = {chunks_.size() - 1, chunks_.back()->size()};
    }
    Chunk chunk = *chunks_[place.chunk];
    chunk.insert(chunk.begin() + std::ptrdiff_t(place.at), std::move(run));
    if (chunk.size() > kChunk) {
      const auto middle = chunk.begin() + std::ptrdiff_t(chunk.size() / 2);
      chunks_.insert(chunks_.begin() + std::ptrdiff_t(place.chunk) + 1,
                     std::make_shared<const Chunk>(middle, chunk.end()));
      chunk.erase(middle, chunk.end());
    }
    chunks_[place.chunk] = std::make_shared<const Chunk>(std::move(chunk));
  }

  // Nothing happens if there is no such entry.
  void erase(const Key& key) {
    const Place place = lower_bound(key);
    if (place == end() || key < Order::key(*at(place))) return;
    Chunk chunk = *chunks_[place.chunk];
    chunk.erase(chunk.begin() + std::ptrdiff_t(place.at));
    if (chunk.empty())
      chunks_.erase(chunks_.begin() + std::ptrdiff_t(place.chunk));
    else
      chunks_[place.chunk] = std::make_shared<const Chunk>(std::move(chunk));
  }

  // The first entry that is not below `key`.
  Place lower_bound(const Key& key) const {
    const auto chunk = std::lower_bound(
        chunks_.begin(), chunks_.end(), key, [](const auto& one, const Key& wanted) {
          return Order::key(*one->back()) < wanted;
        });
    if (chunk == chunks_.end()) return end();
    const auto at = std::lower_bound(
        (*chunk)->begin(), (*chunk)->end(), key,
        [](const PausedRunPtr& run, const Key& wanted) { return Order::key(*run) < wanted; });
    return {std::size_t(chunk - chunks_.begin()), std::size_t(at - (*chunk)->begin())};
  }

  Place begin() const { return {}; }
  Place end() const { return {chunks_.size(), 0}; }
  const PausedRunPtr& at(Place place) const { return (*chunks_[place.chunk])[place.at]; }
  Place after(Place place) const {
    return place.at + 1 < chunks_[place.chunk]->size() ? Place{place.chunk, place.at + 1}
                                                       : Place{place.chunk + 1, 0};
  }
  // `place` is not begin().
  Place before(Place place) const {
    return place.at > 0 ? Place{place.chunk, place.at - 1}
                        : Place{place.chunk - 1, chunks_[place.chunk - 1]->size() - 1};
  }

 private:
  static constexpr std::size_t kChunk = 128;
  using Chunk = std::vector<PausedRunPtr>;
  std::vector<std::shared_ptr<const Chunk>> chunks_;  // none is empty
};

struct BySave {
  static std::uint64_t key(const PausedRun& run) { return run.number; }
};
struct ByRunId {
  static std::pair<std::uint64_t, std::uint64_t> key(const PausedRun& run) {
    return {run.id_hash, run.number};
  }
};
struct ByFlow {
  static std::pair<std::string_view, std::uint64_t> key(const PausedRun& run) {
    return {run.flow_name, run.number};
  }
};
// Only of runs that have a correlation.
struct ByCorrelation {
  static std::pair<std::string_view, std::uint64_t> key(const PausedRun& run) {
    return {*run.correlation, run.number};
  }
};

class PausedSet {
 public:
  std::size_t size() const { return size_; }

  // The entry of a run, or null. `id_hash` is run_id_hash(run_id).
  PausedRunPtr find(std::string_view run_id, std::uint64_t id_hash) const;
  // The entries with this hash.
  std::vector<PausedRunPtr> find_hash(std::uint64_t id_hash) const;
  bool contains(const PausedRun& run) const;

  // In the order of their saves.
  const PausedOrder<BySave>& by_save() const { return by_save_; }
  const PausedOrder<ByFlow>& by_flow() const { return by_flow_; }
  const PausedOrder<ByCorrelation>& by_correlation() const { return by_correlation_; }

  // The set must have no entry of this number, and of this run.
  void insert(PausedRunPtr run);
  // Nothing happens if it is not there. Only the number and what the orders need is looked at.
  void erase(const PausedRun& run);

 private:
  std::size_t size_ = 0;
  PausedOrder<BySave> by_save_;
  PausedOrder<ByRunId> by_run_id_;
  PausedOrder<ByFlow> by_flow_;
  PausedOrder<ByCorrelation> by_correlation_;
};

// Takes the paused runs out of `snapshot` that a terminal record has ended: one at or above their own
// sequence number and `from`. Visible or hidden, it counts. Returns what was taken out; on failure
// the snapshot is unchanged. Errors: Corruption; IoError.
Expected<std::vector<PausedRunPtr>> take_finished(Snapshot& snapshot, SequenceNumber from);

// Takes the entries with these numbers out of `set`, as far as they are there, and returns them.
std::vector<PausedRunPtr> take_numbers(PausedSet& set, const std::vector<std::uint64_t>& numbers);

// A copy of the snapshot's paused runs, to change and to put back with set_paused().
PausedSet copy_paused(const Snapshot& snapshot);
void set_paused(Snapshot& snapshot, PausedSet set);

}  // namespace runlog
