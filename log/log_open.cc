#include "log/log_open.h"

#include <algorithm>
#include <chrono>
#include <set>

#include <fmt/format.h>

#include "log/archive.h"
#include "log/sealed_segment.h"

namespace runlog {
namespace {

constexpr std::chrono::milliseconds kLongestSweepInterval = std::chrono::hours(24 * 366);

Expected<void> check_options(const LogOptions& options) {
  if (options.segment_bytes < (64u << 10) || options.segment_bytes > (4ull << 30))
    return fail(ErrorCode::InvalidArgument,
                fmt::format("segment_bytes is {}; it must be between 64 KiB and 4 GiB",
                            options.segment_bytes));
  if (options.segment_runs < 1 || options.segment_runs > 100'000'000)
    return fail(ErrorCode::InvalidArgument,
                fmt::format("segment_runs is {}; it must be between 1 and 100,000,000",
                            options.segment_runs));
  if (options.merge_fanout < 2 || options.merge_fanout > 64)
    return fail(ErrorCode::InvalidArgument,
                fmt::format("merge_fanout is {}; it must be between 2 and 64",
                            options.merge_fanout));
  if (auto good = check_policy(options.retention); !good) return good;
  if (options.sweep_interval.count() < 0 || options.sweep_interval > kLongestSweepInterval)
    return fail(ErrorCode::InvalidArgument,
                fmt::format("sweep_interval is {} ms; it must be between 0 and {} (a year)",
                            options.sweep_interval.count(), kLongestSweepInterval.count()));
  if (options.durability == LogOptions::Durability::kInterval &&
      (options.interval.count() < 1 || options.interval.count() > 60'000))
    return fail(ErrorCode::InvalidArgument,
                fmt::format("interval is {} ms; it must be between 1 and 60,000",
                            options.interval.count()));
  return {};
}

// A log whose creation was interrupted has a state directory in some stage and no segment: nothing
// was ever acknowledged, and it is created again. With a segment, a catalog that cannot be read is
// damage.
Expected<std::unique_ptr<Catalog>> open_or_create_catalog(const std::filesystem::path& directory) {
  auto catalog = Catalog::open(directory, OpenMode::kWrite);
  if (catalog) return catalog;
  const ErrorCode code = catalog.error().code;
  if (code != ErrorCode::NotFound && code != ErrorCode::Corruption) return catalog;
  std::error_code ignored;
  const auto segments = directory / "segments";
  const bool has_segments = std::filesystem::exists(segments, ignored) &&
                            !std::filesystem::is_empty(segments, ignored);
  if (has_segments) return catalog;
  if (auto removed = remove_directory(directory / "state"); !removed)
    return tl::unexpected(removed.error());
  return Catalog::create(directory);
}

// A segment that was being made when the process died is removed, for nothing refers to it. But if
// it comes after all others and holds records, it was in use, and it is the catalog that is too old:
// removing it would lose runs.
Expected<void> check_abandoned(const LogState& state, const Catalog::Contents& contents,
                               const CatalogEntry& building) {
  for (const CatalogEntry& entry : contents.segments)
    if (entry.state != SegmentState::kBuilding && entry.base > building.base) return {};
  const auto directory = segment_directory(state.directory, building.id);
  LmdbEnv::Options options;
  options.mode = OpenMode::kRead;
  auto env = LmdbEnv::open(directory, options);
  if (!env) return {};  // not even its tables were made
  auto read = LmdbRead::begin(**env);
  if (!read) return tl::unexpected(read.error());
  const auto first = read->get(LmdbTable::kRecords, building.base);
  if (first && !*first) return {};
  for (const CatalogEntry& entry : contents.segments)
    if (entry.state == SegmentState::kSealed && entry.base == building.base) return {};
  return fail(ErrorCode::Corruption,
              fmt::format("the catalog in '{}' is older than the segment '{}', which holds records",
                          (state.directory / "state").string(), directory.string()));
}

// Finishes what a crash interrupted: outputs that were never swapped in, inputs that were.
Expected<void> remove_leftovers(LogState& state, Catalog::Contents& contents) {
  std::vector<std::uint64_t> removed;
  for (const CatalogEntry& entry : contents.segments) {
    if (entry.state != SegmentState::kBuilding && entry.state != SegmentState::kDropped) continue;
    if (entry.state == SegmentState::kBuilding)
      if (auto checked = check_abandoned(state, contents, entry); !checked) return checked;
    if (auto done = remove_directory(segment_directory(state.directory, entry.id)); !done)
      return done;
    removed.push_back(entry.id);
  }
  if (removed.empty()) return {};
  if (auto changed = state.catalog->change({}, removed); !changed) return changed;
  std::erase_if(contents.segments, [&](const CatalogEntry& entry) {
    return std::find(removed.begin(), removed.end(), entry.id) != removed.end();
  });
  return {};
}

Expected<std::shared_ptr<ActiveSegment>> create_first_segment(LogState& state,
                                                              SequenceNumber base) {
  auto id = state.catalog->begin_segment(base);
  if (!id) return tl::unexpected(id.error());
  auto segment = ActiveSegment::create(state.directory, state.header_of(*id, base),
                                       state.segment_map_bytes(), false);
  if (!segment) return segment;
  CatalogEntry entry;
  entry.state = SegmentState::kActive;
  entry.id = *id;
  entry.base = base;
  if (auto changed = state.catalog->change(std::span(&entry, 1)); !changed)
    return tl::unexpected(changed.error());
  return segment;
}

Expected<SegmentView> open_segment(LogState& state, const CatalogEntry& entry,
                                   const Snapshot* reuse) {
  const bool is_sealed = entry.state == SegmentState::kSealed;
  SegmentView view;
  if (reuse != nullptr)
    for (const SegmentView& known : reuse->segments)
      if (known.segment->id() == entry.id) {
        // Sealing changes no ordinal, so what is hidden stays hidden and need not be read again.
        view.dead = known.dead;
        view.hidden_flows = known.hidden_flows;
        if ((known.segment->environment() == nullptr) == is_sealed) view.segment = known.segment;
      }
  if (view.segment && !is_sealed && state.mode != OpenMode::kWrite) {
    // Another process may have appended since. What later segments hide must be here before them.
    auto& active = const_cast<ActiveSegment&>(static_cast<const ActiveSegment&>(*view.segment));
    if (auto done = active.follow(*state.names, *state.dictionaries, nullptr); !done)
      return tl::unexpected(done.error());
  }
  if (!view.segment && is_sealed) {
    auto segment = SealedSegment::open(state.directory, entry, state.catalog->identity().log_id,
                                       *state.names, *state.dictionaries);
    if (!segment) return tl::unexpected(segment.error());
    view.segment = *segment;
  } else if (!view.segment) {
    auto segment = ActiveSegment::open(state.directory, state.header_of(entry.id, entry.base),
                                       state.segment_map_bytes(), state.mode,
                                       entry.state, *state.names, *state.dictionaries);
    if (!segment) return tl::unexpected(segment.error());
    view.segment = *segment;
  }
  view.end = view.segment->index().count();
  return view;
}

SequenceNumber end_of(const Segment& segment) {
  return segment.environment() == nullptr
             ? static_cast<const SealedSegment&>(segment).footer().end
             : static_cast<const ActiveSegment&>(segment).end();
}

Expected<void> check_order(const Snapshot& snapshot) {
  for (std::size_t i = 1; i < snapshot.segments.size(); ++i) {
    const Segment& before = *snapshot.segments[i - 1].segment;
    const Segment& after = *snapshot.segments[i].segment;
    if (end_of(before) > after.base())
      return fail(ErrorCode::Corruption, fmt::format("segments '{}' and '{}' overlap",
                                                     before.file().string(),
                                                     after.file().string()));
  }
  return {};
}

}  // namespace

Expected<Snapshot> open_segments(LogState& state, const Catalog::Contents& contents,
                                 const Snapshot* reuse, DamagedSegments damaged) {
  Snapshot snapshot;
  snapshot.log_id = state.catalog->identity().log_id;
  snapshot.incomplete = reuse != nullptr && reuse->incomplete;
  snapshot.names = state.names;
  snapshot.dictionaries = state.dictionaries;
  for (const CatalogEntry& entry : contents.segments) {
    if (entry.state == SegmentState::kQuarantined) snapshot.incomplete = true;
    if (entry.state != SegmentState::kActive && entry.state != SegmentState::kClosed &&
        entry.state != SegmentState::kSealed)
      continue;
    auto view = open_segment(state, entry, reuse);
    if (!view && view.error().code == ErrorCode::Corruption &&
        entry.state == SegmentState::kSealed && damaged == DamagedSegments::kLeaveOut) {
      snapshot.incomplete = true;
      continue;
    }
    if (!view) return tl::unexpected(view.error());
    snapshot.segments.push_back(std::move(*view));
  }
  if (auto ordered = check_order(snapshot); !ordered) return tl::unexpected(ordered.error());
  if (!snapshot.segments.empty()) snapshot.end = end_of(*snapshot.segments.back().segment);

  return snapshot;
}

namespace {

// What `before` hides in segments that `after` has no more is hidden there too.
void carry_hidden(const Snapshot& before, Snapshot& after) {
  std::set<std::uint64_t> noted_before;
  Hiding hiding(after, noted_before);
  for (const SegmentView& view : before.segments) {
    if (!view.dead) continue;
    const bool is_there = std::any_of(
        after.segments.begin(), after.segments.end(),
        [&](const SegmentView& now) { return now.segment->id() == view.segment->id(); });
    if (is_there) continue;
    const auto dead = view.dead->read(view.end, Direction::kOldestFirst);
    Ordinal ordinal = 0;
    while (dead->next({&ordinal, 1}) == 1) hiding.hide(view.sequence(ordinal));
  }
  hiding.apply();
}

}  // namespace

Expected<void> catch_up(LogState& state) {
  if (auto certain = state.catalog->change({}); !certain) return certain;
  Expected<void> result;
  std::vector<std::uint64_t> removed;
  state.current->change([&](Snapshot& next) {
    auto contents = state.catalog->read();
    if (!contents) {
      result = tl::unexpected(contents.error());
      return;
    }
    // Segments after the one that is appended to are the appender's to tell of.
    const Segment& active = *next.segments.back().segment;
    std::erase_if(contents->segments, [&](const CatalogEntry& entry) {
      return entry.base >= active.base() && entry.id != active.id();
    });
    for (const CatalogEntry& entry : contents->segments)
      if (entry.state == SegmentState::kBuilding || entry.state == SegmentState::kDropped)
        removed.push_back(entry.id);
    auto snapshot = open_segments(state, *contents, &next);
    if (!snapshot) {
      result = tl::unexpected(snapshot.error());
      return;
    }
    carry_hidden(next, *snapshot);
    snapshot->paused = next.paused;
    next = std::move(*snapshot);
  });
  for (const std::uint64_t id : removed)
    if (result) result = remove_directory(segment_directory(state.directory, id));
  return result ? state.catalog->change({}, removed) : result;
}

namespace {

// A new log gets its policy before it has a segment, so that one with segments has it. Returns the
// numbers of the paused runs that a forget had begun to remove.
Expected<std::vector<std::uint64_t>> restore_retention(LogState& state, bool is_new,
                                                       Snapshot& snapshot) {
  if (is_new && state.options.retention != RetentionPolicy()) {
    if (const std::string& archive = state.options.retention.archive; !archive.empty())
      if (auto made = make_archive(archive, state.directory); !made)
        return tl::unexpected(made.error());
    const StateEntry policy = policy_entry(state.options.retention);
    if (auto stored = state.catalog->write_state(std::span(&policy, 1)); !stored)
      return tl::unexpected(stored.error());
  }
  auto stored = load_retention(*state.catalog);
  if (!stored) return tl::unexpected(stored.error());
  state.retention = std::make_unique<Retention>(state);
  state.is_forgetting = stored->forgotten.has_value();
  std::vector<std::uint64_t> paused;
  if (stored->forgotten) paused = stored->forgotten->paused;
  auto restored = state.retention->restore(snapshot, std::move(*stored));
  if (!restored) return tl::unexpected(restored.error());
  return paused;
}

}  // namespace
Expected<OpenedLog> open_for_writing(const std::filesystem::path& directory,
                                     const LogOptions& options) {
  if (auto good = check_options(options); !good) return tl::unexpected(good.error());
  if (auto made = make_directory(directory); !made) return tl::unexpected(made.error());
  OpenedLog opened;
  opened.state = std::make_unique<LogState>();
  LogState& state = *opened.state;
  state.directory = directory;
  state.options = options;
  auto lock = WriterLock::take(directory / "LOCK");
  if (!lock) return tl::unexpected(lock.error());
  state.lock = std::move(*lock);
  if (auto removed = Catalog::remove_leftover(directory); !removed)
    return tl::unexpected(removed.error());
  auto catalog = open_or_create_catalog(directory);
  if (!catalog) return tl::unexpected(catalog.error());
  state.catalog = std::move(*catalog);
  state.names = std::make_shared<NameTable>();
  state.dictionaries = std::make_shared<Dictionaries>();

  auto contents = state.catalog->read();
  if (!contents) return tl::unexpected(contents.error());
  if (auto removed = remove_leftovers(state, *contents); !removed)
    return tl::unexpected(removed.error());
  auto snapshot = open_segments(state, *contents, nullptr);
  if (!snapshot) return tl::unexpected(snapshot.error());
  auto forgotten = restore_retention(state, contents->segments.empty(), *snapshot);
  if (!forgotten) return tl::unexpected(forgotten.error());

  const bool has_active =
      !snapshot->segments.empty() &&
      std::any_of(contents->segments.begin(), contents->segments.end(),
                  [&](const CatalogEntry& entry) {
                    return entry.state == SegmentState::kActive &&
                           entry.id == snapshot->segments.back().segment->id();
                  });
  if (!has_active) {
    SequenceNumber base = snapshot->end;
    for (const CatalogEntry& entry : contents->segments)  // a quarantined one gave out numbers too
      base = std::max(base, entry.end);
    auto first = create_first_segment(state, base);
    if (!first) return tl::unexpected(first.error());
    SegmentView view;
    view.segment = *first;
    snapshot->segments.push_back(std::move(view));
  }
  opened.active = std::const_pointer_cast<ActiveSegment>(
      std::static_pointer_cast<const ActiveSegment>(snapshot->segments.back().segment));
  for (const SegmentView& view : snapshot->segments) {
    const Segment& segment = *view.segment;
    opened.last_recorded_at = std::max(
        opened.last_recorded_at, segment.environment() == nullptr
                                     ? static_cast<const SealedSegment&>(segment).footer().newest
                                     : static_cast<const ActiveSegment&>(segment).newest());
  }
  state.counters = std::make_unique<Counters>(state);
  if (auto read = state.counters->open(snapshot->end); !read) return tl::unexpected(read.error());
  state.paused = std::make_unique<PausedTable>(state.directory, *state.catalog);
  if (auto read = state.paused->open(*snapshot, *forgotten); !read)
    return tl::unexpected(read.error());
  state.current = std::make_unique<CurrentSnapshot>(std::move(*snapshot));
  state.paused->follow(*state.current);
  return opened;
}

}  // namespace runlog
