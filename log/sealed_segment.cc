#include "log/sealed_segment.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "log/active_segment.h"

namespace runlog {
Error SealedSegment::damaged(const std::string& what) const {
  return {ErrorCode::Corruption, fmt::format("'{}' is damaged: {}", file().string(), what)};
}

Expected<std::shared_ptr<SealedSegment>> SealedSegment::open(const std::filesystem::path& log,
                                                             const CatalogEntry& entry,
                                                             std::uint64_t log_id,
                                                             NameTable& names,
                                                             Dictionaries& dictionaries) {
  std::shared_ptr<SealedSegment> segment(
      new SealedSegment(entry, segment_directory(log, entry.id) / "data.mdb"));
  auto mapping = FileMapping::open(segment->file());
  if (!mapping) {
    if (mapping.error().code != ErrorCode::NotFound) return tl::unexpected(mapping.error());
    return fail(ErrorCode::Corruption,
                fmt::format("the catalog names the segment '{}', which is not there",
                            segment->file().string()));
  }
  segment->mapping_ = std::move(*mapping);
  auto done = segment->read_footer(entry, log_id);
  if (done) done = segment->open_tables();
  if (done)
    done = segment->for_each_entry(TableId::kNames, [&](std::uint64_t key, Bytes stored) {
      return restore_name(key, stored, names);
    });
  if (done)
    done = segment->for_each_entry(TableId::kDictionaries, [&](std::uint64_t key, Bytes stored) {
      return restore_dictionary(key, stored, dictionaries);
    });
  if (!done) return tl::unexpected(done.error());
  return segment;
}

Expected<void> SealedSegment::open_tables() {
  SealedIndex::Tables tables;
  for (unsigned id = 0; id < kTableIdEnd; ++id) {
    const TablePlace& place = footer_.tables[id];
    tables[id] = {file_contents().subspan(place.offset, place.bytes), place.checksum};
  }
  auto index = SealedIndex::open(tables, Ordinal(footer_.runs), file().string());
  if (!index) return tl::unexpected(damaged(index.error().message));
  index_ = std::move(*index);

  const auto addresses = tables[unsigned(TableId::kAddresses)].bytes;
  if (addresses.size() != footer_.runs * 4)
    return tl::unexpected(damaged("its address table has the wrong length"));
  addresses_ = addresses.data();

  auto sequences = table(TableId::kSequences);
  if (!sequences) return tl::unexpected(sequences.error());
  const bool has_gaps = footer_.end - footer_.base != footer_.runs;
  if (sequences->size() != (has_gaps ? footer_.runs * 4 : 0))
    return tl::unexpected(damaged("its sequence table has the wrong length"));
  if (has_gaps) sequences_ = sequences->data();

  auto supersedes = table(TableId::kSupersedes);
  if (!supersedes) return tl::unexpected(supersedes.error());
  if (supersedes->size() % sizeof(SequenceNumber) != 0)
    return tl::unexpected(damaged("its supersedes table has the wrong length"));
  supersedes_.resize(supersedes->size() / sizeof(SequenceNumber));
  if (!supersedes_.empty())
    std::memcpy(supersedes_.data(), supersedes->data(), supersedes->size());
  return {};
}

Expected<void> SealedSegment::for_each_entry(TableId id, const Visit& visit) const {
  auto bytes = table(id);
  if (!bytes) return tl::unexpected(bytes.error());
  for (Bytes rest = *bytes; !rest.empty();) {
    if (rest.size() < 8 || load_u32(rest.data() + 4) > rest.size() - 8)
      return tl::unexpected(damaged(fmt::format("table {} ends early", unsigned(id))));
    const std::size_t length = load_u32(rest.data() + 4);
    if (auto done = visit(load_u32(rest.data()), rest.subspan(8, length)); !done)
      return done.error().code == ErrorCode::Corruption
                 ? tl::unexpected(damaged(done.error().message))
                 : done;
    rest = rest.subspan(8 + length);
  }
  return {};
}

Expected<void> SealedSegment::read_footer(const CatalogEntry& entry, std::uint64_t log_id) {
  const Bytes file = mapping_->bytes();
  if (file.size() != entry.file_bytes)
    return tl::unexpected(damaged(fmt::format("it is {} bytes long, and the catalog says {}",
                                              file.size(), entry.file_bytes)));
  if (entry.footer_offset > file.size() ||
      file.size() - entry.footer_offset < sizeof(SegmentFooter))
    return tl::unexpected(damaged("its footer lies outside the file"));
  const auto footer =
      read_sealed<SegmentFooter>(file.subspan(entry.footer_offset, sizeof(SegmentFooter)));
  if (!footer || footer->magic != SegmentFooter::kMagic)
    return tl::unexpected(damaged("its footer fails its checksum"));
  if (footer->version != kSegmentFormatVersion || footer->table_count != kTableIdEnd)
    return tl::unexpected(damaged(fmt::format(
        "it has format version {}, and this program reads version {}", footer->version,
        kSegmentFormatVersion)));
  if (footer->log_id != log_id || footer->segment_id != entry.id || footer->base != entry.base ||
      footer->end != entry.end || footer->runs != entry.runs || footer->end < footer->base ||
      footer->runs > footer->end - footer->base || footer->runs > UINT32_MAX)
    return tl::unexpected(damaged("its footer and the catalog disagree"));
  for (const TablePlace& place : footer->tables)
    if (place.offset > file.size() || place.bytes > file.size() - place.offset ||
        place.offset % 16 != 0)
      return tl::unexpected(damaged("a table lies outside the file"));
  footer_ = *footer;
  return {};
}

Expected<Bytes> SealedSegment::table(TableId id) const {
  const TablePlace& place = footer_.tables[unsigned(id)];
  const Bytes bytes = file_contents().subspan(place.offset, place.bytes);
  if (place.bytes != 0 && XXH3_64bits(bytes.data(), bytes.size()) != place.checksum)
    return tl::unexpected(damaged(fmt::format("table {} at offset {} fails its checksum",
                                              unsigned(id), place.offset)));
  return bytes;
}

Ordinal SealedSegment::lower_bound(SequenceNumber sequence, Ordinal end) const {
  if (sequence <= base()) return 0;
  const std::uint64_t above = sequence - base();
  if (sequences_ == nullptr) return Ordinal(std::min<std::uint64_t>(above, end));
  Ordinal low = 0, high = end;
  while (low < high) {
    const Ordinal middle = low + (high - low) / 2;
    if (load_u32(sequences_ + 4ull * middle) < above)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

Expected<void> SealedSegment::check_addresses() const {
  if (auto checked = table(TableId::kAddresses); !checked) return tl::unexpected(checked.error());
  addresses_good_.store(true, std::memory_order_release);
  return {};
}

Error SealedSegment::outside(Ordinal ordinal) const {
  return damaged(fmt::format("record {} lies outside the file", ordinal));
}

const std::byte* SealedSegment::likely_record(Ordinal ordinal) const {
  if (ordinal >= footer_.runs) return nullptr;
  const std::uint64_t offset = kAddressUnit * load_u32(addresses_ + 4ull * ordinal);
  return offset < mapping_->bytes().size() ? mapping_->bytes().data() + offset : nullptr;
}

}  // namespace runlog
