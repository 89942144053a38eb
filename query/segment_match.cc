#include "query/segment_match.h"

#include <algorithm>

namespace runlog {
namespace {

// Up to so many hidden runs are looked up in a posting list one by one; above, whole sets are
// intersected.
constexpr std::uint64_t kFewHidden = 32;

// Reads every ordinal of a segment.
class AllReader final : public PostingReader {
 public:
  AllReader(Ordinal end, Direction direction) : end_(end), direction_(direction) {}

  std::size_t next(std::span<Ordinal> out) override {
    const std::size_t take = std::min<std::size_t>(out.size(), end_ - begin_);
    if (direction_ == Direction::kNewestFirst) {
      for (std::size_t i = 0; i < take; ++i) out[i] = --end_;
    } else {
      for (std::size_t i = 0; i < take; ++i) out[i] = begin_++;
    }
    return take;
  }

  void skip_to(Ordinal bound) override {
    if (direction_ == Direction::kNewestFirst) {
      if (bound < end_) end_ = std::max(begin_, bound + 1);
    } else {
      begin_ = std::min(end_, std::max(begin_, bound));
    }
  }

 private:
  Ordinal begin_ = 0;
  Ordinal end_;
  Direction direction_;
};

Expected<OrdinalSet> collect_times(const SegmentView& view, const TimeWindow& range, bool finished) {
  OrdinalSet set;
  const auto collected =
      finished ? view.index().collect_finished(range.from, range.to, view.end, set)
               : view.index().collect_started(range.from, range.to, view.end, set);
  if (!collected) return tl::unexpected(collected.error());
  return set;
}

}  // namespace

Expected<SegmentMatch> SegmentMatch::find(const FilterPlan& plan, const SegmentView& view) {
  SegmentMatch match(view);
  if (plan.impossible || view.end == 0) return match;
  match.searches_text_ = plan.error_text.has_value();
  const bool has_times = plan.finished || plan.started;
  Expected<void> found;
  if (plan.clauses.empty() && !has_times) {
    match.form_ = Form::kAll;
  } else if (plan.clauses.size() == 1 && !has_times) {
    found = match.find_terms(plan.clauses.front());
  } else {
    found = match.find_set(plan);
  }
  if (!found) return tl::unexpected(found.error());
  return match;
}

// Appends the terms of `clause` that runs of this segment may carry; returns whether any of them is
// a hash.
Expected<bool> SegmentMatch::add_terms(const Clause& clause, std::vector<TermKey>& terms) {
  terms = clause.exact;
  bool any_hashed = false;
  for (const HashedValue& candidate : clause.hashed) {
    const auto count = view_->index().term_count(candidate.key, view_->end);
    if (!count) return tl::unexpected(count.error());
    if (*count == 0) continue;
    terms.push_back(candidate.key);
    any_hashed = true;
  }
  return any_hashed;
}

Expected<void> SegmentMatch::find_terms(const Clause& clause) {
  const auto any_hashed = add_terms(clause, terms_);
  if (!any_hashed) return tl::unexpected(any_hashed.error());
  if (*any_hashed) unverified_.push_back(&clause);
  if (!terms_.empty()) form_ = Form::kTerms;
  return {};
}

Expected<void> SegmentMatch::find_set(const FilterPlan& plan) {
  std::optional<OrdinalSet> set;
  const auto narrow = [&](Expected<OrdinalSet> part) -> Expected<bool> {
    if (!part) return tl::unexpected(part.error());
    if (set) {
      *set &= *part;
    } else {
      set = std::move(*part);
    }
    return !set->is_empty();
  };
  for (const Clause& clause : plan.clauses) {
    std::vector<TermKey> terms;
    const auto any_hashed = add_terms(clause, terms);
    if (!any_hashed) return tl::unexpected(any_hashed.error());
    if (*any_hashed) unverified_.push_back(&clause);
    const auto some = narrow(collect_terms(terms));
    if (!some) return tl::unexpected(some.error());
    if (!*some) return {};
  }
  for (const bool finished : {true, false}) {
    const auto& range = finished ? plan.finished : plan.started;
    if (!range) continue;
    const auto some = narrow(collect_times(*view_, *range, finished));
    if (!some) return tl::unexpected(some.error());
    if (!*some) return {};
  }
  if (view_->dead) *set -= *view_->dead;
  if (set->is_empty()) return {};
  set_ = std::move(set);
  form_ = Form::kSet;
  return {};
}

Expected<OrdinalSet> SegmentMatch::collect_terms(const std::vector<TermKey>& terms) const {
  OrdinalSet set;
  for (const TermKey term : terms) {
    const auto collected = view_->index().collect(term, view_->end, set);
    if (!collected) return tl::unexpected(collected.error());
  }
  return set;
}

Expected<std::unique_ptr<PostingReader>> SegmentMatch::candidates(Ordinal end,
                                                                  Direction direction) {
  switch (form_) {
    case Form::kNothing: break;
    case Form::kAll: return std::make_unique<AllReader>(end, direction);
    case Form::kTerms: {
      if (terms_.size() == 1) return view_->index().read(terms_.front(), end, direction);
      if (!set_) {
        auto merged = collect_terms(terms_);
        if (!merged) return tl::unexpected(merged.error());
        set_ = std::move(*merged);
      }
      return set_->read(end, direction);
    }
    case Form::kSet: return set_->read(end, direction);
  }
  return std::make_unique<AllReader>(0, direction);
}

Expected<std::uint64_t> SegmentMatch::count_candidates() const {
  switch (form_) {
    case Form::kNothing: return 0;
    case Form::kAll: return view_->live();
    case Form::kSet: return set_->count();
    case Form::kTerms: break;
  }
  std::uint64_t total = 0;
  for (const TermKey term : terms_) {
    const auto carried = view_->index().term_count(term, view_->end);
    if (!carried) return tl::unexpected(carried.error());
    total += *carried;
    if (*carried == 0 || !view_->dead) continue;
    const auto hidden = count_hidden(term);
    if (!hidden) return tl::unexpected(hidden.error());
    total -= *hidden;
  }
  return total;
}

// How many of the runs with this term are hidden.
Expected<std::uint64_t> SegmentMatch::count_hidden(TermKey term) const {
  if (view_->dead->count() > kFewHidden) {
    OrdinalSet set;
    const auto collected = view_->index().collect(term, view_->end, set);
    if (!collected) return tl::unexpected(collected.error());
    return set.and_count(*view_->dead);
  }
  auto postings = view_->index().read(term, view_->end, Direction::kOldestFirst);
  if (!postings) return tl::unexpected(postings.error());
  std::uint64_t count = 0;
  const auto hidden = view_->dead->read(view_->end, Direction::kOldestFirst);
  Ordinal candidate = 0, carried = 0;
  bool has_carried = false;
  while (hidden->next({&candidate, 1}) == 1) {
    if (!has_carried || carried < candidate) {
      (*postings)->skip_to(candidate);
      if ((*postings)->next({&carried, 1}) == 0) break;
      has_carried = true;
    }
    if (carried == candidate) ++count;
  }
  return count;
}

Expected<OrdinalSet> SegmentMatch::candidate_set() const {
  OrdinalSet set;
  switch (form_) {
    case Form::kNothing: return set;
    case Form::kSet: return *set_;
    case Form::kAll: set.add_range(0, view_->end); break;
    case Form::kTerms: {
      auto merged = collect_terms(terms_);
      if (!merged) return tl::unexpected(merged.error());
      set = std::move(*merged);
    }
  }
  if (view_->dead) set -= *view_->dead;
  return set;
}

}  // namespace runlog
