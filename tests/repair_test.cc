// verify --repair: afterwards the log opens, everything readable is there, and verify is clean.
#include <fstream>

#include "log/lmdb_env.h"
#include "tests/damaged_log.h"
#include "tests/sanitized.h"

using namespace runlog;
namespace fs = std::filesystem;

namespace {

// Repairs; then the log must be clean, open for writing, take a run, and answer with `expected`.
void repair_to(const DamagedLog& log, const ReadableRuns& expected, bool incomplete) {
  const VerifyReport repaired = log.verify(true);
  CAPTURE(repaired.damage, repaired.repairs);
  CHECK_FALSE(repaired.damage.empty());
  CHECK_FALSE(repaired.repairs.empty());
  const VerifyReport clean = log.verify();
  CAPTURE(clean.damage);
  CHECK(clean.damage.empty());
  {
    auto writer = open_log(log.directory());
    must(writer->append(SampleRun("after the repair").failed("late").run()));
    must(writer->close());
  }
  bool is_incomplete = false;
  ReadableRuns runs = readable_runs(log.directory(), &is_incomplete);
  CHECK(runs.erase("after the repair") == 1);
  CHECK(runs == expected);
  CHECK(is_incomplete == incomplete);
  CHECK(log.verify().damage.empty());
}

std::string id_of(DamagedLog& log, const CatalogEntry& entry, Ordinal ordinal) {
  const auto segment = log.open(entry);
  const auto head = HeadView::open(*segment->record(ordinal), segment->sequence(ordinal));
  must(head);
  std::string id;
  head->append_run_id(id);
  return id;
}

}  // namespace

TEST_CASE("repair of a sound log does nothing") {
  DamagedLog log;
  const VerifyReport report = log.verify(true);
  CHECK(report.damage.empty());
  CHECK(report.repairs.empty());
  CHECK(readable_runs(log.directory()) == log.runs());
}

TEST_CASE("damaged tables are made again from the records and nothing is lost") {
  DamagedLog log;
  const CatalogEntry entry = log.segments(SegmentState::kSealed)[GENERATE(0u, 1u)];
  const SegmentFooter footer = log.open(entry)->footer();
  const auto id = GENERATE(TableId::kAddresses, TableId::kSupersedes, TableId::kIds,
                           TableId::kPostings, TableId::kSequences, TableId::kFlows,
                           TableId::kNames);
  const TablePlace& place = footer.tables[unsigned(id)];
  CAPTURE(entry.id, unsigned(id));
  if (place.bytes == 0) return;
  flip_byte(log.file_of(entry), place.offset + place.bytes / 3);
  repair_to(log, log.runs(), false);
}

TEST_CASE("a damaged footer, tree page or meta page costs nothing") {
  DamagedLog log;
  const CatalogEntry entry = log.segments(SegmentState::kSealed).front();
  SECTION("footer") { flip_byte(log.file_of(entry), entry.footer_offset + 40); }
  SECTION("tree page") {
    flip_byte(log.file_of(entry), log.offset_of(entry, 0) / 4096 * 4096 + 10);
  }
  SECTION("meta page") { flip_byte(log.file_of(entry), 16); }
  repair_to(log, log.runs(), false);
}

TEST_CASE("a damaged record is set aside with its segment, and all others are kept") {
  DamagedLog log;
  const CatalogEntry entry = log.segments(SegmentState::kSealed).back();
  // A visible run of the segment.
  Ordinal ordinal = 0;
  ReadableRuns expected = log.runs();
  for (;; ++ordinal) {
    const std::string id = id_of(log, entry, ordinal);
    // Not one that a later segment replaced.
    if (id.rfind("run 3.", 0) == 0 && ordinal % 3 == 2 && expected.erase(id) == 1) break;
  }
  flip_byte(log.file_of(entry), log.offset_of(entry, ordinal) + 30);
  repair_to(log, expected, true);
  CHECK(fs::exists(log.directory() / "segments" / "quarantine"));
}

