#include "log/repair_catalog.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "log/counters_check.h"
#include "log/file_io.h"
#include "log/lmdb_env.h"
#include "log/paused_check.h"
#include "log/repair_segment.h"
#include "log/retention_check.h"
#include "log/salvage.h"
#include "log/segment.h"
#include "log/verify_segment.h"

namespace runlog {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kStateMapBytes = 16ull << 30;
// Readers in other processes take a different generation for a changed catalog.
constexpr std::uint64_t kGenerationStep = 1000;

// A segment's number from its directory's name; nullopt if that is none.
std::optional<std::uint64_t> id_of(const fs::path& directory) {
  const std::string name = directory.filename().string();
  std::uint64_t id = 0;
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), id);
  if (parsed.ec != std::errc() || id == 0) return std::nullopt;
  if (segment_directory("", id).filename() != directory.filename()) return std::nullopt;
  return id;
}

// What one segment's directory says of itself.
struct Candidate {
  fs::path directory;
  CatalogEntry entry;
  std::uint64_t log_id = 0;  // 0: it doesn't say
  SequenceNumber end = 0;
  UnixMs oldest = 0;
  bool is_empty = false;     // holds no run that can be read
  bool is_torn = false;      // a damaged merge output whose inputs are all there
};

Expected<Candidate> examine(const fs::path& directory, std::uint64_t id) {
  Candidate candidate;
  candidate.directory = directory;
  candidate.entry.id = id;
  candidate.entry.state = SegmentState::kClosed;
  auto found = salvage_segment(directory);
  if (!found) {
    candidate.is_empty = true;
    return found.error().code == ErrorCode::NotFound ? Expected<Candidate>(candidate)
                                                     : tl::unexpected(found.error());
  }
  candidate.is_empty = found->records.empty();
  if (!candidate.is_empty) {
    candidate.entry.base = found->records.begin()->first;
    candidate.end = found->records.rbegin()->first + 1;
    if (const auto head = HeadView::open(found->records.begin()->second, candidate.entry.base))
      candidate.oldest = head->recorded_at();
  }
  if (found->header && found->header->segment_id == id) {
    candidate.log_id = found->header->log_id;
    candidate.entry.base = found->header->base;
  }
  if (const auto& footer = found->footer; footer && footer->segment_id == id) {
    CatalogEntry& entry = candidate.entry;
    candidate.log_id = footer->log_id;
    candidate.end = footer->end;
    entry.state = SegmentState::kSealed;
    entry.has_leftovers = 1;  // nobody knows any more
    entry.base = footer->base;
    entry.end = footer->end;
    entry.runs = footer->runs;
    entry.file_bytes = found->mapping->bytes().size();
    entry.footer_offset = found->footer_offset;
    entry.oldest = footer->oldest;
    entry.newest = footer->newest;
  }
  return candidate;
}

class CatalogRepair {
 public:
  explicit CatalogRepair(const fs::path& log) : log_(log) {}

  Expected<std::vector<std::string>> run() {
    if (auto done = examine_all(); !done) return tl::unexpected(done.error());
    if (auto done = identify(); !done) return tl::unexpected(done.error());
    if (auto done = choose(); !done) return tl::unexpected(done.error());
    if (auto done = remember_quarantined(); !done) return tl::unexpected(done.error());
    if (auto done = write(); !done) return tl::unexpected(done.error());
    return std::move(done_);
  }

 private:
  Expected<void> examine_all() {
    std::error_code ignored;
    for (const auto& item : fs::directory_iterator(log_ / "segments", ignored)) {
      const auto id = id_of(item.path());
      if (!id) continue;
      auto candidate = examine(item.path(), *id);
      if (!candidate) return tl::unexpected(candidate.error());
      highest_id_ = std::max(highest_id_, *id);
      candidates_.push_back(std::move(*candidate));
    }
    return {};
  }

