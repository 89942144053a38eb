// Verifies one segment: every record, and every table against its records.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "index/error.h"
#include "index/index.h"
#include "log/dictionary.h"
#include "log/entry_source.h"
#include "log/lmdb_env.h"
#include "log/names.h"
#include "log/record.h"
#include "log/segment_format.h"

namespace runlog {

// A record as the verification of the whole log needs it.
struct SeenRun {
  std::uint64_t id_hash = 0;
  SequenceNumber sequence = 0;
};

// What a verification of one segment says.
struct SegmentVerdict {
  CatalogEntry entry;
  std::filesystem::path directory;
  std::uint64_t records = 0;  // that are sound
  std::uint64_t bytes = 0;    // of the file
  SequenceNumber end = 0;     // one above the highest sequence number found; base while empty
  std::vector<std::string> damage;
  std::vector<std::string> notes;  // harmless
  std::vector<SeenRun> runs;           // the sound records
  std::vector<SequenceNumber> hidden;  // what the segment says of older records and of its own
};

// What verifications of all segments of a log share.
struct VerifyContext {
  std::filesystem::path log;
  std::uint64_t log_id = 0;
  Writer writer = Writer::kNone;
  // The union of the segments', filled on the way: no two may say different things.
  NameTable* names = nullptr;
  Dictionaries* dictionaries = nullptr;
  std::function<void(std::uint64_t bytes)> progress;  // of the segment, so far; may be empty
};

// Folds records one after the other as the log does, but decodes each of them completely first.
class RecordFold {
 public:
  // Records are decoded with `names` and `dictionaries`. Damage is appended to `damage`, with `file`
  // as the place. All of them must outlive the fold.
  RecordFold(const NameTable& names, const Dictionaries& dictionaries,
             const std::filesystem::path& file, std::vector<std::string>& damage)
      : names_(names), dictionaries_(dictionaries), file_(file), damage_(damage) {}

  // Whether a record's bytes are all of a stored value, or go on behind it.
  enum class Extent { kWhole, kGoesOn };
  // Takes the next record. False: it is damaged.
  bool add(SequenceNumber sequence, Bytes bytes, Extent extent);
  // Makes what was added visible in index().
  void finish();

  const ActiveIndex& index() const { return index_; }
  const std::vector<SequenceNumber>& sequences() const { return sequences_; }
  const std::vector<SeenRun>& runs() const { return runs_; }
  // (the record, what it supersedes), for those that supersede something.
  using Supersede = std::pair<SequenceNumber, SequenceNumber>;
  const std::vector<Supersede>& supersedes() const { return supersedes_; }
  UnixMs oldest() const { return oldest_; }
  UnixMs newest() const { return newest_; }
  std::uint64_t failed() const { return failed_; }  // records
  std::uint64_t bytes() const { return bytes_; }

 private:
  // Empty: the record was taken.
  std::string take(SequenceNumber sequence, Bytes bytes, Extent extent);

  const NameTable& names_;
  const Dictionaries& dictionaries_;
  const std::filesystem::path& file_;
  std::vector<std::string>& damage_;
  ActiveIndex index_;
  std::vector<SequenceNumber> sequences_;
  std::vector<SeenRun> runs_;
  std::vector<Supersede> supersedes_;
  UnixMs oldest_ = 0, newest_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t bytes_ = 0;
  std::vector<TermKey> terms_;
  std::string run_id_;
};

// A segment in the state kSealed. That it cannot be opened is damage too. Errors: IoError.
Expected<SegmentVerdict> verify_sealed(const VerifyContext& context, const CatalogEntry& entry);

// A segment in the state kActive or kClosed. Errors: IoError; Busy (see read_entries).
Expected<SegmentVerdict> verify_unsealed(const VerifyContext& context, const CatalogEntry& entry);

}  // namespace runlog
