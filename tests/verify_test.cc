// verify: damage of every kind is reported with its place, and a sound log is sound.
#include "log/verify.h"

#include <fstream>
#include <iterator>

#include "log/entry_source.h"
#include "log/lmdb_env.h"
#include "log/log_open.h"
#include "log/segment.h"
#include "log/segment_format.h"
#include "tests/damaged_log.h"

using namespace runlog;
namespace fs = std::filesystem;

namespace {

void expect_damage(const DamagedLog& log, const std::string& place, const std::string& what) {
  const VerifyReport report = log.verify();
  CAPTURE(report.damage);
  CHECK(mentions(report.damage, place));
  CHECK(mentions(report.damage, what));
  CHECK(report.repairs.empty());
}

// Opens a file with LMDB, as only our own bug would, and changes an entry.
void put_entry(const fs::path& directory, LmdbTable table, std::uint64_t key,
               std::span<const std::byte> value) {
  LmdbEnv::Options options;
  options.map_bytes = 1u << 30;
  auto env = LmdbEnv::open(directory, options);
  must(env);
  auto write = LmdbWrite::begin(**env);
  must(write);
  must(write->put(table, key, value));
  must(write->commit());
}

}  // namespace

TEST_CASE("a sound log is found sound, and everything is counted") {
  DamagedLog log;
  const VerifyReport report = log.verify();
  CHECK(report.damage.empty());
  CHECK(report.segments == 3);
  CHECK(report.records >= log.runs().size());
  CHECK(report.bytes > 0);
}

TEST_CASE("verify tells its progress and ends at the whole") {
  DamagedLog log;
  std::uint64_t last = 0, whole = 0;
  VerifyOptions options;
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    CHECK(done >= last);
    CHECK(done <= total);
    last = done;
    whole = total;
  };
  must(verify_log(log.directory(), options));
  CHECK(whole > 0);
  CHECK(last == whole);
}

TEST_CASE("verify of what is no log is NotFound") {
  TempDir dir;
  const auto report = verify_log(dir.path());
  REQUIRE_FALSE(report);
  CHECK(report.error().code == ErrorCode::NotFound);
}

TEST_CASE("a damaged record is reported with its file and its number") {
  DamagedLog log;
  const CatalogEntry entry = log.segments(SegmentState::kSealed).back();
  const Ordinal ordinal = 5;
  const auto sequence = log.open(entry)->sequence(ordinal);
  const std::uint64_t offset = log.offset_of(entry, ordinal);
  SECTION("in its head") { flip_byte(log.file_of(entry), offset + 20); }
  SECTION("in its body") {
    const auto head = HeadView::open(*log.open(entry)->record(ordinal), sequence);
    must(head);
    flip_byte(log.file_of(entry), offset + head->bytes().size() + 1);
  }
  expect_damage(log, log.file_of(entry).string(), "record " + std::to_string(sequence));
  const VerifyReport report = log.verify();
  CHECK(report.damage.size() == 1);
}

TEST_CASE("a damaged byte in any table of a sealed segment is reported") {
  DamagedLog log;
  const CatalogEntry entry = log.segments(SegmentState::kSealed).front();
  const SegmentFooter footer = log.open(entry)->footer();
  for (unsigned id = 1; id < kTableIdEnd; ++id) {
    const TablePlace& place = footer.tables[id];
    if (place.bytes == 0) continue;
    flip_byte(log.file_of(entry), place.offset + place.bytes / 2);
    CAPTURE(id);
    expect_damage(log, log.file_of(entry).string(), "table " + std::to_string(id));
    flip_byte(log.file_of(entry), place.offset + place.bytes / 2);
  }
  CHECK(log.verify().damage.empty());
}

