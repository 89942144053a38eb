// Pages of runs. A page is gathered as places first, so that all its records can be fetched by the
// processor at once before the first head is decoded.
#include <algorithm>
#include <array>
#include <functional>
#include <string>

#include "log/paused_runs.h"
#include "log/segment.h"
#include "query/cursor.h"
#include "query/live_runs.h"
#include "query/matcher.h"

namespace runlog {
namespace {

constexpr std::uint32_t kMaxLimit = 1000;

struct Place {
  std::uint32_t segment;
  Ordinal ordinal;
};

// The ordinals of one segment that a list still has to look at, [begin, end).
struct Range {
  Ordinal begin = 0;
  Ordinal end = 0;
  bool is_empty() const { return begin >= end; }
};

class Lister {
 public:
  Lister(const Snapshot& snapshot, const ListRequest& request, FilterPlan plan,
         std::optional<SequenceNumber> last, std::vector<const PausedRun*> live)
      : request_(request), last_(last), matcher_(snapshot, std::move(plan)),
        live_(std::move(live)) {
    places_.reserve(std::min<std::size_t>(wanted(), 128));
  }

  // Finds the page's runs and counts all matches. Errors: Corruption; IoError.
  Expected<void> find(ListResult& result);
  // Decodes the runs that were found. Errors: Corruption; IoError.
  Expected<void> decode(ListResult& result);

 private:
  // One more run than the page holds tells whether there are more. The live ones come first.
  std::size_t wanted() const { return std::size_t(request_.limit) + 1 - live_.size(); }
  bool is_full() const { return places_.size() == wanted(); }
  Range rest_of(const SegmentView& view) const;
  Expected<void> gather(std::size_t segment, SegmentMatch& match, Range range);
  Expected<void> decode_run_head(Place place, ListResult& result);

  const ListRequest& request_;
  std::optional<SequenceNumber> last_;  // of the page before
  Matcher matcher_;
  const std::vector<const PausedRun*> live_;  // of this page, with the one more
  std::vector<Place> places_;
};

Range Lister::rest_of(const SegmentView& view) const {
  if (!last_) return {0, view.end};
  if (request_.direction == Direction::kNewestFirst) return {0, view.lower_bound(*last_)};
  const Ordinal at = view.lower_bound(*last_);
  return {at < view.end && view.sequence(at) == *last_ ? at + 1 : at, view.end};
}

Expected<void> Lister::find(ListResult& result) {
  const auto& segments = matcher_.snapshot().segments;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const std::size_t segment =
        request_.direction == Direction::kNewestFirst ? segments.size() - 1 - i : i;
    const Range range = is_full() ? Range{} : rest_of(segments[segment]);
    if (range.is_empty() && !request_.with_total) {
      if (is_full()) break;
      continue;
    }
    auto match = matcher_.in_segment(segment);
    if (!match) return tl::unexpected(match.error());
    if (match->is_empty()) continue;
    if (!range.is_empty()) {
      const auto gathered = gather(segment, *match, range);
      if (!gathered) return gathered;
    }
    if (request_.with_total) {
      const auto matches = matcher_.count(segment, *match);
      if (!matches) return tl::unexpected(matches.error());
      result.total += *matches;
    }
  }
  return {};
}

Expected<void> Lister::gather(std::size_t segment, SegmentMatch& match, Range range) {
  auto reader = MatchReader::open(matcher_, segment, match, range.begin, range.end,
                                  request_.direction);
  if (!reader) return tl::unexpected(reader.error());
  std::array<Ordinal, 128> batch;
  while (!is_full()) {
    const std::size_t missing = std::min(batch.size(), wanted() - places_.size());
    const auto found = reader->next({batch.data(), missing});
    if (!found) return tl::unexpected(found.error());
    if (*found == 0) break;
    for (std::size_t i = 0; i < *found; ++i) {
      places_.push_back({std::uint32_t(segment), batch[i]});
    }
  }
  return {};
}

// Copies `text` if it points into a record whose bytes the log may reuse.
void keep(OptionalText& text, std::span<const std::byte> record, TextArena& arena) {
  if (!text || text->empty()) return;
  const auto* const begin = reinterpret_cast<const char*>(record.data());
  const std::less<const char*> before;
  if (before(text->data(), begin) || !before(text->data(), begin + record.size())) return;
  text = arena.keep(std::string(*text));
}

void keep_texts(RunHead& run, std::span<const std::byte> record, TextArena& arena) {
  OptionalText run_id = run.run_id;
  keep(run_id, record, arena);
  run.run_id = *run_id;
  for (OptionalText* text :
       {&run.error_code, &run.error_message, &run.error_node_id, &run.node_id,
        &run.organization_id, &run.user_id, &run.trigger_type, &run.trigger_object,
        &run.trigger_record_id}) {
    keep(*text, record, arena);
  }
}

Expected<void> Lister::decode(ListResult& result) {
  result.has_more = is_full();
  if (result.has_more && !places_.empty()) places_.pop_back();
  for (const Place place : places_) matcher_.records().prefetch(place.segment, place.ordinal);
  // A run's id may point into its element, so the elements must not move.
  const std::size_t live = std::min<std::size_t>(live_.size(), request_.limit);
  result.runs.reserve(live + places_.size());
  for (std::size_t i = 0; i < live; ++i) fill_head(*live_[i], result.runs.emplace_back());
  for (const Place place : places_) {
    const auto decoded = decode_run_head(place, result);
    if (!decoded) return decoded;
  }
  return {};
}

Expected<void> Lister::decode_run_head(Place place, ListResult& result) {
  const Snapshot& snapshot = matcher_.snapshot();
  RecordReader& records = matcher_.records();
  std::span<const std::byte> record;
  const auto head = open_head(snapshot, records, place.segment, place.ordinal, &record);
  if (!head) return tl::unexpected(head.error());
  const SegmentView& view = snapshot.segments[place.segment];
  RunHead& run = result.runs.emplace_back();
  const auto decoded = decode_head(*head, view.sequence(place.ordinal), *snapshot.names, run);
  if (!decoded) {
    return tl::unexpected(records.with_place(decoded.error(), place.segment, place.ordinal));
  }
  // A sealed segment's bytes live as long as the snapshot, others only as long as `records`.
  if (view.segment->environment() != nullptr) {
    if (!result.arena) result.arena = std::make_unique<TextArena>();
    keep_texts(run, record, *result.arena);
  }
  return {};
}

}  // namespace