TEST_CASE("a segment that is cut keeps what is before the cut") {
  DamagedLog log;
  const CatalogEntry entry = log.segments(SegmentState::kSealed).back();
  fs::resize_file(log.file_of(entry), log.offset_of(entry, 30) / 4096 * 4096);
  const VerifyReport repaired = log.verify(true);
  CHECK_FALSE(repaired.repairs.empty());
  CHECK(log.verify().damage.empty());
  bool incomplete = false;
  const ReadableRuns runs = readable_runs(log.directory(), &incomplete);
  CHECK(incomplete);
  CHECK(runs.size() > 100);
  for (const auto& [id, message] : runs) CHECK(log.runs().count(id) == 1);
}

TEST_CASE("readers answer without a sealed segment that is damaged, also before the repair") {
  for (const bool gone : {false, true}) {
    DamagedLog log;
    const CatalogEntry entry = log.segments(SegmentState::kSealed).back();
    const fs::path file = log.file_of(entry);
    if (gone)
      fs::remove(file);
    else
      fs::resize_file(file, fs::file_size(file) - 1);
    bool incomplete = false;
    const ReadableRuns runs = readable_runs(log.directory(), &incomplete);
    CHECK(incomplete);
    CHECK(runs.size() < log.runs().size());
    std::size_t of_active = 0;
    for (const auto& [id, message] : log.runs()) {
      if (id.rfind("run 4.", 0) != 0) continue;
      ++of_active;
      REQUIRE(runs.count(id) == 1);
      CHECK(runs.at(id) == message);
    }
    CHECK(of_active > 10);
    const auto writer = Log::open(log.directory());
    REQUIRE_FALSE(writer);
    CHECK(writer.error().code == ErrorCode::Corruption);
  }
}

TEST_CASE("a segment that is gone leaves the others readable") {
  DamagedLog log;
  const CatalogEntry entry = log.segments(SegmentState::kSealed).back();
  fs::remove_all(log.file_of(entry).parent_path());
  log.verify(true);
  CHECK(log.verify().damage.empty());
  bool incomplete = false;
  CHECK_FALSE(readable_runs(log.directory(), &incomplete).empty());
  CHECK(incomplete);
}

TEST_CASE("a damaged active segment gives up everything that can be read") {
  DamagedLog log;
  const CatalogEntry active = log.segments(SegmentState::kActive).front();
  flip_byte(log.file_of(active), 16);
  flip_byte(log.file_of(active), 4096 + 16);
  log.verify(true);
  CHECK(log.verify().damage.empty());
  CHECK(readable_runs(log.directory()) == log.runs());
  auto writer = open_log(log.directory());
  must(writer->append(SampleRun("next").run()));
}

TEST_CASE("the catalog is made again from the segments") {
  DamagedLog log;
  const auto state = log.state_file().parent_path();
  std::uint64_t log_id = 0;
  {
    auto catalog = Catalog::open(log.directory(), OpenMode::kRead);
    must(catalog);
    log_id = (*catalog)->identity().log_id;
  }
  SECTION("gone") { fs::remove_all(state); }
  SECTION("emptied") { fs::resize_file(log.state_file(), 0); }
  SECTION("meta pages damaged") {
    flip_byte(log.state_file(), 16);
    flip_byte(log.state_file(), 4096 + 16);
  }
  SECTION("overwritten") {
    std::ofstream out(log.state_file(), std::ios::binary);
    out << std::string(30000, '#');
  }
  repair_to(log, log.runs(), false);
  auto catalog = Catalog::open(log.directory(), OpenMode::kRead);
  must(catalog);
  CHECK((*catalog)->identity().log_id == log_id);
}

