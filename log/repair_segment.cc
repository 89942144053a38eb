#include "log/repair_segment.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "log/active_segment.h"
#include "log/salvage.h"
#include "log/seal.h"
#include "log/sealed_segment.h"

namespace runlog {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kCopyBytesPerTransaction = 32u << 20;

class SegmentRepair {
 public:
  SegmentRepair(const fs::path& log, Catalog& catalog, std::span<const SegmentVerdict> all,
                const SegmentVerdict& damaged)
      : log_(log), catalog_(catalog), all_(all), damaged_(damaged), entry_(damaged.entry) {}

  Expected<std::vector<std::string>> run() {
    auto salvaged = salvage_segment(damaged_.directory);
    if (salvaged)
      salvaged_ = std::move(*salvaged);
    else if (salvaged.error().code != ErrorCode::NotFound)
      return tl::unexpected(salvaged.error());
    open_sealed();
    limit_records();
    if (auto done = keep_decodable(); !done) return tl::unexpected(done.error());
    if (!salvaged_.records.empty()) end_ = salvaged_.records.rbegin()->first + 1;
    const std::uint64_t found = salvaged_.records.size();
    const bool complete = is_complete();
    choose_hidden();

    std::optional<CatalogEntry> fresh;
    if (!salvaged_.records.empty()) {
      keep_used();
      auto written = write_fresh();
      if (!written) return tl::unexpected(written.error());
      fresh = *written;
    }
    if (auto done = replace(fresh, found, complete); !done) return tl::unexpected(done.error());
    return std::move(done_);
  }

 private:
  // ---- what is to be kept ----

  void open_sealed() {
    if (entry_.state != SegmentState::kSealed) return;
    auto segment = SealedSegment::open(log_, entry_, catalog_.identity().log_id, sealed_names_,
                                       sealed_dictionaries_);
    if (!segment) return;
    sealed_ = std::move(*segment);
    // Its address table finds records whose page is too damaged to be recognised.
    for (Ordinal ordinal = 0; ordinal < sealed_->index().count(); ++ordinal) {
      const SequenceNumber sequence = sealed_->sequence(ordinal);
      if (salvaged_.records.count(sequence) != 0) continue;
      const auto bytes = sealed_->record(ordinal);
      if (!bytes) return;
      if (const auto record = verify_record(*bytes, sequence); record)
        salvaged_.records.emplace(sequence, *record);
    }
    const auto keep = [](auto& target) {
      return [&target](std::uint64_t key, Bytes stored) -> Expected<void> {
        target.emplace(key, stored);
        return {};
      };
    };
    (void)sealed_->for_each_entry(TableId::kNames, keep(salvaged_.names));
    (void)sealed_->for_each_entry(TableId::kDictionaries, keep(salvaged_.dictionaries));
  }

  // Sequence numbers that cannot be this segment's stand in pages that were left over.
  void limit_records() {
    SequenceNumber end = ~SequenceNumber{0};
    if (entry_.state == SegmentState::kSealed) end = entry_.end;
    for (const SegmentVerdict& other : all_)
      if (other.entry.base > entry_.base) end = std::min(end, other.entry.base);
    std::erase_if(salvaged_.records, [&](const auto& record) {
      return record.first < entry_.base || record.first >= end;
    });
  }

  // Drops records that name what no segment holds any more. Names that were lost here are taken
  // from the other segments.
  Expected<void> keep_decodable() {
    if (count_undecodable() == 0) return {};
    for (const SegmentVerdict& other : all_) {
      if (other.entry.id == entry_.id) continue;
      auto more = salvage_segment(other.directory);
      if (!more) continue;
      for (const auto& [symbol, stored] : more->names) borrow(symbol, stored, names_);
      for (const auto& [number, stored] : more->dictionaries)
        borrow(number, stored, dictionaries_);
    }
    for (const auto& [symbol, stored] : names_) salvaged_.names.emplace(symbol, stored);
    for (const auto& [number, stored] : dictionaries_)
      salvaged_.dictionaries.emplace(number, stored);
    std::erase_if(salvaged_.records, [undecodable = undecodable()](const auto& record) {
      return undecodable.count(record.first) != 0;
    });
    return {};
  }

