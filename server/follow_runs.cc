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
        if (is_full()) {
          found_.has_more = true;
          return std::move(found_);
        }
        if (auto taken = take(i, at); !taken) return tl::unexpected(taken.error());
        found_.next = view.sequence(at) + 1;
      }
    }
    found_.next = std::max(found_.next, snapshot_.end);
    return std::move(found_);
  }

 private:
  bool is_full() const {
    return found_.runs.size() >= request_.max_runs || bytes_ >= request_.max_bytes ||
           looked_at_ >= kMostLookedAt;
  }

  Expected<void> take(std::size_t segment, Ordinal ordinal) {
    const SegmentView& view = snapshot_.segments[segment];
    if (view.is_dead(ordinal)) return {};
    ++looked_at_;
    const SequenceNumber sequence = view.sequence(ordinal);
    auto bytes = reader_.read(segment, ordinal);
    if (!bytes) return tl::unexpected(bytes.error());
    auto head = HeadView::open(*bytes, sequence);
    if (!head) return tl::unexpected(reader_.with_place(head.error(), segment, ordinal));
    if (!is_wanted(*head)) return {};
    TextArena arena;
    Run run;
    if (auto decoded = decode_run(*bytes, sequence, *snapshot_.names,
                                  snapshot_.dictionaries.get(), arena, run);
        !decoded) {
      return tl::unexpected(reader_.with_place(decoded.error(), segment, ordinal));
    }
    FollowedRun& followed = found_.runs.emplace_back();
    followed.sequence = sequence;
    write_json(run, followed.json);
    bytes_ += followed.json.size();
    return {};
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

}  // namespace runlog