TEST_CASE("damage to the footer, the tree, the length and the catalog is reported") {
  DamagedLog log;
  const CatalogEntry entry = log.segments(SegmentState::kSealed).front();
  const fs::path file = log.file_of(entry);
  SECTION("footer") {
    flip_byte(file, entry.footer_offset + 40);
    expect_damage(log, file.string(), "footer");
  }
  SECTION("tree page") {
    flip_byte(file, log.offset_of(entry, 0) / 4096 * 4096 + 10);
    expect_damage(log, file.string(), "page");
  }
  SECTION("length") {
    fs::resize_file(file, fs::file_size(file) - 4096);
    expect_damage(log, file.string(), "long");
  }
  SECTION("missing file") {
    fs::remove(file);
    expect_damage(log, file.string(), "not there");
  }
  SECTION("missing directory") {
    fs::remove_all(file.parent_path());
    expect_damage(log, file.string(), "not there");
  }
  SECTION("active segment's tree") {
    const CatalogEntry active = log.segments(SegmentState::kActive).front();
    flip_byte(log.file_of(active), 2 * 4096 + 10);
    flip_byte(log.file_of(active), 0);
    expect_damage(log, log.file_of(active).string(), "page");
  }
  SECTION("catalog's meta pages") {
    flip_byte(log.state_file(), 16);
    expect_damage(log, log.state_file().string(), "meta page");
  }
  SECTION("catalog gone") {
    fs::remove_all(log.state_file().parent_path());
    expect_damage(log, log.state_file().string(), "no catalog");
  }
}

TEST_CASE("a table whose checksum is right but whose content is not is reported") {
  DamagedLog log;
  const CatalogEntry entry = log.segments(SegmentState::kSealed).front();
  const auto segment = log.open(entry);
  SegmentFooter footer = segment->footer();
  TablePlace& place = footer.tables[unsigned(TableId::kTimes)];
  const auto table = segment->table(TableId::kTimes);
  must(table);
  std::vector<std::byte> changed(table->begin(), table->end());
  changed[changed.size() / 2] ^= std::byte{1};
  place.checksum = XXH3_64bits(changed.data(), changed.size());
  const auto bytes = sealed_bytes(footer);
  const int fd = ::open(log.file_of(entry).c_str(), O_WRONLY | O_CLOEXEC);
  REQUIRE(::pwrite(fd, changed.data(), changed.size(), off_t(place.offset)) ==
          ssize_t(changed.size()));
  REQUIRE(::pwrite(fd, bytes.data(), bytes.size(), off_t(entry.footer_offset)) ==
          ssize_t(bytes.size()));
  ::close(fd);
  expect_damage(log, "(times)", "not what its records make");
}

TEST_CASE("a record that is missing from an active segment is reported") {
  DamagedLog log;
  const CatalogEntry active = log.segments(SegmentState::kActive).front();
  {
    LmdbEnv::Options options;
    options.map_bytes = 1u << 30;
    auto env = LmdbEnv::open(log.file_of(active).parent_path(), options);
    must(env);
    // Twice, since a last commit that lacks what the one before it had is undone, as a torn one.
    for (int commits = 0; commits < 2; ++commits) {
      auto write = LmdbWrite::begin(**env);
      must(write);
      must(write->remove(LmdbTable::kRecords, active.base + 3));
      const std::uint64_t times = commits;
      must(write->put(LmdbTable::kTables, kHealKey, std::as_bytes(std::span(&times, 1))));
      must(write->commit());
    }
  }
  expect_damage(log, log.file_of(active).string(),
                "records " + std::to_string(active.base + 3) + " to");
}

TEST_CASE("an entry of the catalog that fails its checksum is reported") {
  DamagedLog log;
  CatalogEntry entry = log.segments(SegmentState::kSealed).front();
  entry.checksum ^= 1;
  put_entry(log.state_file().parent_path(), LmdbTable::kSegments, entry.id,
            std::as_bytes(std::span(&entry, 1)));
  expect_damage(log, log.state_file().string(), "entry for segment");
}

