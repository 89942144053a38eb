#include "log/archive.h"

#include <memory>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "log/archive_file.h"
#include "log/file_io.h"
#include "log/json_writer.h"
#include "log/kill_point.h"
#include "log/retention.h"
#include "log/run_json.h"
#include "log/xxh.h"

namespace runlog {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDataSuffix = ".ndjson.zst";
constexpr const char* kManifestSuffix = ".json";
constexpr const char* kPartialSuffix = ".partial";
// Files of one segment's name that other histories of the log have made, see SegmentArchive::name().
constexpr unsigned kMaxNumber = 1000;

fs::path with(fs::path path, const char* suffix) { return path += suffix; }

std::string hex(std::uint64_t value) { return fmt::format("{:016x}", value); }

// Writes the hidden runs of one segment.
class SegmentArchive {
 public:
  SegmentArchive(LogState& state, const Snapshot& snapshot, std::size_t position,
                 const fs::path& directory, const std::atomic<bool>& stop)
      : state_(state),
        snapshot_(snapshot),
        position_(position),
        view_(snapshot.segments[position]),
        directory_(directory),
        stop_(stop),
        reader_(snapshot) {}

  Expected<Archived> run() {
    const OrdinalSet runs = state_.retention->expired_in(snapshot_, position_);
    if (runs.is_empty()) return Archived();
    auto place = find_place(runs);
    if (!place) return tl::unexpected(place.error());
    if (place->empty()) return Archived();  // all of them are archived already
    auto written = write(runs, *place);
    if (!written) {
      for (const char* suffix : {kDataSuffix, kManifestSuffix})
        (void)remove_file(with(with(*place, suffix), kPartialSuffix));
      return tl::unexpected(written.error());
    }
    return written;
  }

 private:
  // The name says which records the segment has, so that a call that is made again replaces what an
  // interrupted one has left. Another copy of the log, that goes on by itself, may have archived other
  // runs of the segment: its files stay. Empty if a file has all of the runs.
  Expected<fs::path> find_place(const OrdinalSet& runs) {
    const auto range =
        fmt::format("{}-{:012}-{:012}-{}", hex(snapshot_.log_id), view_.sequence(0),
                    view_.sequence(view_.end - 1), view_.segment->id());
    std::unordered_set<std::uint64_t> lines;  // hashes
    for (unsigned number = 1; number <= kMaxNumber; ++number) {
      const fs::path place = directory_ / fmt::format("{}-{}", range, number);
      const auto bytes = file_bytes(with(place, kDataSuffix));
      if (!bytes && bytes.error().code == ErrorCode::NotFound) return place;
      if (!bytes) return tl::unexpected(bytes.error());
      if (lines.empty())
        if (auto read = hash_lines(runs, lines); !read) return tl::unexpected(read.error());
      auto found = compare(with(place, kDataSuffix), lines);
      if (!found) return tl::unexpected(found.error());
      if (*found == Found::kNothingElse) return place;
      if (*found == Found::kAllAndMore && file_bytes(with(place, kManifestSuffix))) return fs::path();
    }
    return fail(ErrorCode::IoError,
                fmt::format("there are {} files of '{}-…' already", kMaxNumber, range));
  }

  Expected<void> hash_lines(const OrdinalSet& runs, std::unordered_set<std::uint64_t>& lines) {
    const auto ordinals = runs.read(view_.end, Direction::kOldestFirst);
    Ordinal ordinal = 0;
    while (ordinals->next({&ordinal, 1}) == 1) {
      auto line = read_line(ordinal);
      if (!line) return tl::unexpected(line.error());
      lines.insert(XXH3_64bits(line->data(), line->size()));
    }
    return {};
  }

  // What a file has of the lines that are to be written, and beside them.
  enum class Found { kNothingElse, kAllAndMore, kOther };
  static Expected<Found> compare(const fs::path& file,
                                 const std::unordered_set<std::uint64_t>& lines) {
    std::unordered_set<std::uint64_t> same;
    bool has_more = false;
    auto read = read_archive_file(file, [&](std::string_view line) -> Expected<void> {
      const std::uint64_t hash = XXH3_64bits(line.data(), line.size());
      if (lines.count(hash) == 0)
        has_more = true;
      else
        same.insert(hash);
      return {};
    });
    if (!read && read.error().code == ErrorCode::Corruption) return Found::kOther;
    if (!read) return tl::unexpected(read.error());
    if (!has_more) return Found::kNothingElse;
    return same.size() == lines.size() ? Found::kAllAndMore : Found::kOther;
  }

  Expected<std::string> read_line(Ordinal ordinal) {
    auto record = reader_.read(position_, ordinal);
    if (!record) return tl::unexpected(record.error());
    TextArena arena;
    Run run;
    auto decoded = decode_run(*record, view_.sequence(ordinal), *snapshot_.names,
                              snapshot_.dictionaries.get(), arena, run);
    if (!decoded)
      return tl::unexpected(reader_.with_place(decoded.error(), position_, ordinal));
    std::string line;
    write_json(run, line);
    return line;
  }

