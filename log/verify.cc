#include "log/verify.h"

#include <algorithm>
#include <iterator>
#include <set>

#include <fmt/format.h>

#include "log/counters_check.h"
#include "log/file_io.h"
#include "log/paused_check.h"
#include "log/retention_state.h"
#include "log/segment.h"
#include "log/verification.h"

namespace runlog {
namespace {

namespace fs = std::filesystem;

// How often a verification starts again because the writer changed what it looked at.
constexpr unsigned kTries = 10;

// ---- the catalog ----------------------------------------------------------------------------

class CatalogCheck {
 public:
  explicit CatalogCheck(const fs::path& log) : file_(log / "state" / "data.mdb") {}

  // Errors: IoError; Busy. Damage is appended to `damage`.
  Expected<std::optional<CatalogState>> run(Writer writer, std::vector<std::string>& damage) {
    const auto read = read_entries(
        file_.parent_path(), writer, {}, [&] { restart(); },
        [&](const std::string& table, std::uint64_t key, Bytes value) { visit(table, key, value); });
    if (!read) {
      if (read.error().code == ErrorCode::NotFound)
        damage.push_back(fmt::format("there are segments but no catalog: '{}' is missing",
                                     file_.string()));
      else if (read.error().code == ErrorCode::Corruption)
        damage.push_back(read.error().message);
      else
        return tl::unexpected(read.error());
      return std::nullopt;
    }
    if (!has_identity_) report("the log's identity is missing");
    if (!has_generation_) report("the catalog's generation is missing");
    for (const CatalogEntry& entry : state_.segments)
      if (entry.id >= state_.generation.next_segment_id && has_generation_)
        report(fmt::format("segment {} has a number that was not given out yet", entry.id));
    damage.insert(damage.end(), problems_.begin(), problems_.end());
    paused_.finish(writer == Writer::kNone);
    for (const std::string& problem : paused_.problems())
      damage.push_back(fmt::format("'{}' is damaged: {}", file_.string(), problem));
    for (const std::string& problem : retention_problems_)
      damage.push_back(fmt::format("'{}' is damaged: {}", file_.string(), problem));
    counters_.finish();
    for (const std::string& problem : counters_.problems())
      damage.push_back(fmt::format("'{}' is damaged: {}", file_.string(), problem));
    if (!problems_.empty()) return std::nullopt;
    state_.damaged_counter_keys = counters_.damaged_keys();
    state_.paused_changes = paused_.changes();
    state_.damaged_paused_keys = paused_.damaged_keys();
    state_.is_paused_damaged = !paused_.problems().empty();
    std::sort(state_.segments.begin(), state_.segments.end(),
              [](const CatalogEntry& a, const CatalogEntry& b) {
                return std::pair(a.base, a.id) < std::pair(b.base, b.id);
              });
    return state_;
  }

 private:
  void report(const std::string& what) {
    problems_.push_back(fmt::format("'{}' is damaged: {}", file_.string(), what));
  }

  void restart() {
    problems_.clear();
    state_ = {};
    paused_ = {};
    counters_ = {};
    retention_problems_.clear();
    has_identity_ = has_generation_ = false;
  }

  void visit(const std::string& table, std::uint64_t key, Bytes value) {
    if (table == "t" && key == kIdentityKey) {
      const auto identity = read_sealed<LogIdentity>(value);
      has_identity_ = true;
      if (!identity || identity->magic != LogIdentity::kMagic || identity->version != 1)
        report("the log's identity fails its checksum");
      else
        state_.identity = *identity;
    } else if (table == "t" && key == kGenerationKey) {
      const auto generation = read_sealed<CatalogGeneration>(value);
      has_generation_ = true;
      if (!generation)
        report("the catalog's generation fails its checksum");
      else
        state_.generation = *generation;
    } else if (table == "t" && key >= kPausedBase) {
      paused_.visit(key, value);
    } else if (table == "t" && is_counter_key(key)) {
      counters_.visit(key, value);
    } else if (table == "t") {
      StoredRetention ignored;
      if (auto taken = take_retention_entry(key, value, ignored); !taken) {
        retention_problems_.push_back(taken.error().message);
        state_.damaged_retention_keys.insert(key);
      }
    } else if (table == "s") {
      const auto entry = read_sealed<CatalogEntry>(value);
      if (!entry || entry->id != key || entry->version != kSegmentFormatVersion)
        report(fmt::format("the catalog's entry for segment {} fails its checksum", key));
      else
        state_.segments.push_back(*entry);
    }
  }

