#include "log/forget_search.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "index/ordinal_set.h"
#include "log/paused_set.h"
#include "log/segment.h"

namespace runlog {
namespace {

using By = ForgetRequest::By;

TermKind term_kind(By by) {
  switch (by) {
    case By::kOrganization: return TermKind::kOrganization;
    case By::kUser: return TermKind::kUser;
    case By::kRecord: return TermKind::kRecord;
    case By::kRun: break;
  }
  return TermKind::kHasError;  // runs are found by their ids
}

class Search {
 public:
  Search(const Snapshot& snapshot, const Snapshot& paused_in, SequenceNumber end,
         const ForgetRequest& request)
      : snapshot_(snapshot),
        paused_in_(paused_in),
        end_(end),
        request_(request),
        kind_(term_kind(request.by)),
        reader_(snapshot) {}

  Expected<ForgetMatches> run() {
    if (request_.by == By::kRun) {
      matches_.run_ids.insert(request_.values.begin(), request_.values.end());
    } else {
      for (std::size_t i = 0; i < snapshot_.segments.size(); ++i)
        for (const std::string& value : request_.values)
          if (auto done = find_by_value(i, value); !done) return tl::unexpected(done.error());
      find_paused_by_value();
    }
    for (const std::string& id : matches_.run_ids)
      if (auto done = find_run(id); !done) return tl::unexpected(done.error());
    for (auto* numbers : {&matches_.found.records, &matches_.found.paused}) {
      std::sort(numbers->begin(), numbers->end());
      numbers->erase(std::unique(numbers->begin(), numbers->end()), numbers->end());
    }
    return std::move(matches_);
  }

 private:
  // ---- which runs they are -------------------------------------------------------------------

  // As a filter does: a value is a symbol in some records and stands in others as text.
  Expected<OrdinalSet> candidates(const SegmentView& view, const std::string& value) const {
    OrdinalSet set;
    Expected<void> done;
    if (kind_ == TermKind::kRecord) {
      done = view.index().collect(record_term(request_.object, value), view.end, set);
    } else {
      const NameKind name =
          kind_ == TermKind::kUser ? NameKind::kUser : NameKind::kOrganization;
      done = view.index().collect(inline_term(kind_, value), view.end, set);
      if (const auto symbol = snapshot_.names->find(name, value); symbol && done)
        done = view.index().collect(TermKey::exact(kind_, *symbol), view.end, set);
    }
    if (!done) return tl::unexpected(done.error());
    return set;
  }

  Expected<void> find_by_value(std::size_t position, const std::string& value) {
    const SegmentView& view = snapshot_.segments[position];
    auto set = candidates(view, value);
    if (!set) return tl::unexpected(set.error());
    const auto ordinals = set->read(view.lower_bound(end_), Direction::kOldestFirst);
    Ordinal ordinal = 0;
    while (ordinals->next({&ordinal, 1}) == 1) {
      const auto head = head_of(position, ordinal);
      if (!head) return tl::unexpected(head.error());
      if (!*head) {
        matches_.found.records.push_back(view.sequence(ordinal));
        continue;
      }
      const bool matches = kind_ == TermKind::kRecord
                               ? (*head)->matches_record(request_.object, value, *snapshot_.names)
                               : (*head)->matches(kind_, value, *snapshot_.names);
      if (!matches) continue;
      std::string id;
      (*head)->append_run_id(id);
      matches_.run_ids.insert(std::move(id));
    }
    return {};
  }

  void find_paused_by_value() {
    if (!paused_in_.paused) return;
    const auto& all = paused_in_.paused->by_save();
    for (auto at = all.begin(); !(at == all.end()); at = all.after(at)) {
      const PausedRun& run = *all.at(at);
      if (is_wanted(run)) matches_.run_ids.insert(run.run_id);
    }
  }

  bool is_wanted(const PausedRun& run) const {
    const auto& value = kind_ == TermKind::kUser           ? run.user_id
                        : kind_ == TermKind::kOrganization ? run.organization_id
                                                           : run.trigger_record_id;
    if (!value || (kind_ == TermKind::kRecord && run.trigger_object != request_.object))
      return false;
    const auto& values = request_.values;
    return std::find(values.begin(), values.end(), *value) != values.end();
  }

  // ---- everything of a run -------------------------------------------------------------------

