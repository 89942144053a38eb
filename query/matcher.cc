#include "query/matcher.h"

#include <algorithm>
#include <array>

namespace runlog {
namespace {

constexpr std::size_t kBatch = 256;

}  // namespace

Matcher::Matcher(const Snapshot& snapshot, FilterPlan plan)
    : snapshot_(snapshot), plan_(std::move(plan)), records_(snapshot) {
  if (plan_.error_text) error_text_.emplace(*plan_.error_text);
}

Expected<SegmentMatch> Matcher::in_segment(std::size_t segment) {
  return SegmentMatch::find(plan_, snapshot_.segments[segment]);
}

Expected<std::uint64_t> Matcher::count(std::size_t segment, SegmentMatch& match) {
  if (!match.needs_heads()) return match.count_candidates();
  const auto matches = collect(segment, match);
  if (!matches) return tl::unexpected(matches.error());
  return matches->count();
}

Expected<OrdinalSet> Matcher::collect(std::size_t segment, SegmentMatch& match) {
  if (!match.needs_heads()) return match.candidate_set();
  auto reader =
      MatchReader::open(*this, segment, match, 0, match.view().end, Direction::kOldestFirst);
  if (!reader) return tl::unexpected(reader.error());
  OrdinalSet set;
  std::array<Ordinal, kBatch> batch;
  for (;;) {
    const auto found = reader->next(batch);
    if (!found) return tl::unexpected(found.error());
    if (*found == 0) return set;
    set.add_many({batch.data(), *found});
  }
}

Expected<std::size_t> Matcher::keep_matches(std::size_t segment, const SegmentMatch& match,
                                            std::span<Ordinal> ordinals) {
  const SegmentView& view = match.view();
  std::size_t visible = ordinals.size();
  if (view.dead) {
    const auto hidden = [&](Ordinal ordinal) { return view.is_dead(ordinal); };
    visible = std::size_t(std::remove_if(ordinals.begin(), ordinals.end(), hidden) -
                          ordinals.begin());
  }
  if (!match.needs_heads()) return visible;

  for (std::size_t i = 0; i < visible; ++i) records_.prefetch(segment, ordinals[i]);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < visible; ++i) {
    const auto matches = is_match(segment, match, ordinals[i]);
    if (!matches) return tl::unexpected(matches.error());
    if (*matches) ordinals[kept++] = ordinals[i];
  }
  return kept;
}

Expected<bool> Matcher::is_match(std::size_t segment, const SegmentMatch& match, Ordinal ordinal) {
  std::span<const std::byte> record;
  const auto head = open_head(snapshot_, records_, segment, ordinal, &record);
  if (!head) return tl::unexpected(head.error());
  for (const Clause* clause : match.unverified()) {
    if (!clause->verify(*head, *snapshot_.names)) return false;
  }
  if (!error_text_) return true;
  return has_error_text(segment, ordinal, *head, record);
}

Expected<bool> Matcher::has_error_text(std::size_t segment, Ordinal ordinal, const HeadView& head,
                                       std::span<const std::byte> record) {
  const OptionalText message = head.error_message();
  if (!message) return false;
  if (error_text_->found_in(*message)) return true;
  if (!head.error_is_cut()) return false;
  TextArena arena;
  Run run;
  const auto decoded = decode_run(record, snapshot_.segments[segment].sequence(ordinal),
                                  *snapshot_.names, snapshot_.dictionaries.get(), arena, run);
  if (!decoded) return tl::unexpected(records_.with_place(decoded.error(), segment, ordinal));
  return run.error && run.error->message && error_text_->found_in(*run.error->message);
}

Expected<HeadView> open_head(const Snapshot& snapshot, RecordReader& records, std::size_t segment,
                             Ordinal ordinal, std::span<const std::byte>* record) {
  const auto bytes = records.read(segment, ordinal);
  if (!bytes) return tl::unexpected(bytes.error());
  auto head = HeadView::open(*bytes, snapshot.segments[segment].sequence(ordinal));
  if (!head) return tl::unexpected(records.with_place(head.error(), segment, ordinal));
  if (record != nullptr) *record = *bytes;
  return head;
}

Expected<MatchReader> MatchReader::open(Matcher& matcher, std::size_t segment, SegmentMatch& match,
                                        Ordinal begin, Ordinal end, Direction direction) {
  auto candidates = match.candidates(end, direction);
  if (!candidates) return tl::unexpected(candidates.error());
  if (direction == Direction::kOldestFirst && begin > 0) (*candidates)->skip_to(begin);
  return MatchReader(matcher, segment, match, std::move(*candidates));
}

Expected<std::size_t> MatchReader::next(std::span<Ordinal> out) {
  for (;;) {
    const std::size_t read = candidates_->next(out);
    if (read == 0) return 0;
    const auto kept = matcher_->keep_matches(segment_, *match_, out.first(read));
    if (!kept || *kept > 0) return kept;
  }
}

}  // namespace runlog
