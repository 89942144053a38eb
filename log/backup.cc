#include "log/backup.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "log/catalog.h"
#include "log/file_io.h"
#include "log/kill_point.h"
#include "log/sealed_segment.h"

namespace runlog {
namespace {

namespace fs = std::filesystem;

// Each seal, merge or drop that comes between takes one.
constexpr int kMaxTries = 100;
constexpr std::size_t kChunkBytes = 8u << 20;

fs::path in_full(const fs::path& directory) {
  std::error_code ignored;
  auto path = fs::weakly_canonical(fs::absolute(directory), ignored);
  return path.has_filename() ? path : path.parent_path();
}

bool is_in_use(const CatalogEntry& entry) {
  return entry.state == SegmentState::kActive || entry.state == SegmentState::kClosed ||
         entry.state == SegmentState::kSealed;
}

class Backup {
 public:
  Backup(const LogState& state, const Look& look, const fs::path& directory,
         const BackupProgress& progress)
      : state_(state),
        look_(look),
        target_(in_full(directory)),
        partial_(target_.string() + ".partial"),
        progress_(progress) {}

  Expected<BackupReport> run() {
    if (auto good = check_target(); !good) return tl::unexpected(good.error());
    if (auto begun = begin(); !begun) return tl::unexpected(begun.error());
    auto done = copy();
    if (!done) (void)remove_tree(partial_);
    if (!done) return tl::unexpected(done.error());
    return report_;
  }

 private:
  Expected<void> check_target() const {
    std::error_code ignored;
    if (is_within(target_, state_.directory))
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("a backup in '{}' would lie within the log itself", target_.string()));
    if (!fs::exists(target_, ignored)) return {};
    if (fs::is_directory(target_, ignored) && fs::is_empty(target_, ignored)) return {};
    return fail(ErrorCode::InvalidArgument,
                fmt::format("'{}' is there already and not an empty directory; a backup never "
                            "replaces anything", target_.string()));
  }

  // What an interrupted backup has left goes, but nothing that no backup makes.
  Expected<void> begin() {
    std::error_code error;
    for (fs::directory_iterator entry(partial_, error), end; !error && entry != end;
         entry.increment(error)) {
      const auto name = entry->path().filename();
      if (name != "LOCK" && name != "state" && name != "segments")
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("'{}', which a backup needs for itself, holds something else",
                                partial_.string()));
    }
    if (auto made = make_directory(partial_); !made) return made;
    // Keeps other backups out, and everybody who would take the copy for a log.
    auto lock = WriterLock::take(partial_ / "LOCK");
    if (!lock) return tl::unexpected(lock.error());
    lock_ = std::move(*lock);
    return remove_content();
  }

  Expected<void> copy() {
    for (const char* name : {"state", "segments"})
      if (auto made = make_directory(partial_ / name); !made) return made;
    if (auto copied = copy_state(); !copied) return copied;
    kill_point("backup.after_state");
    if (auto copied = copy_segments(); !copied) return copied;
    if (auto checked = look_at_copy(); !checked) return checked;
    if (auto synced = sync_directory(partial_ / "state"); !synced) return synced;
    if (auto synced = sync_directory(partial_); !synced) return synced;
    kill_point("backup.before_rename");
    return move_entry(partial_, target_);
  }

  // A state, and the segments that it names: the snapshot keeps their files, whatever becomes of them.
  Expected<void> copy_state() {
    for (int tries = 0; tries < kMaxTries;) {
      auto snapshot = look_();
      if (!snapshot) return tl::unexpected(snapshot.error());
      snapshot_ = std::move(*snapshot);
      auto named = state_.catalog->read();
      if (!named) return tl::unexpected(named.error());
      if (!find_segments(*named)) {
        if (auto waited = wait_for(*named); !waited) return waited;
        continue;
      }
      ++tries;
      if (auto copied = copy_environment(state_.catalog->environment(), partial_ / "state"); !copied)
        return copied;
      auto copy = Catalog::open(partial_, OpenMode::kWrite);
      if (!copy) return tl::unexpected(copy.error());
      auto contents = (*copy)->read();
      if (!contents) return tl::unexpected(contents.error());
      if (find_segments(*contents)) return describe_copy(**copy, *contents);
    }
    return tl::unexpected(too_fast());
  }

  Error too_fast() const {
    return {ErrorCode::Busy,
            fmt::format("the segments of '{}' changed faster than they could be copied; try again",
                        state_.directory.string())};
  }

  // A seal, a merge or a drop may become known to state/ a moment before the snapshot shows it; a
  // segment that a reader leaves out because it is damaged never shows.
  Expected<void> wait_for(const Catalog::Contents& named) {
    constexpr int kMaxWaits = 60'000, kMaxWaitsForOne = 1000;
    waits_ = named.generation == waited_for_ ? waits_ + 1 : 0;
    if (++all_waits_ == kMaxWaits) return tl::unexpected(too_fast());
    waited_for_ = named.generation;
    if (waits_ == kMaxWaitsForOne)
      return fail(ErrorCode::Corruption,
                  fmt::format("a segment of '{}' is damaged and cannot be copied; run `runlog verify "
                              "--repair`", state_.directory.string()));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return {};
  }