TEST_CASE("a table that the catalog's file lacks is reported, though nothing stands in it") {
  DamagedLog log;
  std::ifstream in(log.state_file(), std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  // In the leaf of the main table: flags, length of the name, the name.
  const std::string name("\x02\0\x01\0n", 5);
  std::size_t found = 0;
  for (auto at = bytes.find(name); at != std::string::npos; at = bytes.find(name, at + 1)) {
    bytes[at + 4] = 'h';
    ++found;
  }
  REQUIRE(found > 0);
  std::ofstream(log.state_file(), std::ios::binary) << bytes;
  expect_damage(log, log.state_file().string(), "table 'n' is missing");
}

TEST_CASE("segments that overlap are reported") {
  DamagedLog log;
  CatalogEntry entry = log.segments(SegmentState::kActive).front();
  entry.base -= 10;
  put_entry(log.state_file().parent_path(), LmdbTable::kSegments, entry.id, sealed_bytes(entry));
  expect_damage(log, "overlap", "overlap");
}

TEST_CASE("unknown files and directories are notes, not damage") {
  DamagedLog log;
  fs::create_directories(log.directory() / "segments" / "00009999");
  fs::create_directories(log.directory() / "lost+found");
  const VerifyReport report = log.verify();
  CHECK(report.damage.empty());
  CHECK(mentions(report.notes, "00009999"));
  CHECK(mentions(report.notes, "lost+found"));
}

TEST_CASE("a run that is visible twice is reported") {
  TempDir dir;
  {
    auto log = open_log(dir.path());
    must(log->append(SampleRun("run_a").run()));
    must(log->append(SampleRun("run_b").run()));
  }
  {
    // As only our own bug would store it: not said to replace the first one.
    auto opened = open_for_writing(dir.path(), {});
    must(opened);
    LogState& state = *opened->state;
    EncodedRun again;
    must(encode_run(SampleRun("run_a").failed("again").run(), *state.names,
                    state.dictionaries.get(), state.options.limits, again));
    finish_record(again.bytes, 3, opened->last_recorded_at, 0);
    const PendingRecord record{&again, 3};
    must(opened->active->commit(std::span(&record, 1), *state.names, *state.dictionaries));
  }
  const auto report = verify_log(dir.path());
  must(report);
  CAPTURE(report->damage);
  CHECK(report->damage.size() == 1);
  CHECK(mentions(report->damage, "the records 1 and 3 are of one run"));
}

TEST_CASE("reading beside a writer gives no record that came after the names were read") {
  TempDir dir;
  auto writer = open_log(dir.path());
  must(writer->append(SampleRun("before", "flow_before").run()));
  const auto snapshot = *writer->snapshot();
  const fs::path segment = segment_directory(dir.path(), snapshot->segments[0].segment->id());
  std::vector<std::uint64_t> records;
  const auto visit = [&](const std::string& table, std::uint64_t key, Bytes) {
    if (table == "n")
      must(writer->append(SampleRun("while " + std::to_string(key), "flow_while").run()));
    if (table == "r") records.push_back(key);
  };
  must(read_entries(segment, Writer::kOtherProcess, {}, [&] { records.clear(); }, visit));
  CHECK(records == std::vector<std::uint64_t>{1});
}

TEST_CASE("verify runs beside a writer in the same process and changes nothing for it") {
  DamagedLog log;
  auto writer = open_log(log.directory());
  for (unsigned i = 0; i < 20; ++i) {
    must(writer->append(SampleRun("beside " + std::to_string(i)).run()));
    const VerifyReport report = log.verify();
    CAPTURE(report.damage);
    CHECK(report.damage.empty());
    must(writer->snapshot());
  }
  VerifyOptions options;
  options.repair = true;
  const auto repaired = verify_log(log.directory(), options);
  REQUIRE_FALSE(repaired);
  CHECK(repaired.error().code == ErrorCode::Busy);
  must(writer->close());
}