  Expected<Archived> write(const OrdinalSet& runs, const fs::path& place) {
    const fs::path data = with(place, kDataSuffix), manifest = with(place, kManifestSuffix);
    auto content = write_runs(runs, with(data, kPartialSuffix));
    if (!content) return tl::unexpected(content.error());
    const std::string text = manifest_of(runs, *content, data.filename().string());
    if (auto done = write_text(text, with(manifest, kPartialSuffix)); !done)
      return tl::unexpected(done.error());
    kill_point("archive.before_rename");
    // At no moment does a manifest stand beside another file's data.
    if (auto removed = remove_file(manifest); !removed) return tl::unexpected(removed.error());
    if (auto moved = move_entry(with(data, kPartialSuffix), data); !moved)
      return tl::unexpected(moved.error());
    kill_point("archive.before_manifest");
    if (auto moved = move_entry(with(manifest, kPartialSuffix), manifest); !moved)
      return tl::unexpected(moved.error());
    kill_point("archive.after_manifest");
    return Archived{content->runs, content->bytes + text.size()};
  }

  // Writes the data and reads it back.
  Expected<ArchiveContent> write_runs(const OrdinalSet& runs, const fs::path& file) {
    auto writer = ArchiveWriter::create(file);
    if (!writer) return tl::unexpected(writer.error());
    const auto ordinals = runs.read(view_.end, Direction::kOldestFirst);
    Ordinal ordinal = 0;
    while (ordinals->next({&ordinal, 1}) == 1) {
      if (stop_) return fail(ErrorCode::Closed, "the log was closed while runs were archived");
      auto line = read_line(ordinal);
      if (!line) return tl::unexpected(line.error());
      if (auto added = (*writer)->add(*line); !added) return tl::unexpected(added.error());
    }
    kill_point("archive.before_sync");
    auto written = (*writer)->finish();
    if (!written) return written;
    auto found = read_archive_file(file, [](std::string_view) { return Expected<void>(); });
    if (found && *found == *written) return written;
    return fail(ErrorCode::IoError,
                fmt::format("'{}' does not read back as it was written{}", file.string(),
                            found ? "" : ": " + found.error().message));
  }

  UnixMs recorded_at(Ordinal ordinal) {
    const auto record = reader_.read(position_, ordinal);
    const auto head = record ? HeadView::open(*record, view_.sequence(ordinal))
                             : tl::unexpected(record.error());
    return head ? head->recorded_at() : 0;
  }

  std::string manifest_of(const OrdinalSet& runs, const ArchiveContent& content,
                          const std::string& file) {
    Ordinal first = 0, last = 0;
    (void)runs.read(view_.end, Direction::kOldestFirst)->next({&first, 1});
    (void)runs.read(view_.end, Direction::kNewestFirst)->next({&last, 1});
    std::string text;
    JsonWriter json(text);
    const auto say = [&](const char* name, std::string_view value) {
      json.key(name);
      json.text(value);
    };
    const auto count = [&](const char* name, std::uint64_t value) {
      json.key(name);
      json.number(std::int64_t(value));
    };
    json.begin_object();
    say("format", "runlog archive");
    count("version", 1);
    say("logId", hex(snapshot_.log_id));
    count("segment", view_.segment->id());
    count("runs", content.runs);
    count("firstSequence", view_.sequence(first));
    count("lastSequence", view_.sequence(last));
    say("recordedFrom", format_time(recorded_at(first)));
    say("recordedTo", format_time(recorded_at(last)));
    say("archivedAt", format_time(state_.now()));
    say("file", file);
    count("bytes", content.bytes);
    say("xxh3", hex(content.checksum));
    count("jsonBytes", content.json_bytes);
    say("jsonXxh3", hex(content.json_checksum));
    json.end_object();
    return text + "\n";
  }

  static Expected<void> write_text(const std::string& text, const fs::path& path) {
    auto file = NewFile::create(path);
    if (!file) return tl::unexpected(file.error());
    auto done = (*file)->write(std::as_bytes(std::span(text)));
    return done ? (*file)->finish() : done;
  }

  LogState& state_;
  const Snapshot& snapshot_;
  const std::size_t position_;
  const SegmentView& view_;
  const fs::path directory_;
  const std::atomic<bool>& stop_;
  RecordReader reader_;
};

}  // namespace

Expected<void> make_archive(const std::string& archive, const fs::path& log) {
  if (is_within(archive, log))
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the archive '{}' would lie within the log itself", archive));
  if (auto made = make_directory(archive); !made)
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the archive cannot be used: {}", made.error().message));
  return {};
}

Expected<Archived> archive_segment(LogState& state, const Snapshot& snapshot, std::size_t position,
                                   const std::atomic<bool>& stop) {
  const std::string directory = state.retention->policy().archive;
  if (directory.empty() || !snapshot.segments[position].dead) return Archived();
  auto done = SegmentArchive(state, snapshot, position, directory, stop).run();
  if (done) return done;
  const Error& error = done.error();
  if (error.code == ErrorCode::Corruption || error.code == ErrorCode::Closed) return done;
  return fail(ErrorCode::ArchiveFailed,
              fmt::format("runs cannot be archived in '{}', and stay in the log: {}", directory,
                          error.message));
}

}  // namespace runlog