  bool find_segments(const Catalog::Contents& contents) {
    segments_.clear();
    for (const CatalogEntry& entry : contents.segments) {
      if (!is_in_use(entry)) continue;
      const auto known = std::find_if(
          snapshot_->segments.begin(), snapshot_->segments.end(), [&](const SegmentView& view) {
            return view.segment->id() == entry.id &&
                   (view.segment->environment() == nullptr) ==
                       (entry.state == SegmentState::kSealed);
          });
      if (known == snapshot_->segments.end()) return false;
      segments_.push_back(known->segment);
    }
    return true;
  }

  // What is not sealed may be closed and half sealed by the time it is copied, and nothing may be
  // appended to it then. What was being made or removed is not copied.
  Expected<void> describe_copy(Catalog& copy, const Catalog::Contents& contents) {
    std::vector<CatalogEntry> closed;
    std::vector<std::uint64_t> gone;
    for (CatalogEntry entry : contents.segments) {
      if (entry.state == SegmentState::kBuilding || entry.state == SegmentState::kDropped)
        gone.push_back(entry.id);
      if (entry.state != SegmentState::kActive) continue;
      entry.state = SegmentState::kClosed;
      closed.push_back(entry);
    }
    return copy.change(closed, gone);
  }

  Expected<void> copy_segments() {
    for (const auto& segment : segments_)
      total_bytes_ += segment->environment() != nullptr
                          ? segment->environment()->file_bytes_used()
                          : sealed(*segment).size();
    for (const auto& segment : segments_) {
      const auto directory = segment_directory(partial_, segment->id());
      if (auto made = make_directory(directory); !made) return made;
      auto copied = segment->environment() != nullptr
                        ? copy_environment(*segment->environment(), directory)
                        : copy_sealed(*segment, directory);
      if (!copied) return copied;
      if (auto synced = sync_directory(directory); !synced) return synced;
      kill_point("backup.after_segment");
    }
    return sync_directory(partial_ / "segments");
  }

  static Bytes sealed(const Segment& segment) {
    return static_cast<const SealedSegment&>(segment).file_contents();
  }

  Expected<void> copy_environment(LmdbEnv& env, const fs::path& directory) {
    auto out = NewFile::create(directory / "data.mdb");
    if (!out) return tl::unexpected(out.error());
    if (auto copied = env.copy_to(**out); !copied) return copied;
    add_progress(env.file_bytes_used());
    return (*out)->finish();
  }

  Expected<void> copy_sealed(const Segment& segment, const fs::path& directory) {
    auto out = NewFile::create(directory / "data.mdb");
    if (!out) return tl::unexpected(out.error());
    for (Bytes left = sealed(segment); !left.empty();) {
      const Bytes chunk = left.first(std::min(left.size(), kChunkBytes));
      if (auto written = (*out)->write(chunk); !written) return written;
      left = left.subspan(chunk.size());
      add_progress(chunk.size());
    }
    return (*out)->finish();
  }

  void add_progress(std::uint64_t bytes) {
    if (total_bytes_ == 0) return;  // state/ alone so far
    done_bytes_ += bytes;
    if (progress_) progress_(std::min(done_bytes_, total_bytes_), total_bytes_);
  }

  // A copy that cannot be opened must not get the name of one that can.
  Expected<void> look_at_copy() {
    auto copy = Log::open_read_only(partial_);
    if (!copy) return tl::unexpected(copy.error());
    const LogInfo info = (*copy)->describe();
    // It would leave one out that it cannot read.
    if (info.segments.size() != segments_.size())
      return fail(ErrorCode::Corruption,
                  fmt::format("a segment of '{}' is damaged, and its copy cannot be read; run "
                              "`runlog verify --repair`", state_.directory.string()));
    report_.runs = info.runs;
    report_.bytes = info.bytes;
    report_.segments = info.segments.size();
    return {};
  }

  Expected<void> remove_content() const {
    for (const char* name : {"segments", "state"})
      if (auto removed = remove_tree(partial_ / name); !removed) return removed;
    return {};
  }

  const LogState& state_;
  const Look& look_;
  const fs::path target_, partial_;
  const BackupProgress& progress_;
  std::unique_ptr<WriterLock> lock_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::vector<std::shared_ptr<const Segment>> segments_;
  std::uint64_t waited_for_ = 0;
  int waits_ = 0, all_waits_ = 0;
  std::uint64_t total_bytes_ = 0, done_bytes_ = 0;
  BackupReport report_;
};

}  // namespace

Expected<BackupReport> back_up(const LogState& state, const Look& look,
                               const std::filesystem::path& directory,
                               const BackupProgress& progress) {
  return Backup(state, look, directory, progress).run();
}

}  // namespace runlog