  // The log's own number and its next segment's.
  Expected<void> identify() {
    const SalvagedCatalog old = salvage_catalog(log_ / "state");
    generation_.generation = old.generation + kGenerationStep;
    generation_.next_segment_id = std::max(old.next_segment_id, highest_id_ + 1);
    if (old.identity) {
      identity_ = *old.identity;
      return {};
    }
    std::map<std::uint64_t, unsigned> votes;
    for (const Candidate& candidate : candidates_) {
      if (candidate.log_id != 0) ++votes[candidate.log_id];
      if (candidate.oldest != 0 &&
          (identity_.created_at == 0 || candidate.oldest < identity_.created_at))
        identity_.created_at = candidate.oldest;
    }
    if (votes.empty())
      return fail(ErrorCode::Corruption,
                  fmt::format("no segment of '{}' says which log it belongs to", log_.string()));
    identity_.log_id = std::max_element(votes.begin(), votes.end(), [](auto a, auto b) {
                         return a.second < b.second;
                       })->first;
    return {};
  }

  // A merge's output is written without syncs until it is complete, so a power cut may leave its
  // footer and not all of its records. As long as its first input is there, all are, for they are
  // removed in their order, and they are better than a damaged output.
  void find_torn() {
    for (Candidate& output : candidates_) {
      if (output.entry.state != SegmentState::kSealed) continue;
      const bool has_inputs =
          std::any_of(candidates_.begin(), candidates_.end(), [&](const Candidate& input) {
            return input.entry.id < output.entry.id && input.entry.base == output.entry.base &&
                   !input.is_empty;
          });
      if (!has_inputs) continue;
      NameTable names;
      Dictionaries dictionaries;
      VerifyContext context;
      context.log = log_;
      context.log_id = identity_.log_id;
      context.names = &names;
      context.dictionaries = &dictionaries;
      const auto verdict = verify_sealed(context, output.entry);
      output.is_torn = !verdict || !verdict->damage.empty();
    }
  }

