// What the index of one segment says about a plan: the runs that may match. Most filters are
// answered by the index alone; some leave candidates whose heads must be read (see Matcher).
//
// A plan of one clause is read straight from its posting list, so that a page needs no more of the
// index than the page is long. Everything else is worked out for the whole segment as a set.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "index/index.h"
#include "index/ordinal_set.h"
#include "log/snapshot.h"
#include "query/filter_plan.h"

namespace runlog {

class SegmentMatch {
 public:
  // `plan` and `view` must outlive the match. Errors: Corruption.
  static Expected<SegmentMatch> find(const FilterPlan& plan, const SegmentView& view);

  const SegmentView& view() const { return *view_; }
  bool is_empty() const { return form_ == Form::kNothing; }
  // Whether every run of the segment matches and none is hidden.
  bool is_everything() const { return form_ == Form::kAll && !view_->dead; }
  // Whether candidates must be compared with the plan through their heads.
  bool needs_heads() const { return searches_text_ || !unverified_.empty(); }
  // The clauses of which a candidate may have only the hash.
  const std::vector<const Clause*>& unverified() const { return unverified_; }

  // Reads the candidates below `end`, hidden runs among them. Valid while the match is.
  Expected<std::unique_ptr<PostingReader>> candidates(Ordinal end, Direction direction);
  // How many candidates are visible: the exact answer if !needs_heads().
  Expected<std::uint64_t> count_candidates() const;
  // The visible candidates.
  Expected<OrdinalSet> candidate_set() const;

 private:
  enum class Form : std::uint8_t { kNothing, kAll, kTerms, kSet };

  explicit SegmentMatch(const SegmentView& view) : view_(&view) {}
  Expected<bool> add_terms(const Clause& clause, std::vector<TermKey>& terms);
  Expected<void> find_terms(const Clause& clause);
  Expected<void> find_set(const FilterPlan& plan);
  Expected<OrdinalSet> collect_terms(const std::vector<TermKey>& terms) const;
  Expected<std::uint64_t> count_hidden(TermKey term) const;

  const SegmentView* view_;
  Form form_ = Form::kNothing;
  bool searches_text_ = false;
  std::vector<TermKey> terms_;       // kTerms: any of them; no run carries two
  std::optional<OrdinalSet> set_;    // kSet, or the union of several terms once it was read
  std::vector<const Clause*> unverified_;
};

}  // namespace runlog
