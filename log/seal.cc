#include "log/seal.h"

#include <cstring>

#include <fmt/format.h>

#include "log/file_io.h"
#include "log/kill_point.h"

namespace runlog {
namespace {

void push_u32(std::vector<std::byte>& out, std::uint64_t value) {
  const auto word = std::uint32_t(value);
  const std::size_t at = out.size();
  out.resize(at + sizeof word);
  std::memcpy(out.data() + at, &word, sizeof word);
}

// LMDB gives a value pages of its own, which no later commit moves, only above this size.
constexpr std::size_t kOwnPagesBytes = 2048;

Expected<void> write_tables(ActiveSegment& segment, const std::vector<TableBytes>& tables) {
  auto write = LmdbWrite::begin(segment.env());
  if (!write) return tl::unexpected(write.error());
  for (const TableBytes& table : tables) {
    if (table.bytes.empty()) continue;
    Expected<void> put;
    if (table.bytes.size() < kOwnPagesBytes) {
      std::vector<std::byte> padded = table.bytes;
      padded.resize(kOwnPagesBytes);
      put = write->put(LmdbTable::kTables, std::uint64_t(table.id), padded);
    } else {
      put = write->put(LmdbTable::kTables, std::uint64_t(table.id), table.bytes);
    }
    if (!put) return put;
  }
  return write->commit();
}

// Reads back where LMDB has put each table.
Expected<SegmentFooter> make_footer(const ActiveSegment& segment, std::uint64_t log_id,
                                    const std::vector<TableBytes>& tables) {
  auto read = LmdbRead::begin(segment.env());
  if (!read) return tl::unexpected(read.error());
  SegmentFooter footer;
  footer.log_id = log_id;
  footer.segment_id = segment.id();
  footer.base = segment.base();
  footer.end = segment.end();
  footer.runs = segment.index().count();
  footer.oldest = segment.oldest();
  footer.newest = segment.newest();
  for (const TableBytes& table : tables) {
    if (table.bytes.empty()) continue;
    auto stored = read->get(LmdbTable::kTables, std::uint64_t(table.id));
    if (!stored) return tl::unexpected(stored.error());
    if (!*stored || (*stored)->size() < table.bytes.size())
      return fail(ErrorCode::Corruption, fmt::format("table {} of '{}' was not stored",
                                                     unsigned(table.id), segment.file().string()));
    TablePlace& place = footer.tables[unsigned(table.id)];
    place.offset = read->file_offset(**stored);
    place.bytes = table.bytes.size();
    place.checksum = XXH3_64bits(table.bytes.data(), table.bytes.size());
  }
  return footer;
}

Expected<std::uint64_t> write_footer(const ActiveSegment& segment, SegmentFooter footer) {
  auto write = LmdbWrite::begin(segment.env());
  if (!write) return tl::unexpected(write.error());
  auto put = write->put(LmdbTable::kTables, kFooterKey, sealed_bytes(footer));
  if (put) put = write->commit();
  if (!put) return tl::unexpected(put.error());
  if (segment.env().options().no_sync)
    if (auto synced = segment.env().sync(); !synced) return tl::unexpected(synced.error());
  auto read = LmdbRead::begin(segment.env());
  if (!read) return tl::unexpected(read.error());
  auto stored = read->get(LmdbTable::kTables, kFooterKey);
  if (!stored) return tl::unexpected(stored.error());
  return read->file_offset(**stored);
}

// A flat list of a table's entries, each u32 key, u32 length and the stored value with its own
// checksum, so that a sealed segment is opened without LMDB.
Expected<TableBytes> flat_table(LmdbEnv& env, LmdbTable source, TableId id) {
  auto read = LmdbRead::begin(env);
  if (!read) return tl::unexpected(read.error());
  TableBytes table{id, {}};
  auto scanned = read->scan(source, 0, [&](std::uint64_t key, Bytes value) {
    push_u32(table.bytes, key);
    push_u32(table.bytes, value.size());
    table.bytes.insert(table.bytes.end(), value.begin(), value.end());
    return true;
  });
  if (!scanned) return tl::unexpected(scanned.error());
  return table;
}

TableBytes supersedes_table(const std::vector<SequenceNumber>& hidden) {
  TableBytes table{TableId::kSupersedes, {}};
  table.bytes.resize(hidden.size() * sizeof(SequenceNumber));
  if (!hidden.empty()) std::memcpy(table.bytes.data(), hidden.data(), table.bytes.size());
  return table;
}

}  // namespace

Expected<RecordTables> record_tables(LmdbEnv& env, SequenceNumber base) {
  auto read = LmdbRead::begin(env);
  if (!read) return tl::unexpected(read.error());
  RecordTables tables;
  SequenceNumber next = base;
  bool gaps = false;
  std::uint64_t misplaced = 0;
  auto scanned = read->scan(LmdbTable::kRecords, 0, [&](std::uint64_t sequence, Bytes record) {
    const std::uint64_t offset = read->file_offset(record);
    if (offset % 8 != 0 || offset / 8 > UINT32_MAX || sequence - base > UINT32_MAX)
      misplaced = sequence;
    push_u32(tables.addresses, offset / 8);
    push_u32(tables.sequences, sequence - base);
    gaps = gaps || sequence != next;
    next = sequence + 1;
    return misplaced == 0;
  });
  if (!scanned) return tl::unexpected(scanned.error());
  if (misplaced != 0)
    return fail(ErrorCode::Corruption,
                fmt::format("record {} of '{}' does not stand where the address table can reach it",
                            misplaced, env.file().string()));
  if (!gaps) tables.sequences.clear();
  return tables;
}

Expected<CatalogEntry> seal_segment(ActiveSegment& segment, std::uint64_t log_id,
                                    const std::vector<SequenceNumber>& keep_supersedes) {
  std::vector<TableBytes> tables = seal_index(segment.index());
  auto records = record_tables(segment.env(), segment.base());
  if (!records) return tl::unexpected(records.error());
  tables.push_back({TableId::kAddresses, std::move(records->addresses)});
  tables.push_back({TableId::kSequences, std::move(records->sequences)});
  tables.push_back(supersedes_table(keep_supersedes));
  for (const auto& [source, id] : {std::pair(LmdbTable::kNames, TableId::kNames),
                                   std::pair(LmdbTable::kDictionaries, TableId::kDictionaries)}) {
    auto table = flat_table(segment.env(), source, id);
    if (!table) return tl::unexpected(table.error());
    tables.push_back(std::move(*table));
  }

  kill_point("seal.before_tables");
  if (auto written = write_tables(segment, tables); !written)
    return tl::unexpected(written.error());
  kill_point("seal.before_footer");
  auto footer = make_footer(segment, log_id, tables);
  if (!footer) return tl::unexpected(footer.error());
  auto footer_offset = write_footer(segment, *footer);
  if (!footer_offset) return tl::unexpected(footer_offset.error());
  kill_point("seal.after_footer");

  const auto length = file_bytes(segment.file());
  if (!length) return tl::unexpected(length.error());
  const auto has_leftovers = segment.may_have_leftovers();
  if (!has_leftovers) return tl::unexpected(has_leftovers.error());
  CatalogEntry entry;
  entry.has_leftovers = *has_leftovers;
  entry.state = SegmentState::kSealed;
  entry.id = segment.id();
  entry.base = segment.base();
  entry.end = segment.end();
  entry.runs = segment.index().count();
  entry.file_bytes = *length;
  entry.footer_offset = *footer_offset;
  entry.oldest = segment.oldest();
  entry.newest = segment.newest();
  return entry;
}

}  // namespace runlog