  fs::path file_;
  CatalogState state_;
  PausedCheck paused_;
  CountersCheck counters_;
  std::vector<std::string> retention_problems_;
  std::vector<std::string> problems_;
  bool has_identity_ = false, has_generation_ = false;
};

// ---- the whole log --------------------------------------------------------------------------

bool is_in_use(const CatalogEntry& entry) {
  return entry.state == SegmentState::kActive || entry.state == SegmentState::kClosed ||
         entry.state == SegmentState::kSealed;
}

class LogCheck {
 public:
  LogCheck(const fs::path& log, Writer writer, const VerifyProgress& progress)
      : log_(log), progress_(progress) {
    context_.log = log;
    context_.writer = writer;
    context_.names = &names_;
    context_.dictionaries = &dictionaries_;
  }

  Expected<Verification> run() {
    auto catalog = CatalogCheck(log_).run(context_.writer, found_.report.damage);
    if (!catalog) return tl::unexpected(catalog.error());
    found_.catalog = *catalog;
    note_unknown_directories();
    if (!found_.catalog) return std::move(found_);

    context_.log_id = found_.catalog->identity.log_id;
    measure();
    for (const CatalogEntry& entry : found_.catalog->segments)
      if (auto done = check(entry); !done) return tl::unexpected(done.error());
    check_order();
    if (found_.report.damage.empty()) check_visible_once();
    return std::move(found_);
  }

 private:
  void measure() {
    for (const CatalogEntry& entry : found_.catalog->segments)
      if (is_in_use(entry))
        total_bytes_ += file_bytes(segment_directory(log_, entry.id) / "data.mdb").value_or(0);
    context_.progress = [this](std::uint64_t bytes) {
      if (progress_) progress_(std::min(done_bytes_ + bytes, total_bytes_), total_bytes_);
    };
  }

  Expected<void> check(const CatalogEntry& entry) {
    switch (entry.state) {
      case SegmentState::kActive:
      case SegmentState::kClosed:
      case SegmentState::kSealed:
        return check_segment(entry);
      case SegmentState::kBuilding:
        note(entry, "was being made when the log was last closed; the next open removes it");
        return check_forgotten(entry);
      case SegmentState::kDropped:
        note(entry, "was merged into another; the next open removes it");
        return {};
      case SegmentState::kQuarantined:
        ++found_.report.set_aside;
        note(entry, "was set aside by a repair; answers are incomplete without it");
        return {};
    }
    found_.report.damage.push_back(fmt::format("'{}' is damaged: segment {} has an unknown state",
                                               (log_ / "state" / "data.mdb").string(), entry.id));
    return {};
  }

  void note(const CatalogEntry& entry, const char* what) {
    if (context_.writer != Writer::kNone && entry.state != SegmentState::kQuarantined) return;
    found_.report.notes.push_back(
        fmt::format("'{}' {}", segment_directory(log_, entry.id).string(), what));
  }

  Expected<void> check_segment(const CatalogEntry& entry) {
    auto verdict = entry.state == SegmentState::kSealed ? verify_sealed(context_, entry)
                                                        : verify_unsealed(context_, entry);
    if (!verdict) return tl::unexpected(verdict.error());
    auto& report = found_.report;
    ++report.segments;
    report.records += verdict->records;
    report.bytes += verdict->bytes;
    report.damage.insert(report.damage.end(), verdict->damage.begin(), verdict->damage.end());
    report.notes.insert(report.notes.end(), verdict->notes.begin(), verdict->notes.end());
    done_bytes_ += verdict->bytes;
    context_.progress(0);
    found_.segments.push_back(std::move(*verdict));
    return {};
  }

  // A segment that comes after all others and holds runs was in use, whatever the catalog says.
  Expected<void> check_forgotten(const CatalogEntry& building) {
    if (context_.writer != Writer::kNone) return {};
    for (const CatalogEntry& entry : found_.catalog->segments)
      if (is_in_use(entry) &&
          (entry.base > building.base ||
           (entry.base == building.base && entry.state == SegmentState::kSealed)))
        return {};
    auto verdict = verify_unsealed(context_, building);
    if (!verdict) return tl::unexpected(verdict.error());
    if (verdict->records == 0) return {};
    found_.report.damage.push_back(
        fmt::format("'{}' is damaged: it is older than the segment '{}', which holds {} records",
                    (log_ / "state" / "data.mdb").string(), verdict->directory.string(),
                    verdict->records));
    found_.forgotten.push_back(std::move(*verdict));
    return {};
  }

  void check_order() {
    for (std::size_t i = 1; i < found_.segments.size(); ++i) {
      const SegmentVerdict &before = found_.segments[i - 1], &after = found_.segments[i];
      if (before.end <= after.entry.base) continue;
      found_.overlaps = true;
      found_.report.damage.push_back(
          fmt::format("the segments '{}' and '{}' overlap at record {}", before.directory.string(),
                      after.directory.string(), after.entry.base));
    }
  }

