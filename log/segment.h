// One segment of a log: an LMDB environment that holds the records of a range of sequence numbers
// which no other segment overlaps. It is active while the log appends to it, then closed, then
// sealed; only an active segment changes. A merged segment may have gaps in its sequence numbers.
//
// An active or closed segment (ActiveSegment) is read through LMDB and indexed in memory; a sealed
// one (SealedSegment) is read in place from a plain mapping of its file.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "index/error.h"
#include "index/index.h"
#include "log/lmdb_env.h"
#include "log/run.h"

namespace runlog {

class Segment {
 public:
  virtual ~Segment() = default;

  std::uint64_t id() const { return id_; }
  SequenceNumber base() const { return base_; }
  const std::filesystem::path& file() const { return file_; }

  virtual const SegmentIndex& index() const = 0;
  // The sequence number of a record, `ordinal` < index().count().
  virtual SequenceNumber sequence(Ordinal ordinal) const = 0;
  // The first ordinal below `end` whose sequence number is >= `sequence`, or `end`.
  virtual Ordinal lower_bound(SequenceNumber sequence, Ordinal end) const = 0;

  // The sequence numbers that this segment's records supersede; of an active segment within an edit of
  // the current snapshot only.
  virtual const std::vector<SequenceNumber>& supersedes() const = 0;

  // The environment to read records through; null for a sealed segment, which has record().
  virtual LmdbEnv* environment() const { return nullptr; }
  // A sealed segment's record: its bytes to the end of the file. Errors: Corruption.
  virtual Expected<Bytes> record(Ordinal ordinal) const = 0;

 protected:
  Segment(std::uint64_t id, SequenceNumber base, std::filesystem::path file)
      : id_(id), base_(base), file_(std::move(file)) {}

 private:
  std::uint64_t id_;
  SequenceNumber base_;
  std::filesystem::path file_;
};

// The directory of a segment below a log's own.
std::filesystem::path segment_directory(const std::filesystem::path& log, std::uint64_t id);

}  // namespace runlog