  // Names of records that are gone go with them. Every record can be decoded by now.
  void keep_used() {
    NameTable names;
    Dictionaries dictionaries;
    restore_into(names, dictionaries);
    std::set<std::uint64_t> used_names, used_dictionaries;
    std::vector<Symbol> symbols;
    for (const auto& [sequence, record] : salvaged_.records) {
      symbols.clear();
      const auto dictionary = collect_symbols(record, sequence, names, &dictionaries, symbols);
      if (!dictionary) return;
      used_names.insert(symbols.begin(), symbols.end());
      used_dictionaries.insert(*dictionary);
    }
    std::erase_if(salvaged_.names,
                  [&](const auto& name) { return used_names.count(name.first) == 0; });
    std::erase_if(salvaged_.dictionaries, [&](const auto& dictionary) {
      return used_dictionaries.count(dictionary.first) == 0;
    });
  }

  void restore_into(NameTable& names, Dictionaries& dictionaries) const {
    for (const auto& [symbol, stored] : salvaged_.names) (void)restore_name(symbol, stored, names);
    for (const auto& [number, stored] : salvaged_.dictionaries)
      (void)restore_dictionary(number, stored, dictionaries);
  }

  using Copies = std::map<std::uint64_t, std::vector<std::byte>>;
  static void borrow(std::uint64_t key, Bytes stored, Copies& copies) {
    copies.emplace(key, std::vector<std::byte>(stored.begin(), stored.end()));
  }

  std::size_t count_undecodable() const { return undecodable().size(); }
  std::set<SequenceNumber> undecodable() const {
    NameTable names;
    Dictionaries dictionaries;
    restore_into(names, dictionaries);
    std::set<SequenceNumber> failed;
    for (const auto& [sequence, record] : salvaged_.records) {
      TextArena arena;
      Run run;
      if (!decode_run(record, sequence, names, &dictionaries, arena, run)) failed.insert(sequence);
    }
    return failed;
  }

  // Whether every record that the segment ever held was found.
  bool is_complete() const {
    if (entry_.state == SegmentState::kSealed) return salvaged_.records.size() == entry_.runs;
    return salvaged_.tree_is_sound &&
           (salvaged_.records.empty() ||
            salvaged_.records.rbegin()->first + 1 - entry_.base == salvaged_.records.size()) &&
           damaged_.end - entry_.base == salvaged_.records.size();
  }

  // What the fresh segment hides, as a merge would say it: hidden records of its own are left out,
  // those of older segments are remembered.
  void choose_hidden() {
    std::set<SequenceNumber> hidden;
    if (sealed_) hidden.insert(sealed_->supersedes().begin(), sealed_->supersedes().end());
    for (const auto& [sequence, record] : salvaged_.records)
      if (const auto head = HeadView::open(record, sequence); head && head->supersedes() != 0)
        hidden.insert(head->supersedes());
    if (!sealed_ && entry_.state == SegmentState::kSealed) hide_older_copies(hidden);
    for (const SequenceNumber sequence : hidden) {
      salvaged_.records.erase(sequence);
      if (sequence < entry_.base) keep_hidden_.push_back(sequence);
    }
  }

  // The table of what a merged segment hides is lost: whatever older segments hold under the same
  // run ids was hidden.
  void hide_older_copies(std::set<SequenceNumber>& hidden) {
    for (const SegmentVerdict& other : all_) {
      if (other.entry.base >= entry_.base || other.entry.state != SegmentState::kSealed) continue;
      NameTable names;
      Dictionaries dictionaries;
      const auto older = SealedSegment::open(log_, other.entry, catalog_.identity().log_id, names,
                                             dictionaries);
      if (!older) continue;
      for (const auto& [sequence, record] : salvaged_.records)
        if (const auto head = HeadView::open(record, sequence)) hide_in(**older, *head, hidden);
    }
  }

  static void hide_in(const SealedSegment& older, const HeadView& head,
                      std::set<SequenceNumber>& hidden) {
    std::string run_id;
    head.append_run_id(run_id);
    Ordinal ordinals[16];
    const auto count = older.index().find_id(run_id_hash(run_id), older.index().count(), ordinals);
    for (std::size_t i = 0; count && i < std::min(*count, std::size(ordinals)); ++i) {
      const SequenceNumber sequence = older.sequence(ordinals[i]);
      const auto record = older.record(ordinals[i]);
      if (!record) continue;
      const auto other = HeadView::open(*record, sequence);
      if (other && other->run_id_is(run_id)) hidden.insert(sequence);
    }
  }

  // ---- the fresh segment ----

  Expected<CatalogEntry> write_fresh() {
    auto id = catalog_.begin_segment(entry_.base);
    if (!id) return tl::unexpected(id.error());
    SegmentHeader header;
    header.log_id = catalog_.identity().log_id;
    header.segment_id = *id;
    header.base = entry_.base;
    const std::size_t map_bytes = salvaged_.mapping->bytes().size() * 2 + (1ull << 30);
    auto output = ActiveSegment::create(log_, header, map_bytes, true);
    if (!output) return tl::unexpected(output.error());
    if (auto copied = copy_into(**output); !copied) return tl::unexpected(copied.error());
    (*output)->finish_building();
    return seal_segment(**output, header.log_id, keep_hidden_);
  }

