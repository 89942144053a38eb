#include "log/expiry.h"

#include <algorithm>
#include <array>
#include <functional>
#include <set>

#include "log/active_segment.h"
#include "log/hidden_flows.h"
#include "log/sealed_segment.h"

namespace runlog {
namespace {

using Ages = std::array<std::int64_t, kRunStatusCount>;

bool are_equal(const Ages& ages) {
  return std::all_of(ages.begin(), ages.end(), [&](auto age) { return age == ages[0]; });
}

TermKey flow_term(Symbol flow) { return TermKey::exact(TermKind::kFlow, flow); }

Expected<OrdinalSet> runs_with(const SegmentView& view, TermKey term, Ordinal below) {
  OrdinalSet set;
  if (auto done = view.index().collect(term, std::min(below, view.end), set); !done)
    return tl::unexpected(done.error());
  return set;
}

// Leaves of `set` what is visible and not pinned.
void keep_eligible(const SegmentView& view, const PinnedRuns& pinned, OrdinalSet& set) {
  if (view.dead) set -= *view.dead;
  if (view.end == 0) return;
  const SequenceNumber last = view.sequence(view.end - 1);
  for (auto pin = pinned.lower_bound(view.segment->base());
       pin != pinned.end() && pin->first <= last; ++pin) {
    const Ordinal ordinal = view.lower_bound(pin->first);
    if (ordinal < view.end && view.sequence(ordinal) == pin->first) set.remove(ordinal);
  }
}

// Calls `visit` for the flow's visible, unpinned runs, newest first, until it returns false.
Expected<void> walk_newest_first(
    const Snapshot& snapshot, Symbol flow, const PinnedRuns& pinned,
    const std::function<bool(std::size_t position, Ordinal ordinal)>& visit) {
  std::array<Ordinal, 64> batch;
  for (std::size_t position = snapshot.segments.size(); position-- > 0;) {
    const SegmentView& view = snapshot.segments[position];
    auto postings = view.index().read(flow_term(flow), view.end, Direction::kNewestFirst);
    if (!postings) return tl::unexpected(postings.error());
    while (const std::size_t count = (*postings)->next(batch))
      for (std::size_t i = 0; i < count; ++i) {
        if (view.is_dead(batch[i])) continue;
        if (!pinned.empty() && pinned.count(view.sequence(batch[i])) != 0) continue;
        if (!visit(position, batch[i])) return {};
      }
  }
  return {};
}

struct Place {
  std::size_t position = 0;
  Ordinal ordinal = 0;
  bool exists = false;
};

// Where the flow's `nth` newest visible, unpinned run stands, counted from 1.
Expected<Place> nth_newest(const Snapshot& snapshot, Symbol flow, const PinnedRuns& pinned,
                           std::uint64_t nth) {
  Place place;
  auto walked = walk_newest_first(snapshot, flow, pinned, [&](std::size_t at, Ordinal ordinal) {
    if (--nth > 0) return true;
    place = {at, ordinal, true};
    return false;
  });
  if (!walked) return tl::unexpected(walked.error());
  return place;
}

// The head of a record; nullopt if it is damaged.
std::optional<HeadView> head_of(RecordReader& records, const Snapshot& snapshot,
                                std::size_t position, Ordinal ordinal) {
  const auto record = records.read(position, ordinal);
  if (!record) return std::nullopt;
  const auto head = HeadView::open(*record, snapshot.segments[position].sequence(ordinal));
  return head ? std::optional(*head) : std::nullopt;
}

// How many of the segment's runs were recorded at or before `cutoff`: recordedAt never falls. Of a
// damaged head its neighbours tell.
Ordinal runs_until(const Snapshot& snapshot, std::size_t position, UnixMs cutoff) {
  const SegmentView& view = snapshot.segments[position];
  if (view.end == 0) return 0;
  const bool is_sealed = view.segment->environment() == nullptr;
  if (is_sealed) {
    const auto& footer = static_cast<const SealedSegment&>(*view.segment).footer();
    if (footer.oldest > cutoff) return 0;
    if (footer.newest <= cutoff) return view.end;
  } else if (static_cast<const ActiveSegment&>(*view.segment).oldest() > cutoff) {
    return 0;
  }
  RecordReader records(snapshot);
  Ordinal low = 0, high = view.end;
  while (low < high) {
    const Ordinal middle = low + (high - low) / 2;
    Ordinal at = middle;
    std::optional<HeadView> head;
    while (at < high && !(head = head_of(records, snapshot, position, at))) ++at;
    if (head && head->recorded_at() <= cutoff)
      low = at + 1;
    else
      high = middle;
  }
  return low;
}

// The age rules, with the flows that have ages of their own.
struct AgeRules {
  Ages all;
  std::vector<std::pair<Symbol, Ages>> flows;
};

AgeRules age_rules(const Snapshot& snapshot, const RetentionPolicy& policy) {
  AgeRules rules{policy.resolve({}).max_age_ms, {}};
  for (const auto& [name, own] : policy.flows) {
    const Ages ages = policy.resolve(name).max_age_ms;
    const auto symbol = snapshot.names->find(NameKind::kFlow, name);
    if (symbol && ages != rules.all) rules.flows.emplace_back(*symbol, ages);
  }
  return rules;
}

// One segment under the age rules.
class AgeSweep {
 public:
  AgeSweep(const Snapshot& snapshot, std::size_t position, UnixMs now)
      : snapshot_(snapshot), position_(position), view_(snapshot.segments[position]), now_(now) {}

