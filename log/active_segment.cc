#include "log/active_segment.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "log/file_io.h"
#include "log/kill_point.h"

namespace runlog {
namespace {

// What LMDB adds to a record: a node header and a key, and its place on the page.
constexpr std::uint64_t kRecordOverheadBytes = 18;

Error damaged(const std::filesystem::path& file, const std::string& what) {
  return {ErrorCode::Corruption, fmt::format("'{}' is damaged: {}", file.string(), what)};
}

}  // namespace

std::filesystem::path segment_directory(const std::filesystem::path& log, std::uint64_t id) {
  return log / "segments" / fmt::format("{:08}", id);
}

namespace {

IndexEntry index_entry_of(const HeadView& head, std::uint64_t id_hash,
                          std::span<const TermKey> terms) {
  const HeadView::Numbers numbers = head.numbers();
  IndexEntry entry;
  entry.id_hash = id_hash;
  entry.terms = terms;
  entry.flow = numbers.flow;
  entry.status = unsigned(head.status());
  entry.started_at_ms = head.started_at();
  entry.finished_at_ms = numbers.finished_at;
  entry.duration_ms = numbers.duration_ms;
  entry.record_bytes = head.record_bytes();
  entry.selected = numbers.selected;
  entry.acted = numbers.acted;
  entry.unmeasured = numbers.unmeasured;
  return entry;
}

}  // namespace

IndexEntry index_entry(const HeadView& head, std::vector<TermKey>& terms, std::string& run_id) {
  run_id.clear();
  head.append_run_id(run_id);
  terms.clear();
  head.terms(terms);
  return index_entry_of(head, run_id_hash(run_id), terms);
}

// ---- names and dictionaries ------------------------------------------------------------------

// Layout: u32 checksum (low half of xxh3-64 of the rest, seeded with the symbol), u8 kind, text.
std::vector<std::byte> stored_name(Symbol symbol, NameTable::Entry entry) {
  std::vector<std::byte> bytes(5 + entry.name.size());
  bytes[4] = std::byte(entry.kind);
  std::memcpy(bytes.data() + 5, entry.name.data(), entry.name.size());
  const auto checksum =
      std::uint32_t(XXH3_64bits_withSeed(bytes.data() + 4, bytes.size() - 4, symbol));
  std::memcpy(bytes.data(), &checksum, sizeof checksum);
  return bytes;
}

namespace {

bool is_whole_name(std::uint64_t key, Bytes stored) {
  std::uint32_t checksum = 0;
  if (stored.size() < 5 || key == 0 || key > UINT32_MAX) return false;
  std::memcpy(&checksum, stored.data(), sizeof checksum);
  return checksum ==
         std::uint32_t(XXH3_64bits_withSeed(stored.data() + 4, stored.size() - 4, key));
}

bool is_whole_dictionary(std::uint64_t key, Bytes stored) {
  std::uint64_t checksum = 0;
  if (stored.size() < 8 || key == 0 || key > UINT16_MAX) return false;
  std::memcpy(&checksum, stored.data(), sizeof checksum);
  return checksum == XXH3_64bits(stored.data() + 8, stored.size() - 8);
}

bool is_whole_record(SequenceNumber sequence, Bytes stored) {
  const auto record = verify_record(stored, sequence);
  return record && record->size() == stored.size();
}

}  // namespace

MakeEntryCheck check_entries_from(SequenceNumber base) {
  return [base]() -> EntryCheck {
    return [next = base](const std::string& table, std::uint64_t key, Bytes value) mutable {
      if (table == "n") return is_whole_name(key, value);
      if (table == "d") return is_whole_dictionary(key, value);
      if (table == "t") return key != kHeaderKey || read_sealed<SegmentHeader>(value).has_value();
      return table != "r" || (key == next++ && is_whole_record(key, value));
    };
  };
}

Expected<void> restore_name(std::uint64_t key, Bytes stored, NameTable& names) {
  if (!is_whole_name(key, stored))
    return fail(ErrorCode::Corruption, fmt::format("name {} fails its checksum", key));
  const std::string_view text(reinterpret_cast<const char*>(stored.data() + 5), stored.size() - 5);
  return names.restore(Symbol(key), NameKind(stored[4]), text);
}

// Layout: u64 checksum (xxh3-64 of the rest), the dictionary.
std::vector<std::byte> stored_dictionary(std::span<const std::byte> bytes) {
  std::vector<std::byte> stored(8 + bytes.size());
  const std::uint64_t checksum = XXH3_64bits(bytes.data(), bytes.size());
  std::memcpy(stored.data(), &checksum, sizeof checksum);
  std::memcpy(stored.data() + 8, bytes.data(), bytes.size());
  return stored;
}

Expected<void> restore_dictionary(std::uint64_t key, Bytes stored, Dictionaries& dictionaries) {
  if (!is_whole_dictionary(key, stored))
    return fail(ErrorCode::Corruption, fmt::format("dictionary {} fails its checksum", key));
  return dictionaries.add(std::uint32_t(key), stored.subspan(8));
}

// ---- create and open -------------------------------------------------------------------------

Expected<std::shared_ptr<ActiveSegment>> ActiveSegment::create(const std::filesystem::path& log,
                                                               const SegmentHeader& header,
                                                               std::size_t map_bytes,
                                                               bool building) {
  const auto directory = segment_directory(log, header.segment_id);
  if (auto made = make_directory(directory); !made) return tl::unexpected(made.error());
  std::shared_ptr<ActiveSegment> segment(new ActiveSegment(header, directory / "data.mdb"));
  LmdbEnv::Options options;
  options.map_bytes = map_bytes;
  options.no_sync = building;
  if (!building) options.settle_with = check_entries_from(header.base);
  auto env = LmdbEnv::open(directory, options);
  if (!env) return tl::unexpected(env.error());
  segment->env_ = std::move(*env);
  segment->gaps_ = building;
  SegmentHeader stored = header;
  auto write = LmdbWrite::begin(*segment->env_);
  if (!write) return tl::unexpected(write.error());
  if (auto put = write->put(LmdbTable::kTables, kHeaderKey, sealed_bytes(stored)); !put)
    return tl::unexpected(put.error());
  if (auto done = write->commit(); !done) return tl::unexpected(done.error());
  if (auto synced = sync_directory(directory); !synced) return tl::unexpected(synced.error());
  return segment;
}

Expected<std::shared_ptr<ActiveSegment>> ActiveSegment::open(const std::filesystem::path& log,
                                                             const SegmentHeader& expected,
                                                             std::size_t map_bytes, OpenMode mode,
                                                             SegmentState state, NameTable& names,
                                                             Dictionaries& dictionaries) {
  const auto directory = segment_directory(log, expected.segment_id);
  std::shared_ptr<ActiveSegment> segment(new ActiveSegment(expected, directory / "data.mdb"));
  const auto length = file_bytes(segment->file());
  if (!length)
    return length.error().code == ErrorCode::NotFound
               ? fail(ErrorCode::Corruption,
                      fmt::format("the catalog names the segment '{}', which is not there",
                                  segment->file().string()))
               : tl::unexpected(length.error());
  if (*length == 0) return tl::unexpected(damaged(segment->file(), "it is empty"));
  LmdbEnv::Options options;
  if (mode == OpenMode::kWrite) options.map_bytes = std::max<std::size_t>(map_bytes, *length * 2);
  options.mode = mode;
  // That nothing of a closed segment's last commit is missing was known before it was closed.
  if (mode == OpenMode::kWrite && state == SegmentState::kActive)
    options.settle_with = check_entries_from(expected.base);
  auto env = LmdbEnv::open(directory, options);
  if (!env) return tl::unexpected(env.error());
  segment->env_ = std::move(*env);
  if (auto checked = segment->check_header(expected); !checked)
    return tl::unexpected(checked.error());
  if (auto folded = segment->follow(names, dictionaries, nullptr); !folded)
    return tl::unexpected(folded.error());
  if (mode == OpenMode::kWrite && segment->env_->was_settled()) {
    const auto known = segment->may_have_leftovers();
    if (!known) return tl::unexpected(known.error());
    // A full disk does not keep the log from being opened.
    if (!*known) segment->is_note_missing_ = !segment->note_leftovers();
  }
  return segment;
}

Expected<void> ActiveSegment::check_header(const SegmentHeader& expected) {
  auto read = LmdbRead::begin(*env_);
  if (!read) return tl::unexpected(read.error());
  auto stored = read->get(LmdbTable::kTables, kHeaderKey);
  if (!stored) return tl::unexpected(stored.error());
  const auto header = *stored ? read_sealed<SegmentHeader>(**stored) : std::nullopt;
  if (!header || header->magic != SegmentHeader::kMagic)
    return tl::unexpected(damaged(file(), "its header fails its checksum"));
  if (header->version != kSegmentFormatVersion)
    return fail(ErrorCode::Corruption,
                fmt::format("'{}' has format version {}, and this program reads version {}",
                            file().string(), header->version, kSegmentFormatVersion));
  if (header->log_id != expected.log_id || header->segment_id != expected.segment_id ||
      header->base != expected.base)
    return tl::unexpected(damaged(file(), "its header belongs to another segment or log"));
  return {};
}

// ---- the write path --------------------------------------------------------------------------

Expected<void> ActiveSegment::write_names(LmdbWrite& write, const EncodedRun& run,
                                          const NameTable& names,
                                          const Dictionaries& dictionaries) {
  for (const Symbol symbol : run.symbols) {
    if (symbol < has_name_.size() && has_name_[symbol]) continue;
    if (symbol >= has_name_.size()) has_name_.resize(symbol + symbol / 2 + 64);
    has_name_[symbol] = true;
    pending_names_.push_back(symbol);
    const auto bytes = stored_name(symbol, names.entry(symbol));
    if (auto put = write.put(LmdbTable::kNames, symbol, bytes); !put) return put;
  }
  if (run.dictionary == 0) return {};
  if (run.dictionary < has_dictionary_.size() && has_dictionary_[run.dictionary]) return {};
  return write.put(LmdbTable::kDictionaries, run.dictionary,
                   stored_dictionary(dictionaries.bytes(run.dictionary)));
}

Expected<void> ActiveSegment::commit(std::span<const PendingRecord> records,
                                     const NameTable& names, const Dictionaries& dictionaries) {
  pending_names_.clear();
  const auto write_all = [&]() -> Expected<void> {
    auto write = LmdbWrite::begin(*env_);
    if (!write) return tl::unexpected(write.error());
    for (const PendingRecord& record : records) {
      auto put = write->append(LmdbTable::kRecords, record.sequence, record.run->bytes);
      if (put) put = write_names(*write, *record.run, names, dictionaries);
      if (!put) return put;
    }
    return write->commit_additions();
  };
  auto written = write_all();
  if (!written) {
    for (const Symbol symbol : pending_names_) has_name_[symbol] = false;
    return written;
  }
  names_seen_ += pending_names_.size();
  for (const PendingRecord& record : records) {
    const std::uint32_t number = record.run->dictionary;
    if (number == 0) continue;
    if (has_dictionary_.size() <= number) has_dictionary_.resize(number + 1);
    dictionaries_seen_ += has_dictionary_[number] ? 0 : 1;
    has_dictionary_[number] = true;
  }
  return {};
}

void ActiveSegment::note(const HeadView& head, SequenceNumber sequence) {
  if (end_ == base()) oldest_ = head.recorded_at();
  newest_ = head.recorded_at();
  if (head.supersedes() != 0) supersedes_.push_back(head.supersedes());
  if (gaps_) sequences_.push_back(sequence);
  end_ = sequence + 1;
  used_bytes_ += head.record_bytes() + kRecordOverheadBytes;
}

void ActiveSegment::fold(std::span<const PendingRecord> records) {
  for (const PendingRecord& record : records) {
    const auto head = HeadView::open(record.run->bytes, record.sequence);
    index_.add(index_entry_of(*head, record.run->id_hash, record.run->terms));
    note(*head, record.sequence);
  }
  index_.publish();
}

Expected<SequenceNumber> ActiveSegment::fold_record(SequenceNumber sequence, Bytes record) {
  const auto head = HeadView::open(record, sequence);
  if (!head)
    return tl::unexpected(
        damaged(file(), fmt::format("record {}: {}", sequence, head.error().message)));
  if (record.size() != head->record_bytes())
    return tl::unexpected(damaged(
        file(), fmt::format("record {} is {} bytes long, and its head says {}", sequence,
                            record.size(), head->record_bytes())));
  index_.add(index_entry(*head, terms_, run_id_));
  note(*head, sequence);
  return head->supersedes();
}

Expected<void> ActiveSegment::copy_record(LmdbWrite& write, SequenceNumber sequence,
                                          Bytes record) {
  if (auto put = write.append(LmdbTable::kRecords, sequence, record); !put) return put;
  if (auto folded = fold_record(sequence, record); !folded)
    return tl::unexpected(folded.error());
  return {};
}

// ---- following ---------------------------------------------------------------------------

Expected<void> ActiveSegment::restore_all(const LmdbRead& read, LmdbTable table,
                                          std::uint64_t& seen, std::vector<bool>& present,
                                          const Restore& restore) {
  const auto count = read.entries(table);
  if (!count) return tl::unexpected(count.error());
  if (*count == seen) return {};
  Expected<void> result;
  auto scanned = read.scan(table, 0, [&](std::uint64_t key, Bytes stored) {
    if (key < present.size() && present[key]) return true;
    result = restore(key, stored);
    if (!result) {
      result = tl::unexpected(damaged(file(), result.error().message));
      return false;
    }
    if (present.size() <= key) present.resize(key + key / 2 + 64);
    present[key] = true;
    return true;
  });
  if (!scanned || !result) return scanned ? result : scanned;
  seen = *count;
  return {};
}

Expected<void> ActiveSegment::follow_names(const LmdbRead& read, NameTable& names,
                                           Dictionaries& dictionaries) {
  auto done = restore_all(
      read, LmdbTable::kNames, names_seen_, has_name_,
      [&](std::uint64_t key, Bytes stored) { return restore_name(key, stored, names); });
  if (!done) return done;
  return restore_all(read, LmdbTable::kDictionaries, dictionaries_seen_, has_dictionary_,
                     [&](std::uint64_t key, Bytes stored) {
                       return restore_dictionary(key, stored, dictionaries);
                     });
}

Expected<void> ActiveSegment::follow(NameTable& names, Dictionaries& dictionaries,
                                     const Folded& folded) {
  auto read = LmdbRead::begin(*env_);
  if (!read) return tl::unexpected(read.error());
  if (auto done = follow_names(*read, names, dictionaries); !done) return done;
  Expected<void> result;
  auto scanned = read->scan(LmdbTable::kRecords, end_, [&](std::uint64_t sequence, Bytes record) {
    if (sequence != end_ && !gaps_) {
      result = tl::unexpected(
          damaged(file(), fmt::format("record {} is missing", end_)));
      return false;
    }
    const auto superseded = fold_record(sequence, record);
    if (!superseded) {
      result = tl::unexpected(superseded.error());
      return false;
    }
    if (folded) folded(sequence, *superseded);
    return true;
  });
  index_.publish();
  return scanned ? result : scanned;
}

// ---- reading ---------------------------------------------------------------------------------

SequenceNumber ActiveSegment::sequence(Ordinal ordinal) const {
  return gaps_ ? sequences_[ordinal] : base() + ordinal;
}

Ordinal ActiveSegment::lower_bound(SequenceNumber sequence, Ordinal end) const {
  if (sequence <= base()) return 0;
  if (gaps_) {
    const auto first = sequences_.begin();
    return Ordinal(std::lower_bound(first, first + end, sequence) - first);
  }
  return Ordinal(std::min<std::uint64_t>(sequence - base(), end));
}

Expected<Bytes> ActiveSegment::record(Ordinal) const {
  return fail(ErrorCode::InvalidArgument, "an active segment is read through its environment");
}

}  // namespace runlog
