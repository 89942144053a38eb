// The limit that any log on this disk has: a plain file whose blocks are all allocated and written
// before, so that a commit is one write and one fdatasync. It encodes runs as a log does that has
// learned no dictionary, and commits in groups as the log does, but finds, recovers and seals
// nothing.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "log/names.h"
#include "log/record.h"
#include "log/run.h"

namespace runlog::bench {

class PlainFile {
 public:
  // Creates the file and writes all of it once. Writing starts over at its beginning when it is
  // full.
  explicit PlainFile(const std::filesystem::path& directory);
  ~PlainFile();
  PlainFile(const PlainFile&) = delete;
  PlainFile& operator=(const PlainFile&) = delete;

  // Encodes and commits; on disk when it returns. Not beside append_async.
  void append(std::span<const Run> runs);
  // Encodes in the caller's thread and returns; the committer calls `done` when the runs are on
  // disk. Everything that waits while a commit runs goes into the next one. Thread-safe.
  void append_async(std::span<const Run> runs, std::function<void()> done);

 private:
  struct Pending {
    std::vector<EncodedRun> runs;
    std::function<void()> done;
  };
  std::vector<EncodedRun> encode(std::span<const Run> runs);
  void commit(std::span<Pending> pending);
  void commit_what_waits();

  static constexpr std::uint64_t kFileBytes = 64ull << 20;
  NameTable names_;
  RunLimits limits_;
  int file_ = -1;
  std::uint64_t offset_ = 0;
  SequenceNumber next_sequence_ = 1;
  std::vector<std::byte> group_;  // what one commit writes

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Pending> waiting_;
  bool closing_ = false;
  std::thread committer_;  // last: it uses everything above
};

}  // namespace runlog::bench
