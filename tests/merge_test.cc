// Merging as the maintenance does it: what is chosen, and what is left when it cannot be done.
#include "log/merge.h"

#include "log/log_open.h"
#include "tests/damaged_log.h"

using namespace runlog;
namespace fs = std::filesystem;

namespace {

// A log of `parts` sealed segments with ten runs each, and an empty active one.
void make_parts(const fs::path& directory, unsigned parts) {
  LogOptions options;
  options.merge = false;
  options.train_dictionary = false;
  auto log = open_log(directory, options);
  for (unsigned part = 0; part < parts; ++part) {
    for (unsigned i = 0; i < 10; ++i)
      must(log->append(SampleRun("run " + std::to_string(10 * part + i)).run()));
    must(log->seal_now());
  }
  must(log->close());
}

std::vector<CatalogEntry> sealed_entries(const fs::path& directory) {
  auto catalog = Catalog::open(directory, OpenMode::kRead);
  must(catalog);
  auto contents = (*catalog)->read();
  must(contents);
  std::erase_if(contents->segments,
                [](const CatalogEntry& entry) { return entry.state != SegmentState::kSealed; });
  return contents->segments;
}

fs::path file_of(const fs::path& directory, const CatalogEntry& entry) {
  return segment_directory(directory, entry.id) / "data.mdb";
}

std::vector<std::uint64_t> runs_of_segments(Log& log) {
  std::vector<std::uint64_t> runs;
  for (const SegmentInfo& segment : log.describe().segments) runs.push_back(segment.runs);
  return runs;
}

}  // namespace

TEST_CASE("a merge takes no more segments than stay within its bound together") {
  TempDir dir;
  make_parts(dir.path(), 4);
  // Each becomes as large as a segment of a few million runs; the disk keeps only what was written.
  std::vector<CatalogEntry> entries = sealed_entries(dir.path());
  for (CatalogEntry& entry : entries) {
    entry.file_bytes = 300u << 20;
    fs::resize_file(file_of(dir.path(), entry), entry.file_bytes);
  }
  {
    auto catalog = Catalog::open(dir.path(), OpenMode::kWrite);
    must(catalog);
    must((*catalog)->change(entries));
  }
  LogOptions options;
  options.merge_fanout = 4;
  auto log = open_log(dir.path(), options);
  must(log->wait_idle());
  CHECK(runs_of_segments(*log) == std::vector<std::uint64_t>{30, 10, 0});
}

TEST_CASE("a merge that is told to stop leaves nothing behind") {
  TempDir dir;
  make_parts(dir.path(), 3);
  const LogOptions options;
  auto opened = open_for_writing(dir.path(), options);
  must(opened);
  LogState& state = *opened->state;
  const auto before = state.catalog->read();
  must(before);
  const std::atomic<bool> stop = true;
  Archived archived;
  const auto merged = merge_segments(state, {0, 3}, stop, archived);
  REQUIRE(!merged);
  CHECK(merged.error().code == ErrorCode::Closed);
  const auto after = state.catalog->read();
  must(after);
  CHECK(after->segments.size() == before->segments.size());
  CHECK(!fs::exists(segment_directory(dir.path(), before->next_segment_id)));
}

TEST_CASE("a damaged segment is left as it is, said to be the reason, and others are merged") {
  TempDir dir;
  make_parts(dir.path(), 6);
  const CatalogEntry second = sealed_entries(dir.path())[1];
  {
    NameTable names;
    Dictionaries dictionaries;
    auto catalog = Catalog::open(dir.path(), OpenMode::kRead);
    must(catalog);
    auto segment = SealedSegment::open(dir.path(), second, (*catalog)->identity().log_id, names,
                                       dictionaries);
    must(segment);
    const auto at = (*segment)->record(3)->data() - (*segment)->file_contents().data();
    flip_byte(file_of(dir.path(), second), std::uint64_t(at) + 30);
  }
  LogOptions options;
  options.merge_fanout = 2;
  auto log = open_log(dir.path(), options);
  for (int i = 0; i < 2; ++i) {
    const auto idle = log->wait_idle();
    REQUIRE(!idle);
    CHECK(idle.error().code == ErrorCode::Corruption);
    CHECK(log->describe().problem == idle.error().message);
    CHECK(idle.error().message.find(file_of(dir.path(), second).string()) != std::string::npos);
  }
  CHECK(runs_of_segments(*log) == std::vector<std::uint64_t>{10, 10, 40, 0});
}