  Expected<void> copy_into(ActiveSegment& output) {
    auto write = LmdbWrite::begin(output.env());
    if (!write) return tl::unexpected(write.error());
    Expected<void> done;
    for (const auto& [symbol, stored] : salvaged_.names)
      if (done) done = write->put(LmdbTable::kNames, symbol, stored);
    for (const auto& [number, stored] : salvaged_.dictionaries)
      if (done) done = write->put(LmdbTable::kDictionaries, number, stored);
    if (done) done = write->commit();
    if (!done) return done;
    for (auto record = salvaged_.records.begin(); record != salvaged_.records.end();) {
      auto part = LmdbWrite::begin(output.env());
      if (!part) return tl::unexpected(part.error());
      for (std::size_t bytes = 0;
           record != salvaged_.records.end() && bytes < kCopyBytesPerTransaction; ++record) {
        if (done = output.copy_record(*part, record->first, record->second); !done) return done;
        bytes += record->second.size();
      }
      if (done = part->commit(); !done) return done;
    }
    return {};
  }

  // ---- the swap ----

  Expected<void> replace(const std::optional<CatalogEntry>& fresh, std::uint64_t found,
                         bool complete) {
    CatalogEntry old = entry_;
    old.state = complete ? SegmentState::kDropped : SegmentState::kQuarantined;
    // A damaged page may claim any sequence number, but no more records than fit into the file.
    old.end = std::max({old.end, end_, std::min(damaged_.end, old.base + damaged_.bytes)});
    std::vector<CatalogEntry> changes = {old};
    if (fresh) changes.push_back(*fresh);
    sealed_.reset();
    if (auto changed = catalog_.change(changes); !changed) return changed;
    if (fresh)
      done_.push_back(fmt::format("'{}' was made of {} readable records of '{}'",
                                  segment_directory(log_, fresh->id).string(), found,
                                  damaged_.directory.string()));
    if (complete) {
      if (auto removed = remove_directory(damaged_.directory); !removed) return removed;
      done_.push_back(fmt::format("'{}' was removed, for nothing of it was lost",
                                  damaged_.directory.string()));
      return catalog_.change({}, std::span(&entry_.id, 1));
    }
    auto place = set_aside(log_, damaged_.directory, "");
    if (!place) return tl::unexpected(place.error());
    done_.push_back(place->empty()
                        ? fmt::format("'{}' is gone; answers are incomplete from now on",
                                      damaged_.directory.string())
                        : fmt::format("'{}' was set aside as '{}', for not all of it can be read; "
                                      "answers are incomplete from now on",
                                      damaged_.directory.string(), place->string()));
    return {};
  }

  const fs::path& log_;
  Catalog& catalog_;
  std::span<const SegmentVerdict> all_;
  const SegmentVerdict& damaged_;
  CatalogEntry entry_;
  SequenceNumber end_ = 0;  // one above the highest sequence number that was found
  SalvagedSegment salvaged_;
  NameTable sealed_names_;
  Dictionaries sealed_dictionaries_;
  std::shared_ptr<SealedSegment> sealed_;  // if it can still be opened
  Copies names_, dictionaries_;            // borrowed from other segments
  std::vector<SequenceNumber> keep_hidden_;
  std::vector<std::string> done_;
};

}  // namespace

Expected<fs::path> set_aside(const fs::path& log, const fs::path& directory,
                             const std::string& suffix) {
  std::error_code ignored;
  if (!fs::exists(directory, ignored)) return fs::path();
  const fs::path quarantine = log / "segments" / "quarantine";
  if (auto made = make_directory(quarantine); !made) return tl::unexpected(made.error());
  fs::path target = quarantine / (directory.filename().string() + suffix);
  for (unsigned i = 2; fs::exists(target, ignored); ++i)
    target = quarantine / fmt::format("{}{}.{}", directory.filename().string(), suffix, i);
  if (auto moved = move_entry(directory, target); !moved) return tl::unexpected(moved.error());
  return target;
}

Expected<std::vector<std::string>> repair_segment(const fs::path& log, Catalog& catalog,
                                                  std::span<const SegmentVerdict> all,
                                                  const SegmentVerdict& damaged) {
  return SegmentRepair(log, catalog, all, damaged).run();
}

}  // namespace runlog