Expected<ListResult> list(std::shared_ptr<const Snapshot> snapshot, const ListRequest& request) {
  if (request.limit < 1 || request.limit > kMaxLimit) {
    return fail(ErrorCode::InvalidArgument, "the limit of a list is " +
                                                std::to_string(request.limit) +
                                                "; it must be from 1 to " +
                                                std::to_string(kMaxLimit));
  }
  auto plan = plan_filter(request.filter, *snapshot->names);
  if (!plan) return tl::unexpected(plan.error());
  const std::uint64_t identity = request_identity(request.filter, request.direction);
  std::optional<SequenceNumber> last;
  std::optional<std::uint64_t> last_live;
  if (!request.cursor.empty()) {
    const auto resumed = resume_from(request.cursor, snapshot->log_id, identity);
    if (!resumed) return tl::unexpected(resumed.error());
    (resumed->is_live ? last_live : last) = resumed->last;
  }
  ListResult result;
  result.incomplete = snapshot->incomplete;
  const LiveRuns live(*snapshot, request.filter);
  if (request.with_total) result.total = live.count();
  std::vector<const PausedRun*> first;
  if (!last) first = live.page(request.direction, last_live, std::size_t(request.limit) + 1);
  Lister lister(*snapshot, request, std::move(*plan), last, first);
  const auto found = lister.find(result);
  if (!found) return tl::unexpected(found.error());
  const auto decoded = lister.decode(result);
  if (!decoded) return tl::unexpected(decoded.error());
  if (result.has_more) {
    const bool is_live = first.size() >= request.limit;
    result.next_cursor = write_cursor(
        {snapshot->log_id, identity, is_live ? first[request.limit - 1]->number
                                             : result.runs.back().sequence, is_live});
  }
  result.snapshot = std::move(snapshot);
  return result;
}

}  // namespace runlog