  // Sealed segments go before others and newer ones before older ones, since a merge's output has
  // the highest number. What then lies within the range of a chosen one is a merge's leftover.
  Expected<void> choose() {
    find_torn();
    std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
      const bool a_sealed = a.entry.state == SegmentState::kSealed && !a.is_torn;
      const bool b_sealed = b.entry.state == SegmentState::kSealed && !b.is_torn;
      return a_sealed != b_sealed ? a_sealed : a.entry.id > b.entry.id;
    });
    std::vector<const Candidate*> chosen;
    for (const Candidate& candidate : candidates_) {
      const bool foreign = candidate.log_id != 0 && candidate.log_id != identity_.log_id;
      const bool covered =
          std::any_of(chosen.begin(), chosen.end(), [&](const Candidate* other) {
            return candidate.entry.base < other->end && other->entry.base < candidate.end;
          });
      if (!foreign && !covered && !candidate.is_empty) {
        chosen.push_back(&candidate);
        continue;
      }
      auto place = set_aside(log_, candidate.directory, ".leftover");
      if (!place) return tl::unexpected(place.error());
      done_.push_back(fmt::format("'{}' was set aside as '{}': {}", candidate.directory.string(),
                                  place->string(),
                                  foreign   ? "it belongs to another log"
                                  : covered ? "its runs stand in another segment"
                                            : "no run can be read from it"));
    }
    for (const Candidate* candidate : chosen) entries_.push_back(candidate->entry);
    const auto last = std::max_element(
        entries_.begin(), entries_.end(),
        [](const CatalogEntry& a, const CatalogEntry& b) { return a.base < b.base; });
    if (last != entries_.end() && last->state == SegmentState::kClosed)
      last->state = SegmentState::kActive;
    return {};
  }

  // What earlier repairs set aside is still missing from the answers.
  Expected<void> remember_quarantined() {
    std::error_code ignored;
    for (const auto& item : fs::directory_iterator(log_ / "segments" / "quarantine", ignored)) {
      const auto id = id_of(item.path());
      if (!id) continue;
      CatalogEntry entry;
      entry.id = *id;
      entry.state = SegmentState::kQuarantined;
      if (auto candidate = examine(item.path(), *id); candidate) {
        entry.base = candidate->entry.base;
        entry.end = candidate->end;
      }
      generation_.next_segment_id = std::max(generation_.next_segment_id, *id + 1);
      entries_.push_back(entry);
    }
    return {};
  }

  // What stands in no segment, as `salvage` finds it in a state directory: in this one, or in the
  // newest that an earlier repair set aside before it came to its end.
  template <typename Salvage>
  auto find_in_state(const Salvage& salvage) const {
    auto found = salvage(log_ / "state");
    if (!found.is_empty()) return found;
    const fs::path quarantine = log_ / "segments" / "quarantine";
    std::error_code ignored;
    fs::path newest = quarantine / "state";
    if (!fs::exists(newest, ignored)) return found;
    for (unsigned i = 2;; ++i) {
      fs::path next = quarantine / fmt::format("state.{}", i);
      if (!fs::exists(next, ignored)) break;
      newest = std::move(next);
    }
    found = salvage(newest);
    if (!found.is_empty()) found.is_certain = false;
    return found;
  }

  Expected<void> write() {
    const SalvagedRetention retention = find_in_state(salvage_retention);
    const SalvagedPausedRuns paused = find_in_state(salvage_paused_runs);
    const SalvagedCounters counters = find_in_state(salvage_counters);
    auto place = set_aside(log_, log_ / "state", "");
    if (!place) return tl::unexpected(place.error());
    if (!place->empty())
      done_.push_back(fmt::format("'{}' was set aside as '{}'", (log_ / "state").string(),
                                  place->string()));
    if (auto made = make_directory(log_ / "state"); !made) return made;
    LmdbEnv::Options options;
    options.map_bytes = kStateMapBytes;
    auto env = LmdbEnv::open(log_ / "state", options);
    if (!env) return tl::unexpected(env.error());
    auto write = LmdbWrite::begin(**env);
    if (!write) return tl::unexpected(write.error());
    auto done = write->put(LmdbTable::kTables, kIdentityKey, sealed_bytes(identity_));
    if (done) done = write->put(LmdbTable::kTables, kGenerationKey, sealed_bytes(generation_));
    for (CatalogEntry& entry : entries_)
      if (done) done = write->put(LmdbTable::kSegments, entry.id, sealed_bytes(entry));
    if (done && !paused.is_empty()) done = write_paused_runs(*write, paused);
    if (done) done = write_retention(*write, retention);
    if (done) done = write_counters(*write, counters);
    if (done) done = write->commit();
    if (!done) return done;
    if (auto synced = sync_directory(log_ / "state"); !synced) return synced;
    done_.push_back(fmt::format("the catalog in '{}' was made again from {} segments",
                                (log_ / "state").string(), entries_.size()));
    if (!retention.is_certain)
      done_.push_back(fmt::format(
          "{} in the new catalog; look at `runlog retention show` and `runlog pins`, and set what is "
          "not as it should be",
          retention.is_empty() ? "no retention policy and no hidden run was found for"
                               : "what could be found of the retention policy, the hidden runs and "
                                 "the pins stands"));
    if (!counters.is_certain)
      done_.push_back(counters.is_empty()
                          ? "no counters were found; what is still there is counted anew"
                          : "what could be found of the counters stands in the new catalog; some may "
                            "be from before the last changes");
    if (!paused.is_empty())
      done_.push_back(fmt::format("{} paused runs were found again{}", paused.runs.size(),
                                  paused.is_certain ? ""
                                                    : "; some of them may have been deleted before"));
    return {};
  }

  const fs::path& log_;
  std::vector<Candidate> candidates_;
  std::vector<CatalogEntry> entries_;
  LogIdentity identity_;
  CatalogGeneration generation_;
  std::uint64_t highest_id_ = 0;
  std::vector<std::string> done_;
};

}  // namespace

Expected<std::vector<std::string>> rebuild_catalog(const fs::path& log) {
  return CatalogRepair(log).run();
}

}  // namespace runlog
