#include "log/verify_segment.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include <fmt/format.h>

#include "log/active_segment.h"
#include "log/lmdb_check.h"
#include "log/sealed_segment.h"

namespace runlog {
namespace {

// Beyond this many sentences of one kind for a segment, the rest is only counted.
constexpr std::uint64_t kMaxRecordSentences = 20;

const char* table_name(TableId id) {
  switch (id) {
    case TableId::kAddresses: return "addresses";
    case TableId::kSupersedes: return "supersedes";
    case TableId::kIdFilter: return "id filter";
    case TableId::kIds: return "ids";
    case TableId::kTermDirectory: return "term directory";
    case TableId::kPostings: return "postings";
    case TableId::kSparseTerms: return "sparse terms";
    case TableId::kTimes: return "times";
    case TableId::kFlows: return "flows";
    case TableId::kSequences: return "sequences";
    case TableId::kNames: return "names";
    case TableId::kDictionaries: return "dictionaries";
  }
  return "unknown";
}

void push_u32(std::vector<std::byte>& out, std::uint64_t value) {
  const auto word = std::uint32_t(value);
  const auto* bytes = reinterpret_cast<const std::byte*>(&word);
  out.insert(out.end(), bytes, bytes + sizeof word);
}

// The tables that a sealed segment must have, made again from what its LMDB tree holds.
struct RebuiltTables {
  std::vector<std::byte> addresses, sequences, names, dictionaries;

  void add_record(SequenceNumber base, SequenceNumber sequence, std::uint64_t offset) {
    push_u32(addresses, offset / 8);
    push_u32(sequences, sequence - base);
  }
  static void add_entry(std::vector<std::byte>& table, std::uint64_t key, Bytes value) {
    push_u32(table, key);
    push_u32(table, value.size());
    table.insert(table.end(), value.begin(), value.end());
  }
};

// The names and dictionaries of one segment, whose file must stand alone.
struct OwnNames {
  NameTable names;
  Dictionaries dictionaries;
};

// One verification of a sealed segment.
class SealedCheck {
 public:
  SealedCheck(const VerifyContext& context, const SealedSegment& segment, const OwnNames& own,
              SegmentVerdict& verdict)
      : context_(context), segment_(segment), own_(own), verdict_(verdict) {}

  void run() {
    add_names();
    const bool tree_is_sound = check_tree();
    if (!tree_is_sound) fold_by_addresses();
    fold_->finish();
    verdict_.records = fold_->sequences().size();
    verdict_.runs = fold_->runs();
    verdict_.hidden = segment_.supersedes();
    check_checksums();
    if (fold_->failed() != 0) return;  // the tables rightly count a record that cannot be read
    if (tree_is_sound) check_record_tables();
    check_footer();
    check_index_tables();
    check_supersedes();
  }

 private:
  void report(std::string what) {
    verdict_.damage.push_back(
        fmt::format("'{}' is damaged: {}", segment_.file().string(), std::move(what)));
  }

  void add_names() {
    const auto add = [&](TableId id, auto restore, auto& target) {
      const auto done = segment_.for_each_entry(
          id, [&](std::uint64_t key, Bytes stored) { return restore(key, stored, target); });
      if (!done) verdict_.damage.push_back(done.error().message);
    };
    add(TableId::kNames, restore_name, *context_.names);
    add(TableId::kDictionaries, restore_dictionary, *context_.dictionaries);
  }

  bool check_tree() {
    const Bytes file = segment_.file_contents();
    const auto visit = [&](const std::string& table, std::uint64_t key, Bytes value) {
      if (table == "r") {
        rebuilt_.add_record(segment_.base(), key, std::uint64_t(value.data() - file.data()));
        fold_->add(key, value, RecordFold::Extent::kWhole);
        if (context_.progress) context_.progress(fold_->bytes());
      } else if (table == "n") {
        RebuiltTables::add_entry(rebuilt_.names, key, value);
      } else if (table == "d") {
        RebuiltTables::add_entry(rebuilt_.dictionaries, key, value);
      }
    };
    fold_.emplace(own_.names, own_.dictionaries, segment_.file(), verdict_.damage);
    const std::size_t damage_before = verdict_.damage.size();
    const auto checked = check_lmdb_image(file, segment_.file(), visit);
    if (checked) return true;
    // What the tree gave before the damage is read again by address, so that each is counted once.
    verdict_.damage.resize(damage_before);
    verdict_.damage.push_back(checked.error().message);
    return false;
  }

  void fold_by_addresses() {
    fold_.emplace(own_.names, own_.dictionaries, segment_.file(), verdict_.damage);
    for (Ordinal ordinal = 0; ordinal < segment_.index().count(); ++ordinal) {
      const auto record = segment_.record(ordinal);
      if (!record) {
        verdict_.damage.push_back(record.error().message);
        return;
      }
      fold_->add(segment_.sequence(ordinal), *record, RecordFold::Extent::kGoesOn);
    }
  }

