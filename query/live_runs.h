// The paused and running runs of a snapshot in the eyes of a list: which of them match a filter, in
// the order of their saves.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "index/index.h"
#include "log/record.h"
#include "log/snapshot.h"
#include "query/query.h"

namespace runlog {

struct PausedRun;

class LiveRuns {
 public:
  // Both must outlive this.
  LiveRuns(const Snapshot& snapshot, const Filter& filter);

  std::uint64_t count() const;
  // At most `most` matches that come after `last` (the number of a save), or from the start.
  std::vector<const PausedRun*> page(Direction direction, std::optional<std::uint64_t> last,
                                     std::size_t most) const;

 private:
  bool matches(const PausedRun& run) const;

  const Snapshot& snapshot_;
  const Filter& filter_;
  bool possible_ = false;  // the filter asks nothing that no live run can meet
};

// A live run as a list shows it; its text lives as long as the snapshot.
void fill_head(const PausedRun& run, RunHead& head);

// The whole run. Errors: Corruption.
Expected<OwnedRun> live_run(const PausedRun& run);

}  // namespace runlog
