// One filter on one snapshot: finds its runs segment by segment, reading heads (and, for a long
// error message, the body) where the index leaves candidates. One query's working state: not
// thread-safe, made for one query and let go.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "index/ordinal_set.h"
#include "log/snapshot.h"
#include "query/error_text.h"
#include "query/filter_plan.h"
#include "query/segment_match.h"

namespace runlog {

class Matcher {
 public:
  Matcher(const Snapshot& snapshot, FilterPlan plan);
  Matcher(const Matcher&) = delete;
  Matcher& operator=(const Matcher&) = delete;

  const Snapshot& snapshot() const { return snapshot_; }
  RecordReader& records() { return records_; }

  // What the index of a segment knows. Must not outlive this. Errors: Corruption.
  Expected<SegmentMatch> in_segment(std::size_t segment);

  // The matches of a segment, as a number and as a set. Errors: Corruption; IoError.
  Expected<std::uint64_t> count(std::size_t segment, SegmentMatch& match);
  Expected<OrdinalSet> collect(std::size_t segment, SegmentMatch& match);

  // Keeps the runs of `ordinals` that are visible and match, in their order, at its front; returns
  // how many. Errors: Corruption; IoError.
  Expected<std::size_t> keep_matches(std::size_t segment, const SegmentMatch& match,
                                     std::span<Ordinal> ordinals);

 private:
  Expected<bool> is_match(std::size_t segment, const SegmentMatch& match, Ordinal ordinal);
  Expected<bool> has_error_text(std::size_t segment, Ordinal ordinal, const HeadView& head,
                                std::span<const std::byte> record);

  const Snapshot& snapshot_;
  const FilterPlan plan_;
  RecordReader records_;
  std::optional<ErrorTextSearch> error_text_;
};

// Reads the head of a record, verified; errors name the place. `record` gets all of its bytes.
// Errors: Corruption; IoError.
Expected<HeadView> open_head(const Snapshot& snapshot, RecordReader& records, std::size_t segment,
                             Ordinal ordinal, std::span<const std::byte>* record = nullptr);

// The matches of one segment, in one direction.
class MatchReader {
 public:
  // Begins with the newest match below `end`, or with the oldest one that is at or above `begin`.
  // `matcher` and `match` must outlive the reader. Errors: Corruption.
  static Expected<MatchReader> open(Matcher& matcher, std::size_t segment, SegmentMatch& match,
                                    Ordinal begin, Ordinal end, Direction direction);

  // Fills `out` with the next matches; returns how many, at least one, or 0 at the end.
  // Errors: Corruption; IoError.
  Expected<std::size_t> next(std::span<Ordinal> out);

 private:
  MatchReader(Matcher& matcher, std::size_t segment, SegmentMatch& match,
              std::unique_ptr<PostingReader> candidates)
      : matcher_(&matcher), segment_(segment), match_(&match), candidates_(std::move(candidates)) {}

  Matcher* matcher_;
  std::size_t segment_;
  SegmentMatch* match_;
  std::unique_ptr<PostingReader> candidates_;
};

}  // namespace runlog
