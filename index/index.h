// The index of one segment: terms → posting lists of ordinals, run id → ordinals, time columns and
// flow tables. An ordinal is a record's position in its segment, 0 for the oldest.
//
// It has two forms behind one reading interface. While a segment is active its index grows in
// memory (ActiveIndex: one writer, any number of readers, readers take no lock); when it is sealed
// the finished index is written as flat, checksummed tables, which SealedIndex reads in place.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "index/error.h"
#include "index/term.h"

struct roaring_bitmap_s;

namespace runlog {

using Ordinal = std::uint32_t;

// A set of ordinals that answers use: results of terms, dead sets, filters. Immutable once shared.
class OrdinalSet;  // index/ordinal_set.h: a value type over a roaring bitmap

// ---- flow tables ---------------------------------------------------------------------------

// Durations as a log-linear histogram: 8 buckets a power of two, so that a percentile is within
// 6.25 % of the true one. Bucket numbers are persistent.
struct DurationHistogram {
  std::map<std::uint16_t, std::uint64_t> buckets;
  static std::uint16_t bucket_of(std::int64_t duration_ms);
  static std::int64_t upper_bound_ms(std::uint16_t bucket);
  static std::int64_t lower_bound_ms(std::uint16_t bucket);
  // The duration below which `fraction` (0–1) of the runs lie, the middle of its bucket; -1 if
  // empty.
  std::int64_t percentile(double fraction) const;
  friend bool operator==(const DurationHistogram&, const DurationHistogram&) = default;
};

// What one flow did within one segment (or, added up, within a log). Sums of values that can be
// taken away again, so that hidden runs can be subtracted exactly.
struct FlowCounts {
  std::array<std::uint64_t, 4> runs{};  // by status
  std::uint64_t bytes = 0;              // of the stored records
  std::int64_t selected = 0, acted = 0, unmeasured = 0;
  DurationHistogram durations;
  std::map<std::int64_t, std::array<std::uint64_t, 4>> by_hour;  // hours since 1970, by finish time
  void add(const FlowCounts& other);
  void subtract(const FlowCounts& other);  // entries that reach zero vanish
  friend bool operator==(const FlowCounts&, const FlowCounts&) = default;
};
using FlowTable = std::map<std::uint32_t, FlowCounts>;  // by the flow's symbol
// As bytes: see index/flow_table_codec.h.

// ---- the fold ------------------------------------------------------------------------------

// One run as the index sees it.
struct IndexEntry {
  std::uint64_t id_hash = 0;
  std::span<const TermKey> terms;
  std::uint32_t flow = 0;
  unsigned status = 0;
  std::int64_t started_at_ms = 0;
  std::int64_t finished_at_ms = 0;
  std::optional<std::int64_t> duration_ms;  // nullopt: nobody knows, and no percentile counts it
  std::uint64_t record_bytes = 0;
  std::int64_t selected = 0, acted = 0, unmeasured = 0;
};
// Adds one run to a flow table.
void add_to(FlowTable& table, const IndexEntry& entry);

// ---- the reading interface -----------------------------------------------------------------

// Reads the posting list of one term, newest first or oldest first, in batches. Valid while the
// index it came from is alive. Not thread-safe; make one per reader.
class PostingReader {
 public:
  virtual ~PostingReader() = default;
  // Fills `out` with the next ordinals below `end` (set when it was made) in the reader's
  // direction; returns how many, 0 at the end.
  virtual std::size_t next(std::span<Ordinal> out) = 0;
  // Skips so that the next ordinal is <= (newest first) or >= (oldest first) `bound`. Only forward.
  virtual void skip_to(Ordinal bound) = 0;
};

enum class Direction : std::uint8_t { kNewestFirst = 0, kOldestFirst = 1 };

class SegmentIndex {
 public:
  virtual ~SegmentIndex() = default;

  // All functions are thread-safe. `end` bounds the answer to ordinals below it: a snapshot's end
  // in an active segment; the segment's run count in a sealed one.
  // Errors of the sealed form: Corruption (a table's checksum or a length in it is wrong), found
  // on first use of that table.

  virtual Ordinal count() const = 0;
  // How many runs carry the term; O(1) when `end` is count(), except for a hashed term in the
  // active form, which is counted.
  virtual Expected<std::uint64_t> term_count(TermKey term, Ordinal end) const = 0;
  virtual Expected<std::unique_ptr<PostingReader>> read(TermKey term, Ordinal end,
                                                        Direction direction) const = 0;
  // Adds the term's ordinals below `end` to `set`.
  virtual Expected<void> collect(TermKey term, Ordinal end, OrdinalSet& set) const = 0;
  // Calls `visit` for every term of `kind` (exact and hashed) that any run below `end` carries,
  // with its count, in no particular order.
  virtual Expected<void> for_each_term(
      TermKind kind, Ordinal end,
      const std::function<void(TermKey, std::uint64_t)>& visit) const = 0;

  // Ordinals below `end` whose run id may hash to `id_hash`, newest first; the caller compares the
  // ids. Writes the newest ones, at most out.size(), and returns how many there are, or
  // out.size() + 1 if there are more than that.
  virtual Expected<std::size_t> find_id(std::uint64_t id_hash, Ordinal end,
                                        std::span<Ordinal> out) const = 0;
  // Hints that find_id(id_hash) comes next: fetches the cache lines that a miss would look at.
  virtual void prefetch_id(std::uint64_t id_hash) const = 0;