  Expected<OrdinalSet> find(const AgeRules& rules) {
    OrdinalSet expired;
    auto status_term = [](unsigned status) { return TermKey::exact(TermKind::kStatus, status); };
    if (auto done = add(rules.all, std::nullopt, status_term, expired); !done)
      return tl::unexpected(done.error());
    for (const auto& [symbol, ages] : rules.flows) {
      const Symbol flow = symbol;
      auto runs = runs_with(view_, flow_term(flow), view_.end);
      if (!runs) return tl::unexpected(runs.error());
      if (runs->is_empty()) continue;
      expired -= *runs;
      auto flow_status = [flow](unsigned status) { return TermKey::flow_status(flow, status); };
      if (auto done = add(ages, flow_term(flow), flow_status, expired); !done)
        return tl::unexpected(done.error());
    }
    return expired;
  }

 private:
  // Adds the runs that are too old for `ages`: of `any`, or of the term of their status.
  template <typename StatusTerm>
  Expected<void> add(const Ages& ages, std::optional<TermKey> any, const StatusTerm& status_term,
                     OrdinalSet& expired) {
    for (unsigned status = 0; status < kRunStatusCount; ++status) {
      if (ages[status] == kNoLimit || ages[status] > now_) continue;
      const Ordinal end = runs_until(snapshot_, position_, now_ - ages[status]);
      if (end == 0) continue;
      const bool all_statuses = are_equal(ages);
      if (all_statuses && !any) {
        expired.add_range(0, end);
        return {};
      }
      auto runs = runs_with(view_, all_statuses ? *any : status_term(status), end);
      if (!runs) return tl::unexpected(runs.error());
      expired |= *runs;
      if (all_statuses) return {};
    }
    return {};
  }

