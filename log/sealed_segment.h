// A sealed segment: a file that never changes again, read in place from a plain mapping. Its tables
// and records are found through the footer's and the address table's offsets, without LMDB.
#pragma once

#include <atomic>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "index/error.h"
#include "index/index.h"
#include "log/dictionary.h"
#include "log/file_io.h"
#include "log/names.h"
#include "log/segment.h"
#include "log/segment_format.h"

namespace runlog {

class SealedSegment final : public Segment {
 public:
  // Opens the segment that `entry` describes. Verifies the file's length, the footer and the tables
  // that every reader needs whole (sequences, supersedes, names, dictionaries); the others at their
  // first use. Its names and dictionaries are added to the log's.
  // Errors: Corruption (names the file and the check that failed); IoError.
  static Expected<std::shared_ptr<SealedSegment>> open(const std::filesystem::path& log,
                                                       const CatalogEntry& entry,
                                                       std::uint64_t log_id, NameTable& names,
                                                       Dictionaries& dictionaries);

  const SegmentFooter& footer() const { return footer_; }
  Bytes file_contents() const { return mapping_->bytes(); }
  // A table's bytes, verified. Empty if the segment has no such table. Errors: Corruption.
  Expected<Bytes> table(TableId id) const;

  // Calls `visit` for each stored name (kNames) or dictionary (kDictionaries), until one fails.
  // Errors: Corruption; what `visit` returned, with the file's name.
  using Visit = std::function<Expected<void>(std::uint64_t key, Bytes stored)>;
  Expected<void> for_each_entry(TableId id, const Visit& visit) const;

  const SealedIndex& index() const override { return *index_; }
  const std::vector<SequenceNumber>& supersedes() const override { return supersedes_; }
  SequenceNumber sequence(Ordinal ordinal) const override {
    return base() + (sequences_ == nullptr ? ordinal : load_u32(sequences_ + 4ull * ordinal));
  }
  Ordinal lower_bound(SequenceNumber sequence, Ordinal end) const override;
  Expected<Bytes> record(Ordinal ordinal) const override {
    if (!addresses_good_.load(std::memory_order_acquire))
      if (auto checked = check_addresses(); !checked) return tl::unexpected(checked.error());
    if (ordinal < footer_.runs) {
      const std::uint64_t offset = kAddressUnit * load_u32(addresses_ + 4ull * ordinal);
      if (const Bytes file = mapping_->bytes(); offset < file.size()) return file.subspan(offset);
    }
    return tl::unexpected(outside(ordinal));
  }
  // Where a record begins in the file, without verifying the address table; null if out of range.
  // Only to be prefetched.
  const std::byte* likely_record(Ordinal ordinal) const;

 private:
  // Addresses count in units of 8 bytes, so that 32 bits reach 32 GiB.
  static constexpr std::uint64_t kAddressUnit = 8;
  static std::uint32_t load_u32(const std::byte* at) {
    std::uint32_t value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }

  SealedSegment(const CatalogEntry& entry, std::filesystem::path file)
      : Segment(entry.id, entry.base, std::move(file)) {}
  Expected<void> read_footer(const CatalogEntry& entry, std::uint64_t log_id);
  Expected<void> open_tables();
  Expected<void> check_addresses() const;
  Error damaged(const std::string& what) const;
  Error outside(Ordinal ordinal) const;

  std::unique_ptr<FileMapping> mapping_;
  SegmentFooter footer_;
  std::unique_ptr<SealedIndex> index_;
  std::vector<SequenceNumber> supersedes_;
  const std::byte* sequences_ = nullptr;  // u32 above base() each; null without gaps
  const std::byte* addresses_ = nullptr;
  mutable std::atomic<bool> addresses_good_ = false;  // their checksum was right
};

}  // namespace runlog