  virtual Expected<std::int64_t> started_at_ms(Ordinal ordinal) const = 0;
  virtual Expected<std::int64_t> finished_at_ms(Ordinal ordinal) const = 0;
  // Adds ordinals below `end` whose start (or finish) lies in [from, to] to `set`.
  virtual Expected<void> collect_started(std::int64_t from, std::int64_t to, Ordinal end,
                                         OrdinalSet& set) const = 0;
  virtual Expected<void> collect_finished(std::int64_t from, std::int64_t to, Ordinal end,
                                          OrdinalSet& set) const = 0;

  // The whole flow table. In the active form: of all runs folded so far, taken under the writer's
  // lock; the caller makes sure that it matches its snapshot (see log/log.cc).
  virtual Expected<FlowTable> flow_table() const = 0;
  virtual std::size_t memory_bytes() const = 0;
};

// ---- the active form -----------------------------------------------------------------------

class ActiveIndex final : public SegmentIndex {
 public:
  ActiveIndex();
  ~ActiveIndex() override;

  // Folds one run in; its ordinal is the number of runs added before. One thread at a time.
  void add(const IndexEntry& entry);
  // Makes everything that was added visible to readers (count() then covers it). Same thread.
  void publish();

  Ordinal count() const override;
  Expected<std::uint64_t> term_count(TermKey term, Ordinal end) const override;
  Expected<std::unique_ptr<PostingReader>> read(TermKey term, Ordinal end,
                                                Direction direction) const override;
  Expected<void> collect(TermKey term, Ordinal end, OrdinalSet& set) const override;
  Expected<void> for_each_term(
      TermKind kind, Ordinal end,
      const std::function<void(TermKey, std::uint64_t)>& visit) const override;
  Expected<std::size_t> find_id(std::uint64_t id_hash, Ordinal end,
                                std::span<Ordinal> out) const override;
  void prefetch_id(std::uint64_t id_hash) const override;
  Expected<std::int64_t> started_at_ms(Ordinal ordinal) const override;
  Expected<std::int64_t> finished_at_ms(Ordinal ordinal) const override;
  Expected<void> collect_started(std::int64_t from, std::int64_t to, Ordinal end,
                                 OrdinalSet& set) const override;
  Expected<void> collect_finished(std::int64_t from, std::int64_t to, Ordinal end,
                                  OrdinalSet& set) const override;
  Expected<FlowTable> flow_table() const override;
  std::size_t memory_bytes() const override;

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// ---- the sealed form -----------------------------------------------------------------------

// Persistent: never renumber. The tables of a sealed segment; kAddresses, kSupersedes and
// those from kSequences on belong to the log, which reads and writes them itself.
enum class TableId : std::uint8_t {
  kAddresses = 1,
  kSupersedes = 2,
  kIdFilter = 3,
  kIds = 4,
  kTermDirectory = 5,
  kPostings = 6,
  kSparseTerms = 7,
  kTimes = 8,
  kFlows = 9,
  kSequences = 10,
  kNames = 11,
  kDictionaries = 12,
};
inline constexpr unsigned kTableIdEnd = 13;

struct TableBytes {
  TableId id;
  std::vector<std::byte> bytes;
};

// Writes the index's own tables of a finished ActiveIndex (all but those of the log).
// The bytes depend on nothing but the index's content. A table's bytes will be stored at a file
// offset that is a multiple of 16.
std::vector<TableBytes> seal_index(const ActiveIndex& index);

class SealedIndex final : public SegmentIndex {
 public:
  // Where a table stands in memory and what its bytes hash to (xxh3-64). A table is verified at its
  // first use, once.
  struct Table {
    std::span<const std::byte> bytes;
    std::uint64_t checksum = 0;
  };
  using Tables = std::array<Table, kTableIdEnd>;  // by TableId

  // Keeps `tables`; the bytes must outlive the index. Reads nothing yet, except the lengths.
  // Errors: Corruption (a length that cannot be right for `count` runs).
  // `place` begins the messages of errors, now and later: the file that the tables stand in.
  static Expected<std::unique_ptr<SealedIndex>> open(const Tables& tables, Ordinal count,
                                                     const std::string& place = {});
  ~SealedIndex() override;

  // Verifies every table now. Errors: Corruption (names the table).
  Expected<void> verify() const;

  Ordinal count() const override;
  Expected<std::uint64_t> term_count(TermKey term, Ordinal end) const override;
  Expected<std::unique_ptr<PostingReader>> read(TermKey term, Ordinal end,
                                                Direction direction) const override;
  Expected<void> collect(TermKey term, Ordinal end, OrdinalSet& set) const override;
  Expected<void> for_each_term(
      TermKind kind, Ordinal end,
      const std::function<void(TermKey, std::uint64_t)>& visit) const override;
  Expected<std::size_t> find_id(std::uint64_t id_hash, Ordinal end,
                                std::span<Ordinal> out) const override;
  void prefetch_id(std::uint64_t id_hash) const override;
  Expected<std::int64_t> started_at_ms(Ordinal ordinal) const override;
  Expected<std::int64_t> finished_at_ms(Ordinal ordinal) const override;
  Expected<void> collect_started(std::int64_t from, std::int64_t to, Ordinal end,
                                 OrdinalSet& set) const override;
  Expected<void> collect_finished(std::int64_t from, std::int64_t to, Ordinal end,
                                  OrdinalSet& set) const override;
  Expected<FlowTable> flow_table() const override;
  std::size_t memory_bytes() const override;

 private:
  SealedIndex();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace runlog