TEST_CASE("a rebuilt catalog leaves a merge's inputs and unfinished output out") {
  DamagedLog log;
  const CatalogEntry merged = log.segments(SegmentState::kSealed).front();
  // As if the merge's inputs were not removed yet: a copy of the newest segment under a lower
  // number, whose header says so. Here the copy of a whole segment stands for an unfinished output.
  const CatalogEntry sealed = log.segments(SegmentState::kSealed).back();
  const fs::path copy = segment_directory(log.directory(), 9000);
  fs::create_directories(copy);
  fs::copy_file(log.file_of(sealed), copy / "data.mdb");
  CHECK(merged.base < sealed.base);
  fs::remove_all(log.state_file().parent_path());
  repair_to(log, log.runs(), false);
}

TEST_CASE("a rebuilt catalog prefers a merge's inputs to its damaged output") {
  TempDir dir;
  LogOptions options;
  options.merge = false;
  {
    auto log = open_log(dir.path(), options);
    for (const char* id : {"run_a", "run_b", "run_c"}) {
      must(log->append(SampleRun(id).run()));
      must(log->seal_now());
    }
  }
  const ReadableRuns runs = readable_runs(dir.path());
  const fs::path segments = dir / "segments", inputs = dir / "inputs";
  fs::copy(segments, inputs, fs::copy_options::recursive);
  options.merge = true;
  options.merge_fanout = 3;
  {
    auto log = open_log(dir.path(), options);
    must(log->wait_idle());
    const auto snapshot = *log->snapshot();
    const auto& output = static_cast<const SealedSegment&>(*snapshot->segments[0].segment);
    REQUIRE(snapshot->segments[0].end == 3);
    flip_byte(output.file(),
              std::uint64_t(output.record(1)->data() - output.file_contents().data()) + 30);
  }
  fs::copy(inputs, segments, fs::copy_options::recursive | fs::copy_options::skip_existing);
  fs::remove_all(inputs);
  fs::remove_all(dir / "state");
  VerifyOptions repair;
  repair.repair = true;
  must(verify_log(dir.path(), repair));
  bool incomplete = true;
  CHECK(readable_runs(dir.path(), &incomplete) == runs);
  CHECK(!incomplete);
}

TEST_CASE("what was set aside stays missing when the catalog is made again") {
  DamagedLog log;
  const CatalogEntry entry = log.segments(SegmentState::kSealed).back();
  flip_byte(log.file_of(entry), log.offset_of(entry, 2) + 30);
  log.verify(true);
  bool incomplete = false;
  const ReadableRuns before = readable_runs(log.directory(), &incomplete);
  CHECK(incomplete);
  fs::remove_all(log.state_file().parent_path());
  log.verify(true);
  CHECK(log.verify().damage.empty());
  CHECK(readable_runs(log.directory(), &incomplete) == before);
  CHECK(incomplete);
}

TEST_CASE("a repair does not let sequence numbers be given out again") {
  DamagedLog log;
  const CatalogEntry active = log.segments(SegmentState::kActive).front();
  SequenceNumber last = 0;
  std::uint64_t offset = 0;
  {
    LmdbEnv::Options options;
    options.mode = OpenMode::kRead;
    auto env = LmdbEnv::open(log.file_of(active).parent_path(), options);
    must(env);
    auto read = LmdbRead::begin(**env);
    must(read);
    must(read->scan(LmdbTable::kRecords, 0, [&](std::uint64_t sequence, Bytes record) {
      last = sequence;
      offset = read->file_offset(record);
      return true;
    }));
  }
  flip_byte(log.file_of(active), offset + 30);
  log.verify(true);
  auto writer = open_log(log.directory());
  CHECK(writer->append(SampleRun("next").run())->sequence > last);
}

TEST_CASE("a log whose segments were all set aside has one active segment, however often it is opened") {
  DamagedLog log;
  for (const SegmentState state : {SegmentState::kSealed, SegmentState::kActive})
    for (const CatalogEntry& entry : log.segments(state))
      fs::remove_all(log.file_of(entry).parent_path());
  log.verify(true);
  for (int i = 0; i < 3; ++i) must(open_log(log.directory())->close());
  CHECK(log.segments(SegmentState::kActive).size() == 1);
}

