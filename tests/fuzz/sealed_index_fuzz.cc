// Feeds a sealed index tables whose checksums are right and whose content is not. Whatever stands
// in them, every question must end, with an answer within bounds or with Corruption.
//
// Input: one byte chooses a table and a way; then either the table's whole content, or edits of a
// sound one: u16 place, u8 value, repeated.

#include <xxhash.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "index/index.h"
#include "index/ordinal_set.h"

namespace {

using namespace runlog;

constexpr Ordinal kRuns = 5000;

// Dense, sparse and hashed terms, and ids that repeat.
std::vector<TableBytes> sound_tables() {
  ActiveIndex index;
  for (Ordinal i = 0; i < kRuns; ++i) {
    const std::vector<TermKey> terms = {TermKey::exact(TermKind::kStatus, i % 20 == 0),
                                        TermKey::exact(TermKind::kFlow, i % 17),
                                        TermKey::exact(TermKind::kUser, i * i % 1009),
                                        TermKey::hashed(TermKind::kRecord, i % 2000)};
    IndexEntry entry;
    entry.id_hash = (i % 4900) * 0x9E3779B97F4A7C15ull;
    entry.terms = terms;
    entry.flow = i % 17;
    entry.started_at_ms = std::int64_t(i) * 1000;
    entry.finished_at_ms = entry.started_at_ms + (i % 500 == 0 ? -5 : std::int64_t(i % 77));
    entry.duration_ms = i % 77;
    index.add(entry);
  }
  index.publish();
  return seal_index(index);
}

void require(bool holds) {
  if (!holds) std::abort();
}

void ask_term(const SealedIndex& index, TermKey term) {
  (void)index.term_count(term, kRuns);
  (void)index.term_count(term, kRuns / 3);
  OrdinalSet set;
  if (index.collect(term, kRuns, set)) require(set.count_range(kRuns, UINT32_MAX) == 0);
  for (const Direction direction : {Direction::kNewestFirst, Direction::kOldestFirst}) {
    auto reader = index.read(term, kRuns, direction);
    if (!reader) continue;
    Ordinal batch[37];
    std::size_t read = 0;
    while (const std::size_t got = (*reader)->next(batch)) {
      for (std::size_t i = 0; i < got; ++i) require(batch[i] < kRuns);
      read += got;
      require(read <= kRuns);
      if (read % 2 == 0)
        (*reader)->skip_to(direction == Direction::kNewestFirst ? batch[got - 1] / 2
                                                                : batch[got - 1] + 300);
    }
  }
}

void ask_everything(const SealedIndex& index) {
  for (unsigned i = 0; i < 4; ++i) {
    ask_term(index, TermKey::exact(TermKind::kStatus, i % 3));
    ask_term(index, TermKey::exact(TermKind::kFlow, i));
    ask_term(index, TermKey::exact(TermKind::kUser, i * i));
    ask_term(index, TermKey::hashed(TermKind::kRecord, i * 100));
  }
  for (const TermKind kind : {TermKind::kStatus, TermKind::kUser, TermKind::kRecord})
    (void)index.for_each_term(kind, kRuns, [](TermKey, std::uint64_t) {});
  Ordinal out[4];
  for (std::uint64_t i = 0; i < 5000; i += 200) {
    const auto found = index.find_id(i * 0x9E3779B97F4A7C15ull, kRuns, out);
    for (std::size_t j = 0; found && j < std::min<std::size_t>(*found, 4); ++j)
      require(out[j] < kRuns);
  }
  for (Ordinal ordinal = 0; ordinal <= kRuns; ordinal += 250) {
    (void)index.started_at_ms(ordinal);
    (void)index.finished_at_ms(ordinal);
  }
  OrdinalSet times;
  (void)index.collect_started(1000, 2'000'000, kRuns, times);
  (void)index.collect_finished(1000, 2'000'000, kRuns, times);
  require(times.count_range(kRuns, UINT32_MAX) == 0);
  (void)index.flow_table();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  static const std::vector<TableBytes> sound = sound_tables();
  if (size == 0) return 0;
  const TableBytes& chosen = sound[input[0] / 2 % sound.size()];
  std::vector<std::byte> content;
  if (input[0] % 2 == 0) {
    content.resize(size - 1);
    if (size > 1) std::memcpy(content.data(), input + 1, size - 1);
  } else {
    content = chosen.bytes;
    for (std::size_t at = 1; at + 3 <= size; at += 3)
      content[(input[at] | std::size_t(input[at + 1]) << 8) % content.size()] =
          std::byte(input[at + 2]);
  }

  // Memory of exactly the table's size, so that every read beyond is seen.
  const std::unique_ptr<std::byte[]> exact(new std::byte[content.size()]);
  std::copy(content.begin(), content.end(), exact.get());
  SealedIndex::Tables tables{};
  for (const TableBytes& table : sound)
    tables[std::size_t(table.id)] = {table.bytes,
                                     XXH3_64bits(table.bytes.data(), table.bytes.size())};
  tables[std::size_t(chosen.id)] = {{exact.get(), content.size()},
                                    XXH3_64bits(exact.get(), content.size())};
  if (const auto index = SealedIndex::open(tables, kRuns)) ask_everything(**index);
  return 0;
}
