#include "server/follow_runs.h"

#include <algorithm>

#include "log/run_json.h"

namespace runlog {
namespace {

constexpr std::size_t kMostLookedAt = 10'000;  // records of other flows, about 2 ms

class Reading {
 public:
  Reading(const Snapshot& snapshot, const FollowRequest& request)
      : snapshot_(snapshot), request_(request), reader_(snapshot) {
    found_.next = std::max<SequenceNumber>(request.from, 1);
  }

  Expected<FollowedRuns> read() {
    for (std::size_t i = 0; i < snapshot_.segments.size(); ++i) {
      const SegmentView& view = snapshot_.segments[i];
      for (Ordinal at = view.lower_bound(found_.next); at < view.end; ++at) {
        if (is_full()) return with_more();
        const auto taken = take(i, at);
        if (!taken && found_.runs.empty()) return tl::unexpected(taken.error());
        if (!taken || !*taken) return with_more();
        found_.next = view.sequence(at) + 1;
      }
    }
    found_.next = std::max(found_.next, snapshot_.end);
    return std::move(found_);
  }

 private:
  FollowedRuns with_more() {
    found_.has_more = true;
    return std::move(found_);
  }

  bool is_full() const {
    return found_.runs.size() >= request_.max_runs || bytes_ >= request_.max_bytes ||
           looked_at_ >= kMostLookedAt;
  }

  // False: the piece has no room for this run.
  Expected<bool> take(std::size_t segment, Ordinal ordinal) {
    const SegmentView& view = snapshot_.segments[segment];
    if (view.is_dead(ordinal)) return true;
    ++looked_at_;
    const SequenceNumber sequence = view.sequence(ordinal);
    auto bytes = reader_.read(segment, ordinal);
    if (!bytes) return tl::unexpected(bytes.error());
    auto head = HeadView::open(*bytes, sequence);
    if (!head) return tl::unexpected(reader_.with_place(head.error(), segment, ordinal));
    if (!is_wanted(*head)) return true;
    TextArena arena;
    Run run;
    if (auto decoded = decode_run(*bytes, sequence, *snapshot_.names,
                                  snapshot_.dictionaries.get(), arena, run);
        !decoded) {
      return tl::unexpected(reader_.with_place(decoded.error(), segment, ordinal));
    }
    FollowedRun followed{sequence, {}};
    write_json(run, followed.json);
    if (followed.json.size() > request_.largest_run) {
      RunHead short_head;
      if (auto decoded = decode_head(*head, sequence, *snapshot_.names, short_head); !decoded) {
        return tl::unexpected(reader_.with_place(decoded.error(), segment, ordinal));
      }
      followed.json.clear();
      write_json(short_head, followed.json);
    }
    if (!found_.runs.empty() && bytes_ + followed.json.size() > request_.max_bytes) return false;
    bytes_ += followed.json.size();
    found_.runs.push_back(std::move(followed));
    return true;
  }

  bool is_wanted(const HeadView& head) const {
    return request_.flows.empty() ||
           std::any_of(request_.flows.begin(), request_.flows.end(), [&](const std::string& flow) {
             return head.matches(TermKind::kFlow, flow, *snapshot_.names);
           });
  }

  const Snapshot& snapshot_;
  const FollowRequest& request_;
  RecordReader reader_;
  FollowedRuns found_;
  std::size_t bytes_ = 0, looked_at_ = 0;
};

}  // namespace

Expected<FollowedRuns> follow_runs(const Snapshot& snapshot, const FollowRequest& request) {
  return Reading(snapshot, request).read();
}

Expected<FollowedRuns> follow_runs(Tenants& tenants, const std::string& tenant,
                                   FollowRequest request) {
  const auto log = tenants.open(tenant);
  if (!log) return tl::unexpected(log.error());
  const auto snapshot = (*log)->snapshot();
  if (!snapshot) return tl::unexpected(snapshot.error());
  if (request.from == 0) request.from = (*snapshot)->end;
  return follow_runs(**snapshot, request);
}

bool has_news(Tenants& tenants, std::string_view tenant, SequenceNumber from) {
  // Whoever appends opens the log: one that was closed for being idle has no news.
  const auto log = tenants.glance(tenant);
  if (!log) return false;
  const auto snapshot = log->snapshot();
  return !snapshot || (*snapshot)->end > from;
}

}  // namespace runlog
