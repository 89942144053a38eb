// A segment that is appended to, or waits to be sealed: records in LMDB, index in memory. The index
// is a fold over the records' heads and is made again on every open.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "index/error.h"
#include "index/index.h"
#include "log/dictionary.h"
#include "log/lmdb_env.h"
#include "log/names.h"
#include "log/record.h"
#include "log/segment.h"
#include "log/segment_format.h"

namespace runlog {

// One finished record (see finish_record) on its way into a segment.
struct PendingRecord {
  EncodedRun* run = nullptr;
  SequenceNumber sequence = 0;
};

class ActiveSegment final : public Segment {
 public:
  // Makes a new, empty segment in a directory of its own below `log`. The caller makes sure that the
  // directory does not exist. With `building`, commits are not synced; sealing the segment does it.
  // Errors: IoError; DiskFull.
  static Expected<std::shared_ptr<ActiveSegment>> create(const std::filesystem::path& log,
                                                         const SegmentHeader& header,
                                                         std::size_t map_bytes, bool building);

  // Opens a segment in `state` (kActive or kClosed) and folds its heads; its names and dictionaries
  // are added to the log's. Opening an active one for writing settles its last commit.
  // Errors: Corruption; IoError; NotFound.
  static Expected<std::shared_ptr<ActiveSegment>> open(const std::filesystem::path& log,
                                                       const SegmentHeader& expected,
                                                       std::size_t map_bytes, OpenMode mode,
                                                       SegmentState state, NameTable& names,
                                                       Dictionaries& dictionaries);

  // Writes `records`, and the names and dictionaries that they are the first here to use, in one
  // transaction with one sync (see log/last_commit.h). One thread at a time.
  // Errors: DiskFull, IoError (the segment needs heal() before the next commit); Corruption.
  Expected<void> commit(std::span<const PendingRecord> records, const NameTable& names,
                        const Dictionaries& dictionaries);
  // Adds committed records to the index; they become visible. Same thread.
  void fold(std::span<const PendingRecord> records);

  // Copies one finished record, as a merge does, within `write`, and folds it; finish_building()
  // then makes what was folded visible.
  Expected<void> copy_record(LmdbWrite& write, SequenceNumber sequence, Bytes record);
  void finish_building() { index_.publish(); }

  // Folds what was committed since the last fold: by another process, or by a commit whose outcome
  // was unknown. Calls `folded` with each record's sequence number and the one it supersedes, or 0.
  // Errors: Corruption.
  using Folded = std::function<void(SequenceNumber sequence, SequenceNumber supersedes)>;
  Expected<void> follow(NameTable& names, Dictionaries& dictionaries, const Folded& folded);

  // After a failed commit: closes and reopens the environment, checked, and makes a commit of its
  // own, so that whatever of the failed one took effect is on disk. Errors: as open.
  Expected<void> heal();

  // After the last commit of this process: see LmdbEnv::mark_closed.
  Expected<void> mark_closed();

  // Whether the file may hold bytes of a commit that was never acknowledged: one failed, or a
  // process died while it appended here. Errors: IoError.
  Expected<bool> may_have_leftovers() const;

  LmdbEnv& env() const { return *env_; }
  std::uint64_t used_bytes() const { return used_bytes_; }  // an estimate of the records' pages
  UnixMs oldest() const { return oldest_; }
  UnixMs newest() const { return newest_; }
  // One above the highest sequence number; base() while empty.
  SequenceNumber end() const { return end_; }
  // Sequence numbers by ordinal, only kept by a segment with gaps.
  const std::vector<SequenceNumber>& sequences() const { return sequences_; }

  const ActiveIndex& index() const override { return index_; }
  // In the order of its records.
  const std::vector<SequenceNumber>& supersedes() const override { return supersedes_; }
  SequenceNumber sequence(Ordinal ordinal) const override;
  Ordinal lower_bound(SequenceNumber sequence, Ordinal end) const override;
  LmdbEnv* environment() const override { return env_.get(); }
  Expected<Bytes> record(Ordinal ordinal) const override;

 private:
  ActiveSegment(const SegmentHeader& header, std::filesystem::path file)
      : Segment(header.segment_id, header.base, std::move(file)), end_(header.base) {}
  Expected<void> check_header(const SegmentHeader& expected);
  Expected<void> write_names(LmdbWrite& write, const EncodedRun& run, const NameTable& names,
                             const Dictionaries& dictionaries);
  Expected<SequenceNumber> fold_record(SequenceNumber sequence, Bytes record);
  void note(const HeadView& head, SequenceNumber sequence);
  Expected<void> note_leftovers();
  Expected<void> follow_names(const LmdbRead& read, NameTable& names, Dictionaries& dictionaries);
  using Restore = std::function<Expected<void>(std::uint64_t key, Bytes stored)>;
  Expected<void> restore_all(const LmdbRead& read, LmdbTable table, std::uint64_t& seen,
                             std::vector<bool>& present, const Restore& restore);

  std::shared_ptr<LmdbEnv> env_;
  ActiveIndex index_;
  std::uint64_t used_bytes_ = 0;
  std::atomic<UnixMs> oldest_ = 0, newest_ = 0;  // describe() reads them at any time
  SequenceNumber end_;
  bool gaps_ = false;
  bool is_note_missing_ = false;  // of leftovers: it could not be written
  std::vector<SequenceNumber> supersedes_;
  std::vector<SequenceNumber> sequences_;
  std::vector<bool> has_name_;        // by symbol: its name is committed here
  std::vector<Symbol> pending_names_;
  std::vector<bool> has_dictionary_;  // by number
  std::uint64_t names_seen_ = 0, dictionaries_seen_ = 0;
  std::vector<TermKey> terms_;  // scratch of the fold
  std::string run_id_;          // likewise
};

// A stored name and a stored dictionary: a checksum, then the content (log/FORMAT.md).
std::vector<std::byte> stored_name(Symbol symbol, NameTable::Entry entry);
std::vector<std::byte> stored_dictionary(std::span<const std::byte> bytes);
// Give one to the log's own tables. Errors: Corruption (the caller adds the place).
Expected<void> restore_name(std::uint64_t key, Bytes stored, NameTable& names);
Expected<void> restore_dictionary(std::uint64_t key, Bytes stored, Dictionaries& dictionaries);

// Whether each entry of a segment is what was written, and its records follow each other from `base`
// on, for settle_last_commit().
MakeEntryCheck check_entries_from(SequenceNumber base);

// One run as the index sees it, from its head. `terms` and `run_id` are scratch that the entry
// points into.
IndexEntry index_entry(const HeadView& head, std::vector<TermKey>& terms, std::string& run_id);

}  // namespace runlog