  // Of the records of one run only the newest is visible. Compares hashes of ids: two runs with the
  // same one are less likely than an error of the disk that no checksum finds.
  void check_visible_once() {
    std::vector<SequenceNumber> hidden;
    for (const SegmentVerdict& segment : found_.segments)
      hidden.insert(hidden.end(), segment.hidden.begin(), segment.hidden.end());
    std::sort(hidden.begin(), hidden.end());
    std::vector<SeenRun> visible;
    for (SegmentVerdict& segment : found_.segments) {
      std::copy_if(segment.runs.begin(), segment.runs.end(), std::back_inserter(visible),
                   [&](const SeenRun& run) {
                     return !std::binary_search(hidden.begin(), hidden.end(), run.sequence);
                   });
      segment.runs = {};
    }
    std::sort(visible.begin(), visible.end(), [](const SeenRun& a, const SeenRun& b) {
      return std::pair(a.id_hash, a.sequence) < std::pair(b.id_hash, b.sequence);
    });
    for (std::size_t i = 1; i < visible.size(); ++i)
      if (visible[i - 1].id_hash == visible[i].id_hash)
        found_.report.damage.push_back(
            fmt::format("'{}' is damaged: the records {} and {} are of one run, and both are visible",
                        log_.string(), visible[i - 1].sequence, visible[i].sequence));
  }

  void note_unknown_directories() {
    std::set<std::string> known = {"quarantine"};
    if (found_.catalog)
      for (const CatalogEntry& entry : found_.catalog->segments)
        known.insert(segment_directory(log_, entry.id).filename().string());
    std::error_code ignored;
    if (found_.catalog && context_.writer == Writer::kNone)
      for (const auto& entry : fs::directory_iterator(log_ / "segments", ignored))
        if (known.count(entry.path().filename().string()) == 0)
          found_.report.notes.push_back(
              fmt::format("'{}' is not in the catalog", entry.path().string()));
    for (const auto& entry : fs::directory_iterator(log_, ignored)) {
      const std::string name = entry.path().filename().string();
      if (name != "state" && name != "segments" && name != "LOCK")
        found_.report.notes.push_back(
            fmt::format("'{}' is no part of the log", entry.path().string()));
    }
  }

  const fs::path& log_;
  const VerifyProgress& progress_;
  NameTable names_;
  Dictionaries dictionaries_;
  VerifyContext context_;
  Verification found_;
  std::uint64_t total_bytes_ = 0, done_bytes_ = 0;
};

bool is_log(const fs::path& directory) {
  std::error_code ignored;
  return fs::exists(directory / "state" / "data.mdb", ignored) ||
         (fs::exists(directory / "segments", ignored) &&
          !fs::is_empty(directory / "segments", ignored));
}

// Whether a writer has changed the catalog since.
Expected<bool> has_moved_on(const fs::path& log, Writer writer, const Verification& found) {
  const auto now = find_writer(log);
  if (!now) return tl::unexpected(now.error());
  if (*now != writer) return true;
  if (writer == Writer::kNone) return false;
  std::vector<std::string> ignored;
  auto catalog = CatalogCheck(log).run(*now, ignored);
  if (!catalog) return tl::unexpected(catalog.error());
  return catalog->has_value() != found.catalog.has_value() ||
         (*catalog &&
          ((*catalog)->generation.generation != found.catalog->generation.generation ||
           (*catalog)->paused_changes != found.catalog->paused_changes));
}

Expected<VerifyReport> look_only(const fs::path& log, const VerifyOptions& options) {
  for (unsigned i = 1;; ++i) {
    const auto writer = find_writer(log);
    if (!writer) return tl::unexpected(writer.error());
    auto found = verify_files(log, *writer, options.progress);
    if (!found) return tl::unexpected(found.error());
    if (found->report.damage.empty() || i == kTries) return std::move(found->report);
    const auto moved = has_moved_on(log, *writer, *found);
    if (!moved) return tl::unexpected(moved.error());
    if (!*moved) return std::move(found->report);
  }
}

}  // namespace

Expected<Verification> verify_files(const fs::path& log, Writer writer,
                                    const VerifyProgress& progress) {
  return LogCheck(log, writer, progress).run();
}

Expected<VerifyReport> verify_log(const fs::path& directory, const VerifyOptions& options) {
  if (!is_log(directory))
    return fail(ErrorCode::NotFound, fmt::format("there is no log in '{}'", directory.string()));
  if (!options.repair) return look_only(directory, options);

  const auto lock = WriterLock::take(directory / "LOCK");
  if (!lock) return tl::unexpected(lock.error());
  auto found = verify_files(directory, Writer::kNone, options.progress);
  if (!found) return tl::unexpected(found.error());
  if (found->report.damage.empty()) return std::move(found->report);
  if (auto repaired = repair_files(directory, *found); !repaired)
    return tl::unexpected(repaired.error());
  return std::move(found->report);
}

}  // namespace runlog