  void check_checksums() {
    for (unsigned id = 1; id < kTableIdEnd; ++id) {
      const auto bytes = segment_.table(TableId(id));
      if (bytes) continue;
      bad_tables_[id] = true;
      verdict_.damage.push_back(
          fmt::format("{} ({})", bytes.error().message, table_name(TableId(id))));
    }
  }

  void compare(TableId id, Bytes expected) {
    if (bad_tables_[unsigned(id)]) return;
    const auto stored = segment_.table(id);
    if (stored && stored->size() == expected.size() &&
        std::equal(stored->begin(), stored->end(), expected.begin()))
      return;
    report(fmt::format("table {} ({}) at offset {} is not what its records make", unsigned(id),
                       table_name(id), segment_.footer().tables[unsigned(id)].offset));
  }

  void check_record_tables() {
    const bool gaps = segment_.footer().end - segment_.base() != fold_->sequences().size();
    compare(TableId::kAddresses, rebuilt_.addresses);
    compare(TableId::kSequences, gaps ? Bytes(rebuilt_.sequences) : Bytes());
    compare(TableId::kNames, rebuilt_.names);
    compare(TableId::kDictionaries, rebuilt_.dictionaries);
  }

  void check_index_tables() {
    for (const TableBytes& table : seal_index(fold_->index())) compare(table.id, table.bytes);
  }

  void check_footer() {
    const SegmentFooter& footer = segment_.footer();
    const auto& sequences = fold_->sequences();
    if (footer.runs != sequences.size())
      report(fmt::format("it has {} records, and its footer says {}", sequences.size(),
                         footer.runs));
    else if (!sequences.empty() && footer.end != sequences.back() + 1)
      report(fmt::format("its last record is {}, and its footer says {}", sequences.back(),
                         footer.end - 1));
    else if (!sequences.empty() &&
             (footer.oldest != fold_->oldest() || footer.newest != fold_->newest()))
      report("its records' times and its footer's disagree");
  }

  // A merge drops hidden records and keeps what they hid in older segments. So what a record
  // supersedes must be in the table if it can still be there, and what the table hides in this
  // segment must have been superseded by a record of this segment.
  void check_supersedes() {
    const auto& table = segment_.supersedes();
    const std::unordered_set<SequenceNumber> hidden(table.begin(), table.end());
    std::unordered_set<SequenceNumber> superseded;
    const auto& here = fold_->sequences();
    for (const auto& [by, sequence] : fold_->supersedes()) {
      superseded.insert(sequence);
      if (hidden.count(sequence) != 0) continue;
      if (sequence < segment_.base() || std::binary_search(here.begin(), here.end(), sequence))
        report(fmt::format("record {} supersedes {}, which the supersedes table does not hide", by,
                           sequence));
    }
    for (const SequenceNumber sequence : table)
      if (sequence >= segment_.footer().end ||
          (sequence >= segment_.base() && superseded.count(sequence) == 0))
        report(fmt::format("the supersedes table hides {}, which no record supersedes", sequence));
  }

  const VerifyContext& context_;
  const SealedSegment& segment_;
  const OwnNames& own_;
  SegmentVerdict& verdict_;
  std::optional<RecordFold> fold_;
  RebuiltTables rebuilt_;
  bool bad_tables_[kTableIdEnd] = {};
};

// One verification of a segment that is still appended to, or waits to be sealed.
class UnsealedCheck {
 public:
  UnsealedCheck(const VerifyContext& context, const CatalogEntry& entry, SegmentVerdict& verdict)
      : context_(context),
        entry_(entry),
        verdict_(verdict),
        file_(verdict.directory / "data.mdb") {}

  Expected<void> run() {
    MakeEntryCheck settle_with;
    if (entry_.state == SegmentState::kActive) settle_with = check_entries_from(entry_.base);
    const auto read = read_entries(
        verdict_.directory, context_.writer, settle_with, [&] { restart(); },
        [&](const std::string& table, std::uint64_t key, Bytes value) { visit(table, key, value); });
    if (!read) {
      if (read.error().code != ErrorCode::Corruption && read.error().code != ErrorCode::NotFound)
        return tl::unexpected(read.error());
      verdict_.damage.push_back(read.error().message);
    } else if (!has_header_) {
      report("it has no header");
    }
    if (read && *read == LastCommit::kTorn)
      verdict_.notes.push_back(
          fmt::format("the last commit to '{}' is torn, as a power cut leaves it; it was never "
                      "acknowledged, and the next open for writing undoes it",
                      file_.string()));
    if (fold_) {
      fold_->finish();
      verdict_.records = fold_->sequences().size();
      verdict_.runs = fold_->runs();
      for (const auto& [by, sequence] : fold_->supersedes()) verdict_.hidden.push_back(sequence);
    }
    verdict_.end = next_;
    return {};
  }

 private:
  void report(std::string what) {
    verdict_.damage.push_back(
        fmt::format("'{}' is damaged: {}", file_.string(), std::move(what)));
  }

  void restart() {
    verdict_.damage.clear();
    own_.emplace();
    fold_.emplace(own_->names, own_->dictionaries, file_, verdict_.damage);
    next_ = entry_.base;
    has_header_ = false;
  }

