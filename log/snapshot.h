// What one reader sees of a log: every run up to one sequence number, and which of them are hidden.
// A snapshot never changes; taking one costs a few reference counts, and holding one keeps the
// segments it names readable even after they were merged away or dropped.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "index/error.h"
#include "index/index.h"
#include "index/ordinal_set.h"
#include "log/names.h"
#include "log/record.h"
#include "log/run.h"

namespace runlog {

class Dictionaries;
class HiddenFlows;
class PausedSet;
class Segment;

// One segment as a snapshot sees it: the ordinals [0, end), of which those in `dead` are hidden
// (superseded, or expired by the log's retention policy).
struct SegmentView {
  std::shared_ptr<const Segment> segment;
  Ordinal end = 0;
  std::shared_ptr<const OrdinalSet> dead;     // null when nothing is hidden
  std::shared_ptr<HiddenFlows> hidden_flows;  // what they count for; null likewise

  const SegmentIndex& index() const;
  bool is_dead(Ordinal ordinal) const { return dead && dead->contains(ordinal); }
  std::uint64_t live() const { return end - (dead ? dead->count() : 0); }
  // The sequence number of a record. `ordinal` < end.
  SequenceNumber sequence(Ordinal ordinal) const;
  // The first ordinal whose sequence number is >= `sequence`; end if there is none.
  Ordinal lower_bound(SequenceNumber sequence) const;
};

class Snapshot {
 public:
  // Oldest first; their sequence numbers don't overlap.
  std::vector<SegmentView> segments;
  SequenceNumber end = 1;           // one above the newest sequence number
  std::uint64_t log_id = 0;         // random, fixed at creation; cursors carry it
  // A quarantined or damaged segment is missing from the answers, or Log::flows() found that a hidden
  // run cannot be read, so that it is still in the counts.
  bool incomplete = false;
  std::shared_ptr<const NameTable> names;
  std::shared_ptr<const Dictionaries> dictionaries;
  std::shared_ptr<const PausedSet> paused;  // null when no run is paused; see log/paused_set.h

  std::uint64_t live() const;       // runs that are not hidden
};

// Reads records of one snapshot. Spans it returns live as long as the reader. It holds a read
// transaction on every segment that is not sealed once one of them was read, which keeps the log
// from reusing pages: make one for one query and let it go. After a failed write the log waits until
// nobody reads the segment, to open it again, and whoever comes to read it waits for that. So a
// reader begins its transactions all at once, in the order of the segments, and a thread that holds
// a reader must not append. Not thread-safe.
class RecordReader {
 public:
  explicit RecordReader(const Snapshot& snapshot);
  ~RecordReader();
  RecordReader(const RecordReader&) = delete;
  RecordReader& operator=(const RecordReader&) = delete;

  // The stored bytes from the record's first on (more may follow). `segment` is a position in
  // snapshot.segments. Nothing is verified yet: HeadView::open and decode_run do that.
  // Errors: Corruption (the place lies outside the file); IoError.
  Expected<std::span<const std::byte>> read(std::size_t segment, Ordinal ordinal);
  // Asks the processor to fetch the head of a record that will be read soon. Sealed segments only;
  // nothing happens for others.
  void prefetch(std::size_t segment, Ordinal ordinal);
  // Adds the file and place of a record to an error about its bytes.
  Error with_place(Error error, std::size_t segment, Ordinal ordinal) const;

 private:
  const Snapshot& snapshot_;
  void begin_unsealed();
  struct ActiveRead;
  std::unique_ptr<ActiveRead> active_;
};

// Where a run's record stands in a snapshot.
struct RecordPlace {
  std::size_t segment = 0;
  Ordinal ordinal = 0;
  SequenceNumber sequence = 0;
};

// The newest record of a run in segments[first_segment] or later, hidden or not, or nullopt.
// `id_hash` is run_id_hash(run_id). Errors: Corruption.
Expected<std::optional<RecordPlace>> find_record_from(const Snapshot& snapshot, RecordReader& reader,
                                                   std::string_view run_id, std::uint64_t id_hash,
                                                   std::size_t first_segment);

// The visible record of a run, or nullopt. Compares ids, not only hashes. Errors: Corruption.
Expected<std::optional<RecordPlace>> find_run(const Snapshot& snapshot, RecordReader& reader,
                                              std::string_view run_id);

}  // namespace runlog