  Expected<void> find_run(const std::string& run_id) {
    const std::uint64_t hash = run_id_hash(run_id);
    const std::size_t before = matches_.found.records.size();
    for (const SegmentView& view : snapshot_.segments) view.index().prefetch_id(hash);
    for (std::size_t i = 0; i < snapshot_.segments.size(); ++i)
      if (auto done = find_run_in(i, run_id, hash); !done) return done;
    if (matches_.found.records.size() > before) ++matches_.runs;
    if (!paused_in_.paused) return {};
    if (const PausedRunPtr run = paused_in_.paused->find(run_id, hash))
      matches_.found.paused.push_back(run->number);
    return {};
  }

  Expected<void> find_run_in(std::size_t position, const std::string& run_id,
                             std::uint64_t hash) {
    const SegmentView& view = snapshot_.segments[position];
    std::array<Ordinal, 8> few;
    std::vector<Ordinal> many;
    std::span<Ordinal> ordinals = few;
    auto count = view.index().find_id(hash, view.end, ordinals);
    while (count && *count > ordinals.size()) {
      many.resize(8 * ordinals.size());
      ordinals = many;
      count = view.index().find_id(hash, view.end, ordinals);
    }
    if (!count) return tl::unexpected(count.error());
    for (const Ordinal ordinal : ordinals.first(*count)) {
      if (view.sequence(ordinal) >= end_) continue;
      const auto head = head_of(position, ordinal);
      if (!head) return tl::unexpected(head.error());
      if (*head && !(*head)->run_id_is(run_id)) continue;
      matches_.found.records.push_back(view.sequence(ordinal));
      if (*head) matches_.record_bytes += (*head)->record_bytes();
    }
    return {};
  }

  // nullopt if it is damaged. Errors: IoError.
  Expected<std::optional<HeadView>> head_of(std::size_t position, Ordinal ordinal) {
    const auto record = reader_.read(position, ordinal);
    if (!record)
      return record.error().code == ErrorCode::Corruption
                 ? Expected<std::optional<HeadView>>(std::nullopt)
                 : tl::unexpected(record.error());
    auto head = HeadView::open(*record, snapshot_.segments[position].sequence(ordinal));
    return head ? std::optional(*head) : std::nullopt;
  }

  const Snapshot& snapshot_;
  const Snapshot& paused_in_;
  const SequenceNumber end_;
  const ForgetRequest& request_;
  const TermKind kind_;
  RecordReader reader_;
  ForgetMatches matches_;
};

}  // namespace

Expected<void> check_request(const ForgetRequest& request) {
  if (request.values.empty())
    return fail(ErrorCode::InvalidArgument, "nothing is named that should be forgotten");
  for (const std::string& value : request.values)
    if (value.empty())
      return fail(ErrorCode::InvalidArgument, "what should be forgotten has an empty name");
  if (request.by == By::kRecord && request.object.empty())
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the object of record '{}' is not named", request.values.front()));
  if (request.by != By::kRecord && !request.object.empty())
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the object '{}' is named, but no record of it", request.object));
  return {};
}

Expected<ForgetMatches> find_matches(const Snapshot& snapshot, const Snapshot& paused_in,
                                     SequenceNumber end, const ForgetRequest& request) {
  return Search(snapshot, paused_in, end, request).run();
}

bool is_match(const Run& run, const ForgetRequest& request, const std::set<std::string>& run_ids) {
  if (run_ids.count(std::string(run.run_id)) != 0) return true;
  const auto has = [&](const OptionalText& value) {
    return value && std::find(request.values.begin(), request.values.end(), *value) !=
                        request.values.end();
  };
  switch (request.by) {
    case By::kOrganization: return has(run.organization_id);
    case By::kUser: return has(run.user_id);
    case By::kRecord:
      return run.trigger_object && *run.trigger_object == request.object &&
             has(run.trigger_record_id);
    case By::kRun: break;
  }
  return false;
}

bool holds_any(const SegmentView& view, const std::vector<SequenceNumber>& records) {
  if (view.end == 0) return false;
  const SequenceNumber last = view.sequence(view.end - 1);
  for (auto at = std::lower_bound(records.begin(), records.end(), view.segment->base());
       at != records.end() && *at <= last; ++at) {
    const Ordinal ordinal = view.lower_bound(*at);
    if (ordinal < view.end && view.sequence(ordinal) == *at) return true;
  }
  return false;
}

}  // namespace runlog