TEST_CASE("a log opens although the head of a superseded run is damaged") {
  TempDir dir;
  LogOptions options;
  options.merge = false;
  std::vector<std::uint64_t> heads;
  {
    auto log = open_log(dir.path(), options);
    must(log->append(SampleRun("run_a").run()));
    must(log->append(SampleRun("run_b").run()));
    must(log->seal_now());
    must(log->append(SampleRun("run_a").failed("later").run()));
    const auto snapshot = *log->snapshot();
    const auto& sealed = static_cast<const SealedSegment&>(*snapshot->segments[0].segment);
    flip_byte(sealed.file(),
              std::uint64_t(sealed.record(0)->data() - sealed.file_contents().data()) + 30);
    must(log->close());
  }
  CHECK(readable_runs(dir.path()) == ReadableRuns{{"run_a", "later"}, {"run_b", ""}});
  auto log = open_log(dir.path(), options);
  // Whoever counts learns that the counts are not exact.
  CHECK_FALSE((*log->snapshot())->incomplete);
  CHECK(log->flows()->snapshot->incomplete);
  CHECK((*log->snapshot())->incomplete);
  CHECK(log->append(SampleRun("run_a").failed("last").run())->outcome ==
        AppendResult::Outcome::kSuperseded);
}

TEST_CASE("segments that overlap in the catalog are sorted out") {
  DamagedLog log;
  {
    CatalogEntry entry = log.segments(SegmentState::kActive).front();
    entry.base -= 10;
    LmdbEnv::Options options;
    options.map_bytes = 1u << 30;
    auto env = LmdbEnv::open(log.state_file().parent_path(), options);
    must(env);
    auto write = LmdbWrite::begin(**env);
    must(write);
    must(write->put(LmdbTable::kSegments, entry.id, sealed_bytes(entry)));
    must(write->commit());
  }
  repair_to(log, log.runs(), false);
}

TEST_CASE("after a flipped byte anywhere, a repaired log is clean and tells nothing untrue") {
  DamagedLog sound;
  std::vector<fs::path> files;
  for (const auto& item : fs::recursive_directory_iterator(sound.directory()))
    if (item.path().filename() == "data.mdb")
      files.push_back(fs::relative(item.path(), sound.directory()));
  REQUIRE(files.size() == 4);
  for (const fs::path& file : files) {
    const std::uint64_t bytes = fs::file_size(sound.directory() / file);
    // A prime step reaches every place within a page sooner or later; the first pages more often.
    for (std::uint64_t at = 0; at < bytes;
         at += one_in(5) * (at < 8192 ? (at % 4096 < 160 ? 7 : 397) : 1511)) {
      TempDir work;
      const fs::path copy = work.path() / "log";
      fs::copy(sound.directory(), copy, fs::copy_options::recursive);
      flip_byte(copy / file, at);
      CAPTURE(file.string(), at);
      VerifyOptions options;
      options.repair = true;
      const auto repaired = verify_log(copy, options);
      must(repaired);
      const auto clean = verify_log(copy);
      must(clean);
      CAPTURE(repaired->damage, repaired->repairs, clean->damage);
      REQUIRE(clean->damage.empty());
      bool incomplete = false;
      const ReadableRuns runs = readable_runs(copy, &incomplete);
      if (!incomplete) {
        REQUIRE(runs == sound.runs());
        continue;
      }
      // At most what stood in one record, or what used one name, is missing.
      std::size_t missing = 0;
      for (const auto& [id, message] : sound.runs()) missing += runs.count(id) == 0 ? 1 : 0;
      REQUIRE(missing <= 60 / 7 + 1);
      REQUIRE(open_log(copy)->append(SampleRun("one more").run()));
    }
  }
}
