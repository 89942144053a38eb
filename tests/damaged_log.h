// A log with everything in it, and ways to break it: what the tests of verify and repair share.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "log/active_segment.h"
#include "log/catalog.h"
#include "log/file_io.h"
#include "log/log.h"
#include "log/sealed_segment.h"
#include "log/verify.h"
#include "tests/log_fixture.h"

namespace runlog {

// Visible runs: id → error message (empty if the run completed).
using ReadableRuns = std::map<std::string, std::string>;

inline ReadableRuns readable_runs(const std::filesystem::path& directory, bool* incomplete = nullptr) {
  auto log = Log::open_read_only(directory);
  if (!log) FAIL(log.error().message);
  auto snapshot = (*log)->snapshot();
  if (!snapshot) FAIL(snapshot.error().message);
  if (incomplete != nullptr) *incomplete = (*snapshot)->incomplete;
  ReadableRuns runs;
  RecordReader reader(**snapshot);
  for (std::size_t i = 0; i < (*snapshot)->segments.size(); ++i) {
    const SegmentView& view = (*snapshot)->segments[i];
    for (Ordinal ordinal = 0; ordinal < view.end; ++ordinal) {
      if (view.is_dead(ordinal)) continue;
      const auto record = reader.read(i, ordinal);
      must(record);
      TextArena arena;
      Run run;
      must(decode_run(*record, view.sequence(ordinal), *(*snapshot)->names,
                      (*snapshot)->dictionaries.get(), arena, run));
      CHECK(runs.emplace(run.run_id, run.error ? std::string(run.error->message.value_or("")) : "")
                .second);
    }
  }
  return runs;
}

// A log of a merged, a sealed and an active segment, with runs that supersede each other across
// and within segments.
class DamagedLog {
 public:
  DamagedLog() {
    LogOptions options;
    options.merge_fanout = 3;
    options.train_dictionary = false;
    auto log = open_log(directory(), options);
    for (unsigned part = 0; part < 4; ++part) {
      append(*log, part, 0, 60);
      must(log->seal_now());
    }
    append(*log, 4, 0, 60);
    must(log->close());
    runs_ = readable_runs(directory());
    REQUIRE(verify().damage.empty());
    REQUIRE(segments(SegmentState::kSealed).size() == 2);
    REQUIRE(segments(SegmentState::kActive).size() == 1);
  }

  const std::filesystem::path& directory() const { return dir_.path(); }
  const ReadableRuns& runs() const { return runs_; }
  std::filesystem::path state_file() const { return directory() / "state" / "data.mdb"; }

  VerifyReport verify(bool repair = false) const {
    VerifyOptions options;
    options.repair = repair;
    auto report = verify_log(directory(), options);
    must(report);
    return *report;
  }

  std::vector<CatalogEntry> segments(SegmentState state) const {
    auto catalog = Catalog::open(directory(), OpenMode::kRead);
    must(catalog);
    std::vector<CatalogEntry> found;
    const auto contents = (*catalog)->read();
    must(contents);
    for (const CatalogEntry& entry : contents->segments)
      if (entry.state == state) found.push_back(entry);
    return found;
  }
  std::filesystem::path file_of(const CatalogEntry& entry) const {
    return segment_directory(directory(), entry.id) / "data.mdb";
  }
  std::shared_ptr<SealedSegment> open(const CatalogEntry& entry) {
    auto catalog = Catalog::open(directory(), OpenMode::kRead);
    must(catalog);
    auto segment = SealedSegment::open(directory(), entry, (*catalog)->identity().log_id, names_,
                                       dictionaries_);
    must(segment);
    return *segment;
  }
  // Where a record of a sealed segment begins in its file.
  std::uint64_t offset_of(const CatalogEntry& entry, Ordinal ordinal) {
    const auto segment = open(entry);
    return std::uint64_t(segment->record(ordinal)->data() - segment->file_contents().data());
  }

 private:
  // Every third run replaces one of an earlier segment, every tenth one of its own.
  static void append(Log& log, unsigned part, unsigned from, unsigned to) {
    Batch batch = log.make_batch();
    for (unsigned i = from; i < to; ++i) {
      std::string id = "run " + std::to_string(part) + "." + std::to_string(i);
      if (i % 3 == 1 && part > 0) id = "run " + std::to_string(part - 1) + "." + std::to_string(i);
      if (i % 10 == 9) id = "run " + std::to_string(part) + "." + std::to_string(i - 9);
      SampleRun run(id, "flow " + std::to_string(i % 7) + " of " + std::to_string(part));
      if (i % 4 != 0) run.failed("failure " + std::to_string(part * 1000 + i));
      must(batch.add(run.run()));
    }
    must(log.append(std::move(batch)));
  }

  TempDir dir_;
  ReadableRuns runs_;
  NameTable names_;
  Dictionaries dictionaries_;
};

inline void flip_byte(const std::filesystem::path& file, std::uint64_t at) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(fd >= 0);
  unsigned char byte = 0;
  REQUIRE(::pread(fd, &byte, 1, off_t(at)) == 1);
  byte ^= 0x5A;
  REQUIRE(::pwrite(fd, &byte, 1, off_t(at)) == 1);
  ::close(fd);
}

// Changes a byte in each copy of `text` in the file; returns how many there were.
inline unsigned damage_text(const std::filesystem::path& file, const std::string& text) {
  std::ifstream in(file, std::ios::binary);
  std::string content((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  unsigned found = 0;
  for (std::size_t at = 0; (at = content.find(text, at)) != std::string::npos; ++at, ++found)
    flip_byte(file, at + text.size() - 1);
  return found;
}

// The same in all files of a directory; there must be a copy.
inline void damage_text_below(const std::filesystem::path& directory, const std::string& text) {
  unsigned found = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
    if (entry.is_regular_file()) found += damage_text(entry.path(), text);
  REQUIRE(found > 0);
}

inline bool mentions(const std::vector<std::string>& sentences, const std::string& text) {
  for (const std::string& sentence : sentences)
    if (sentence.find(text) != std::string::npos) return true;
  return false;
}

}  // namespace runlog