  const Snapshot& snapshot_;
  std::size_t position_;
  const SegmentView& view_;
  UnixMs now_;
};

// Takes from `expired` what the floors of their flows keep.
Expected<void> keep_floors(const Snapshot& snapshot, const RetentionPolicy& policy,
                           const PinnedRuns& pinned, ExpiredRuns& expired) {
  FlowRuns flows;
  for (std::size_t i = 0; i < expired.size(); ++i)
    if (!expired[i].is_empty())
      if (auto done = count_flow_runs_among(snapshot.segments[i], expired[i], flows); !done)
        return done;
  for (const auto& [flow, runs] : flows) {
    const auto name = snapshot.names->name(NameKind::kFlow, flow);
    if (!name) return tl::unexpected(name.error());
    const std::int64_t floor = policy.resolve(*name).min_per_flow;
    if (floor == 0) continue;
    auto place = nth_newest(snapshot, flow, pinned, std::uint64_t(floor));
    if (!place) return tl::unexpected(place.error());
    for (std::size_t i = place->position; i < expired.size(); ++i) {
      auto kept = runs_with(snapshot.segments[i], flow_term(flow), snapshot.segments[i].end);
      if (!kept) return tl::unexpected(kept.error());
      if (place->exists && i == place->position) {
        OrdinalSet older = *kept;
        older.cut_off(place->ordinal);
        *kept -= older;
      }
      expired[i] -= *kept;
    }
  }
  return {};
}

}  // namespace

Expected<void> count_flow_runs(const SegmentView& view, const OrdinalSet* except,
                               FlowRuns& into) {
  Expected<void> result;
  auto done = view.index().for_each_term(
      TermKind::kFlow, view.end, [&](TermKey term, std::uint64_t count) {
        if (except != nullptr && result) {
          auto runs = runs_with(view, term, view.end);
          if (runs)
            count -= runs->and_count(*except);
          else
            result = tl::unexpected(runs.error());
        }
        if (count != 0) into[Symbol(term.value())] += count;
      });
  return done ? result : done;
}

Expected<void> count_flow_runs_among(const SegmentView& view, const OrdinalSet& among,
                                     FlowRuns& into) {
  OrdinalSet rest;
  rest.add_range(0, view.end);
  rest -= among;
  return count_flow_runs(view, &rest, into);
}

std::uint64_t record_bytes_of(const Snapshot& snapshot, std::size_t position,
                              const OrdinalSet& ordinals) {
  const SegmentView& view = snapshot.segments[position];
  RecordReader records(snapshot);
  std::uint64_t bytes = 0;
  std::array<Ordinal, 256> batch;
  const auto reader = ordinals.read(view.end, Direction::kOldestFirst);
  while (const std::size_t count = reader->next(batch))
    for (std::size_t i = 0; i < count; ++i)
      if (const auto head = head_of(records, snapshot, position, batch[i]))
        bytes += head->record_bytes();
  return bytes;
}

Expected<ExpiredRuns> expired_by_cap(const Snapshot& snapshot, const RetentionPolicy& policy,
                                     const PinnedRuns& pinned) {
  ExpiredRuns expired(snapshot.segments.size());
  if (!policy.has_cap()) return expired;
  FlowRuns flows;
  for (const SegmentView& view : snapshot.segments)
    if (auto done = count_flow_runs(view, view.dead.get(), flows); !done)
      return tl::unexpected(done.error());
  for (const auto& [flow, runs] : flows) {
    const auto name = snapshot.names->name(NameKind::kFlow, flow);
    if (!name) return tl::unexpected(name.error());
    const std::int64_t cap = policy.resolve(*name).max_per_flow;
    if (cap == kNoLimit || runs <= std::uint64_t(cap)) continue;
    auto last = nth_newest(snapshot, flow, pinned, std::uint64_t(cap));
    if (!last) return tl::unexpected(last.error());
    if (!last->exists) continue;
    for (std::size_t i = 0; i <= last->position; ++i) {
      const SegmentView& view = snapshot.segments[i];
      auto older =
          runs_with(view, flow_term(flow), i == last->position ? last->ordinal : view.end);
      if (!older) return tl::unexpected(older.error());
      keep_eligible(view, pinned, *older);
      expired[i] |= *older;
    }
  }
  return expired;
}

Expected<ExpiredRuns> expired_by_age(const Snapshot& snapshot, const RetentionPolicy& policy,
                                     const PinnedRuns& pinned, UnixMs now) {
  ExpiredRuns expired(snapshot.segments.size());
  if (!policy.has_age()) return expired;
  const AgeRules rules = age_rules(snapshot, policy);
  bool any = false;
  for (std::size_t i = 0; i < expired.size(); ++i) {
    auto found = AgeSweep(snapshot, i, now).find(rules);
    if (!found) return tl::unexpected(found.error());
    expired[i] = std::move(*found);
    keep_eligible(snapshot.segments[i], pinned, expired[i]);
    any = any || !expired[i].is_empty();
  }
  if (any && policy.has_floor())
    if (auto done = keep_floors(snapshot, policy, pinned, expired); !done)
      return tl::unexpected(done.error());
  return expired;
}

namespace {

// The size of the visible records of one segment.
Expected<std::uint64_t> live_bytes(const Snapshot& published, const Snapshot& snapshot,
                                   std::size_t position) {
  const SegmentView& view = snapshot.segments[position];
  auto table = view.index().flow_table();
  if (!table) return tl::unexpected(table.error());
  std::uint64_t bytes = 0;
  for (const auto& [flow, counts] : *table) bytes += counts.bytes;
  const SegmentView& before = published.segments[position];
  if (before.dead) {
    auto done = before.hidden_flows->of(published, position, [&](const FlowTable& hidden) {
      for (const auto& [flow, counts] : hidden) bytes -= std::min(bytes, counts.bytes);
    });
    if (!done) return tl::unexpected(done.error());
  }
  if (view.dead && view.dead != before.dead) {
    OrdinalSet more = *view.dead;
    if (before.dead) more -= *before.dead;
    bytes -= std::min(bytes, record_bytes_of(snapshot, position, more));
  }
  return bytes;
}

}  // namespace

Expected<ExpiredRuns> expired_by_bytes(const Snapshot& published, const Snapshot& snapshot,
                                       std::uint64_t max_bytes, const PinnedRuns& pinned) {
  ExpiredRuns expired(snapshot.segments.size());
  std::vector<std::uint64_t> bytes(expired.size());
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < expired.size(); ++i) {
    auto live = live_bytes(published, snapshot, i);
    if (!live) return tl::unexpected(live.error());
    total += bytes[i] = *live;
  }
  for (std::size_t i = 0; i < expired.size() && total > max_bytes; ++i) {
    const SegmentView& view = snapshot.segments[i];
    OrdinalSet eligible;
    eligible.add_range(0, view.end);
    keep_eligible(view, pinned, eligible);
    if (total - max_bytes >= bytes[i] && eligible.count() == view.live()) {
      expired[i] = std::move(eligible);
      total -= bytes[i];
      continue;
    }
    const auto reader = eligible.read(view.end, Direction::kOldestFirst);
    Ordinal ordinal = 0;
    while (total > max_bytes && reader->next({&ordinal, 1}) == 1) {
      OrdinalSet one;
      one.add(ordinal);
      total -= std::min(total, record_bytes_of(snapshot, i, one));
      expired[i].add(ordinal);
    }
  }
  return expired;
}

void hide_expired(Snapshot& snapshot, const ExpiredRuns& expired) {
  for (std::size_t i = 0; i < expired.size(); ++i) {
    if (expired[i].is_empty()) continue;
    SegmentView& view = snapshot.segments[i];
    OrdinalSet dead = expired[i];
    if (view.dead) dead |= *view.dead;
    view.dead = std::make_shared<const OrdinalSet>(std::move(dead));
    if (!view.hidden_flows) view.hidden_flows = std::make_shared<HiddenFlows>();
  }
}

}  // namespace runlog
