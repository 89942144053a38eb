#include "log/snapshot.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "log/sealed_segment.h"
#include "log/segment.h"

namespace runlog {

const SegmentIndex& SegmentView::index() const { return segment->index(); }

SequenceNumber SegmentView::sequence(Ordinal ordinal) const { return segment->sequence(ordinal); }

Ordinal SegmentView::lower_bound(SequenceNumber sequence) const {
  return segment->lower_bound(sequence, end);
}

std::uint64_t Snapshot::live() const {
  std::uint64_t runs = 0;
  for (const SegmentView& view : segments) runs += view.live();
  return runs;
}

// The read transactions on segments that are not sealed, by position. At most the active segment
// and the few that wait to be sealed have one.
struct RecordReader::ActiveRead {
  struct Open {
    std::size_t segment;
    LmdbRead read;
  };
  std::vector<Open> open;
};

RecordReader::RecordReader(const Snapshot& snapshot) : snapshot_(snapshot) {}
RecordReader::~RecordReader() = default;

// Two readers that began them in the order in which they read could each hold one segment and wait
// for the other's to be opened again. A segment that cannot be read now is an error when it is asked
// for.
void RecordReader::begin_unsealed() {
  active_ = std::make_unique<ActiveRead>();
  for (std::size_t i = 0; i < snapshot_.segments.size(); ++i) {
    LmdbEnv* const env = snapshot_.segments[i].segment->environment();
    if (env == nullptr) continue;
    if (auto begun = LmdbRead::begin(*env)) active_->open.push_back({i, std::move(*begun)});
  }
}

Expected<std::span<const std::byte>> RecordReader::read(std::size_t segment, Ordinal ordinal) {
  const Segment& source = *snapshot_.segments[segment].segment;
  LmdbEnv* const env = source.environment();
  if (env == nullptr) return static_cast<const SealedSegment&>(source).record(ordinal);

  if (!active_) begin_unsealed();
  const LmdbRead* transaction = nullptr;
  for (const auto& open : active_->open)
    if (open.segment == segment) transaction = &open.read;
  if (transaction == nullptr) {
    auto begun = LmdbRead::begin(*env);
    if (!begun) return tl::unexpected(begun.error());
    active_->open.push_back({segment, std::move(*begun)});
    transaction = &active_->open.back().read;
  }
  const SequenceNumber sequence = source.sequence(ordinal);
  auto record = transaction->get(LmdbTable::kRecords, sequence);
  if (!record) return tl::unexpected(record.error());
  if (!*record)
    return fail(ErrorCode::Corruption, fmt::format("'{}' is damaged: record {} is missing",
                                                   source.file().string(), sequence));
  return **record;
}

void RecordReader::prefetch(std::size_t segment, Ordinal ordinal) {
  const Segment& source = *snapshot_.segments[segment].segment;
  if (source.environment() != nullptr) return;
  const std::byte* const at = static_cast<const SealedSegment&>(source).likely_record(ordinal);
  if (at == nullptr) return;
  __builtin_prefetch(at);
  __builtin_prefetch(at + 64);
}

Error RecordReader::with_place(Error error, std::size_t segment, Ordinal ordinal) const {
  const Segment& source = *snapshot_.segments[segment].segment;
  error.message = fmt::format("record {} of '{}': {}", source.sequence(ordinal),
                              source.file().string(), error.message);
  return error;
}

namespace {

// The newest record of a run in segments[first_segment] or later that is visible, or any.
template <bool kVisible>
Expected<std::optional<RecordPlace>> find_from(const Snapshot& snapshot, RecordReader& reader,
                                               std::string_view run_id, std::uint64_t id_hash,
                                                   std::size_t first_segment) {
  // Ask for every filter's cache line before looking at the first: the fetches overlap.
  for (std::size_t i = first_segment; i < snapshot.segments.size(); ++i)
    snapshot.segments[i].index().prefetch_id(id_hash);
  for (std::size_t i = snapshot.segments.size(); i-- > first_segment;) {
    const SegmentView& view = snapshot.segments[i];
    std::array<Ordinal, 8> few;
    std::vector<Ordinal> many;
    std::span<Ordinal> candidates = few;
    for (std::size_t looked_at = 0;;) {
      const auto count = view.index().find_id(id_hash, view.end, candidates);
      if (!count) return tl::unexpected(count.error());
      const std::size_t written = std::min(*count, candidates.size());
      for (const Ordinal ordinal : candidates.first(written).subspan(looked_at)) {
        const bool is_dead = view.is_dead(ordinal);
        if (kVisible && is_dead) continue;
        auto record = reader.read(i, ordinal);
        if (!record) return tl::unexpected(record.error());
        const SequenceNumber sequence = view.sequence(ordinal);
        const auto head = HeadView::open(*record, sequence);
        if (!head && is_dead) continue;  // no append fails for what nobody sees
        if (!head) return tl::unexpected(reader.with_place(head.error(), i, ordinal));
        if (!head->run_id_is(run_id)) continue;
        return std::optional(RecordPlace{i, ordinal, sequence});
      }
      if (*count == written) break;
      // A run that was superseded many times within one segment, and since then in a newer one.
      looked_at = written;
      many.resize(8 * candidates.size());
      candidates = many;
    }
  }
  return std::optional<RecordPlace>();
}

}  // namespace

Expected<std::optional<RecordPlace>> find_record_from(const Snapshot& snapshot,
                                                      RecordReader& reader,
                                                      std::string_view run_id,
                                                      std::uint64_t id_hash,
                                                      std::size_t first_segment) {
  return find_from<false>(snapshot, reader, run_id, id_hash, first_segment);
}

Expected<std::optional<RecordPlace>> find_run(const Snapshot& snapshot, RecordReader& reader,
                                              std::string_view run_id) {
  return find_from<true>(snapshot, reader, run_id, run_id_hash(run_id), 0);
}

}  // namespace runlog