  void visit(const std::string& table, std::uint64_t key, Bytes value) {
    if (table == "n") {
      auto restored = restore_name(key, value, own_->names);
      if (restored) restored = restore_name(key, value, *context_.names);
      if (!restored) report(restored.error().message);
    } else if (table == "d") {
      auto restored = restore_dictionary(key, value, own_->dictionaries);
      if (restored) restored = restore_dictionary(key, value, *context_.dictionaries);
      if (!restored) report(restored.error().message);
    } else if (table == "r") {
      visit_record(key, value);
    } else if (table == "t" && key == kHeaderKey) {
      check_header(value);
    }
  }

  void visit_record(SequenceNumber sequence, Bytes record) {
    if (sequence < next_ || sequence == ~SequenceNumber{0})
      report(fmt::format("record {} is not of this segment", sequence));
    else if (sequence != next_)
      report(fmt::format("records {} to {} are missing", next_, sequence - 1));
    next_ = std::max(next_, sequence + 1);
    fold_->add(sequence, record, RecordFold::Extent::kWhole);
    if (context_.progress) context_.progress(fold_->bytes());
  }

  void check_header(Bytes stored) {
    has_header_ = true;
    const auto header = read_sealed<SegmentHeader>(stored);
    if (!header || header->magic != SegmentHeader::kMagic)
      report("its header fails its checksum");
    else if (header->version != kSegmentFormatVersion)
      report(fmt::format("it has format version {}, and this program reads version {}",
                         header->version, kSegmentFormatVersion));
    else if (header->log_id != context_.log_id || header->segment_id != entry_.id ||
             header->base != entry_.base)
      report("its header belongs to another segment or log");
  }

  const VerifyContext& context_;
  const CatalogEntry& entry_;
  SegmentVerdict& verdict_;
  std::filesystem::path file_;
  std::optional<OwnNames> own_;
  std::optional<RecordFold> fold_;
  SequenceNumber next_ = 0;
  bool has_header_ = false;
};

SegmentVerdict verdict_of(const VerifyContext& context, const CatalogEntry& entry) {
  SegmentVerdict verdict;
  verdict.entry = entry;
  verdict.directory = segment_directory(context.log, entry.id);
  verdict.end = entry.base;
  verdict.bytes = file_bytes(verdict.directory / "data.mdb").value_or(0);
  return verdict;
}

}  // namespace

std::string RecordFold::take(SequenceNumber sequence, Bytes bytes, Extent extent) {
  const auto record = verify_record(bytes, sequence);
  if (!record) return record.error().message;
  if (extent == Extent::kWhole && record->size() != bytes.size())
    return fmt::format("it is {} bytes long, and its head says {}", bytes.size(), record->size());
  TextArena arena;
  Run run;
  const auto decoded =
      decode_run(*record, sequence, names_, &dictionaries_, arena, run);
  if (!decoded) return decoded.error().message;
  const auto head = HeadView::open(*record, sequence);
  if (!head) return head.error().message;
  if (!sequences_.empty() && sequence <= sequences_.back()) return "it is out of order";
  if (head->supersedes() >= sequence) return "it supersedes what comes after it";

  const IndexEntry entry = index_entry(*head, terms_, run_id_);
  index_.add(entry);
  runs_.push_back({entry.id_hash, sequence});
  if (sequences_.empty()) oldest_ = head->recorded_at();
  newest_ = head->recorded_at();
  if (head->supersedes() != 0) supersedes_.emplace_back(sequence, head->supersedes());
  sequences_.push_back(sequence);
  bytes_ += record->size();
  return "";
}

bool RecordFold::add(SequenceNumber sequence, Bytes bytes, Extent extent) {
  const std::string problem = take(sequence, bytes, extent);
  if (problem.empty()) return true;
  if (++failed_ <= kMaxRecordSentences)
    damage_.push_back(
        fmt::format("'{}' is damaged: record {}: {}", file_.string(), sequence, problem));
  return false;
}

void RecordFold::finish() {
  if (failed_ > kMaxRecordSentences)
    damage_.push_back(fmt::format("'{}' is damaged: {} more records", file_.string(),
                                  failed_ - kMaxRecordSentences));
  index_.publish();
}

Expected<SegmentVerdict> verify_sealed(const VerifyContext& context, const CatalogEntry& entry) {
  SegmentVerdict verdict = verdict_of(context, entry);
  verdict.end = entry.end;
  OwnNames own;
  auto segment = SealedSegment::open(context.log, entry, context.log_id, own.names,
                                     own.dictionaries);
  if (!segment) {
    if (segment.error().code != ErrorCode::Corruption) return tl::unexpected(segment.error());
    verdict.damage.push_back(segment.error().message);
    return verdict;
  }
  SealedCheck(context, **segment, own, verdict).run();
  return verdict;
}

Expected<SegmentVerdict> verify_unsealed(const VerifyContext& context, const CatalogEntry& entry) {
  SegmentVerdict verdict = verdict_of(context, entry);
  if (auto run = UnsealedCheck(context, entry, verdict).run(); !run)
    return tl::unexpected(run.error());
  return verdict;
}

}  // namespace runlog
