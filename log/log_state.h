// What the parts of an open log share: the appender that writes it, the maintenance that seals and
// merges, the follower that reads beside another process's writer.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>

#include "log/catalog.h"
#include "log/counters.h"
#include "log/current_snapshot.h"
#include "log/dictionary.h"
#include "log/file_io.h"
#include "log/log.h"
#include "log/names.h"
#include "log/paused_table.h"
#include "log/retention.h"

namespace runlog {

struct LogState {
  std::filesystem::path directory;
  LogOptions options;
  std::unique_ptr<WriterLock> lock;  // null when open for reading
  OpenMode mode = OpenMode::kWrite;
  std::unique_ptr<Catalog> catalog;
  std::shared_ptr<NameTable> names;
  std::shared_ptr<Dictionaries> dictionaries;
  std::unique_ptr<CurrentSnapshot> current;
  std::unique_ptr<PausedTable> paused;  // null when open for reading
  std::unique_ptr<Retention> retention;
  std::unique_ptr<Counters> counters;
  // A forget was begun and is not finished, see log/forgetting.h.
  std::atomic<bool> is_forgetting = false;

  UnixMs now() const {
    if (options.now) return options.now();
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }

  SegmentHeader header_of(std::uint64_t segment_id, SequenceNumber base) const {
    SegmentHeader header;
    header.log_id = catalog->identity().log_id;
    header.segment_id = segment_id;
    header.base = base;
    return header;
  }

  // Address space is free, and growing a map needs a moment without transactions: map generously.
  // A segment may pass its limit by one commit, and sealing adds its tables.
  std::size_t segment_map_bytes() const {
    return std::size_t(options.segment_bytes) * 4 + (1ull << 30);
  }
};

}  // namespace runlog
