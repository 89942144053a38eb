// Counts by one property. Values with a symbol are counted from the posting lists; values that
// stand inline are read from the heads of their runs, since a hash is no value.
#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <unordered_map>

#include "query/matcher.h"
#include "query/run_values.h"

namespace runlog {
namespace {

constexpr std::size_t kGroupBatch = 256;
constexpr std::array<std::string_view, kRunStatusCount> kStatusNames = {"completed", "failed",
                                                                        "cancelled", "timed_out"};

class GroupCounter {
 public:
  GroupCounter(const Snapshot& snapshot, TermKind by, FilterPlan plan)
      : snapshot_(snapshot), by_(by), matcher_(snapshot, std::move(plan)) {}

  // Adds the matches of one segment. Errors: Corruption; IoError.
  Expected<void> add_segment(std::size_t segment);
  // The groups, in their final order. Errors: Corruption.
  Expected<std::vector<Group>> finish();

 private:
  Expected<void> add_exact(const SegmentView& view, TermKey term, std::uint64_t carried,
                           const OrdinalSet* within);
  Expected<void> add_inline(std::size_t segment, const OrdinalSet& ordinals);
  Expected<std::string> name_of(std::uint64_t value) const;

  const Snapshot& snapshot_;
  const TermKind by_;
  Matcher matcher_;
  std::unordered_map<std::uint64_t, std::uint64_t> by_symbol_;  // or by status
  std::map<RunValue, std::uint64_t> by_value_;
};

Expected<void> GroupCounter::add_segment(std::size_t segment) {
  const SegmentView& view = snapshot_.segments[segment];
  auto match = matcher_.in_segment(segment);
  if (!match) return tl::unexpected(match.error());
  if (match->is_empty()) return {};
  // Without a filter and without hidden runs the index's own counts are right.
  std::optional<OrdinalSet> within;
  if (!match->is_everything()) {
    auto matches = matcher_.collect(segment, *match);
    if (!matches) return tl::unexpected(matches.error());
    if (matches->is_empty()) return {};
    within = std::move(*matches);
  }

  std::vector<std::pair<TermKey, std::uint64_t>> terms;
  const auto listed = view.index().for_each_term(
      by_, view.end, [&](TermKey term, std::uint64_t count) { terms.emplace_back(term, count); });
  if (!listed) return listed;
  OrdinalSet with_inline;
  for (const auto& [term, carried] : terms) {
    const auto added = term.is_hashed()
                           ? view.index().collect(term, view.end, with_inline)
                           : add_exact(view, term, carried, within ? &*within : nullptr);
    if (!added) return added;
  }
  if (within) with_inline &= *within;
  return add_inline(segment, with_inline);
}

// Adds the runs of a segment that carry `term`; `within`, if any, holds those that count.
Expected<void> GroupCounter::add_exact(const SegmentView& view, TermKey term,
                                       std::uint64_t carried, const OrdinalSet* within) {
  if (within != nullptr) {
    OrdinalSet postings;
    const auto collected = view.index().collect(term, view.end, postings);
    if (!collected) return collected;
    carried = postings.and_count(*within);
  }
  if (carried > 0) by_symbol_[term.value()] += carried;
  return {};
}

Expected<void> GroupCounter::add_inline(std::size_t segment, const OrdinalSet& ordinals) {
  const auto reader = ordinals.read(snapshot_.segments[segment].end, Direction::kOldestFirst);
  RecordReader& records = matcher_.records();
  std::array<Ordinal, kGroupBatch> batch;
  std::vector<RunValue> values;
  while (const std::size_t read = reader->next(batch)) {
    for (std::size_t i = 0; i < read; ++i) records.prefetch(segment, batch[i]);
    for (std::size_t i = 0; i < read; ++i) {
      const auto found = inline_values(snapshot_, records, segment, batch[i], by_, values);
      if (!found) return found;
      for (const RunValue& value : values) ++by_value_[value];
    }
  }
  return {};
}

Expected<std::string> GroupCounter::name_of(std::uint64_t value) const {
  if (by_ == TermKind::kStatus) {
    if (value < kStatusNames.size()) return std::string(kStatusNames[value]);
    return fail(ErrorCode::Corruption,
                "the index names the status " + std::to_string(value) + ", which there is not");
  }
  const auto name = snapshot_.names->name(*name_kind(by_), Symbol(value));
  if (!name) return tl::unexpected(name.error());
  return std::string(*name);
}

Expected<std::vector<Group>> GroupCounter::finish() {
  // One value may have both forms.
  for (const auto& [value, count] : by_symbol_) {
    const auto name = name_of(value);
    if (!name) return tl::unexpected(name.error());
    by_value_[{*name}] += count;
  }
  std::vector<Group> groups;
  groups.reserve(by_value_.size());
  for (const auto& [value, count] : by_value_) {
    groups.push_back({value.name, count, value.object});
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) { return a.count > b.count; });
  return groups;
}

}  // namespace

Expected<std::vector<Group>> groups(const Snapshot& snapshot, TermKind by, const Filter& filter) {
  if (!name_kind(by) && by != TermKind::kStatus && by != TermKind::kRecord) {
    return fail(ErrorCode::InvalidArgument, "runs cannot be grouped by the term kind " +
                                                std::to_string(unsigned(by)));
  }
  auto plan = plan_filter(filter, *snapshot.names);
  if (!plan) return tl::unexpected(plan.error());
  GroupCounter counter(snapshot, by, std::move(*plan));
  for (std::size_t segment = 0; segment < snapshot.segments.size(); ++segment) {
    const auto added = counter.add_segment(segment);
    if (!added) return tl::unexpected(added.error());
  }
  return counter.finish();
}

}  // namespace runlog
