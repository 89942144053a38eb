#include "log/paused_set.h"

#include "log/segment.h"

namespace runlog {

PausedRunPtr PausedSet::find(std::string_view run_id, std::uint64_t id_hash) const {
  for (auto at = by_run_id_.lower_bound({id_hash, 0}); at != by_run_id_.end();
       at = by_run_id_.after(at)) {
    const PausedRunPtr& run = by_run_id_.at(at);
    if (run->id_hash != id_hash) break;
    if (run->run_id == run_id) return run;
  }
  return nullptr;
}

std::vector<PausedRunPtr> PausedSet::find_hash(std::uint64_t id_hash) const {
  std::vector<PausedRunPtr> found;
  for (auto at = by_run_id_.lower_bound({id_hash, 0}); at != by_run_id_.end();
       at = by_run_id_.after(at)) {
    if (by_run_id_.at(at)->id_hash != id_hash) break;
    found.push_back(by_run_id_.at(at));
  }
  return found;
}

bool PausedSet::contains(const PausedRun& run) const {
  const auto at = by_save_.lower_bound(run.number);
  return at != by_save_.end() && by_save_.at(at)->number == run.number;
}

void PausedSet::insert(PausedRunPtr run) {
  by_save_.insert(run);
  by_run_id_.insert(run);
  by_flow_.insert(run);
  if (run->correlation) by_correlation_.insert(run);
  ++size_;
}

void PausedSet::erase(const PausedRun& run) {
  if (!contains(run)) return;
  by_save_.erase(BySave::key(run));
  by_run_id_.erase(ByRunId::key(run));
  by_flow_.erase(ByFlow::key(run));
  if (run.correlation) by_correlation_.erase(ByCorrelation::key(run));
  --size_;
}

namespace {

// Whether the snapshot has a record of the run with a sequence number of at least `from`.
Expected<bool> has_record(const Snapshot& snapshot, RecordReader& reader, const PausedRun& run,
                          SequenceNumber from) {
  for (std::size_t i = snapshot.segments.size(); i-- > 0;) {
    const SegmentView& view = snapshot.segments[i];
    std::vector<Ordinal> candidates(4);
    auto count = view.index().find_id(run.id_hash, view.end, candidates);
    while (count && *count > candidates.size()) {
      candidates.resize(4 * candidates.size());
      count = view.index().find_id(run.id_hash, view.end, candidates);
    }
    if (!count) return tl::unexpected(count.error());
    candidates.resize(*count);
    for (const Ordinal ordinal : candidates) {
      if (view.sequence(ordinal) < from) continue;
      const auto record = reader.read(i, ordinal);
      const auto head = record ? HeadView::open(*record, view.sequence(ordinal))
                               : tl::unexpected(record.error());
      // Of a damaged record nobody knows whether it is the run's; then the pause goes on.
      if (head && head->run_id_is(run.run_id)) return true;
    }
    if (view.segment->base() <= from) return false;
  }
  return false;
}

}  // namespace

Expected<std::vector<PausedRunPtr>> take_finished(Snapshot& snapshot, SequenceNumber from) {
  std::vector<PausedRunPtr> finished;
  if (!snapshot.paused) return finished;
  RecordReader reader(snapshot);
  const auto& all = snapshot.paused->by_save();
  for (auto at = all.begin(); at != all.end(); at = all.after(at)) {
    const PausedRunPtr& run = all.at(at);
    const SequenceNumber lowest = std::max(from, run->sequence);
    if (lowest >= snapshot.end) continue;
    auto ended = has_record(snapshot, reader, *run, lowest);
    if (!ended) return tl::unexpected(ended.error());
    if (*ended) finished.push_back(run);
  }
  if (finished.empty()) return finished;
  PausedSet rest = copy_paused(snapshot);
  for (const PausedRunPtr& run : finished) rest.erase(*run);
  set_paused(snapshot, std::move(rest));
  return finished;
}

std::vector<PausedRunPtr> take_numbers(PausedSet& set, const std::vector<std::uint64_t>& numbers) {
  std::vector<PausedRunPtr> taken;
  for (const std::uint64_t number : numbers) {
    const auto at = set.by_save().lower_bound(number);
    if (at == set.by_save().end() || set.by_save().at(at)->number != number) continue;
    taken.push_back(set.by_save().at(at));
    set.erase(*taken.back());
  }
  return taken;
}

PausedSet copy_paused(const Snapshot& snapshot) {
  return snapshot.paused ? *snapshot.paused : PausedSet();
}

void set_paused(Snapshot& snapshot, PausedSet set) {
  snapshot.paused =
      set.size() == 0 ? nullptr : std::make_shared<const PausedSet>(std::move(set));
}

}  // namespace runlog
