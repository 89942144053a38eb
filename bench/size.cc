// Bytes: what a run takes on disk when everything is sealed and compacted, and what was written to
// the device until then.
#include <fmt/format.h>
#include <zstd.h>

#include <fstream>
#include <iterator>
#include <stdexcept>

#include "bench/figures.h"
#include "bench/measure.h"
#include "bench/peer_rocksdb.h"
#include "bench/peer_sqlite.h"
#include "bench/runlog_store.h"
#include "log/run_json.h"

namespace runlog::bench {
namespace {

std::filesystem::path make(const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory);
  return directory;
}

void measure_generated(const Settings& settings, Report& report) {
  const std::uint64_t count = settings.quick ? 100'000 : 500'000;
  say(fmt::format("size: {} generated runs", count));
  const WorkDirectory work(settings.directory, "size");
  const auto ours = make(work.path() / "runlog");
  const auto sqlite = make(work.path() / "sqlite");
  const auto rocksdb = make(work.path() / "rocksdb");
  {
    const Generator generator(settings.seed);
    RunlogStore runlog_store(ours, {});
    SqliteStore sqlite_store(sqlite);
    RocksdbStore rocksdb_store(rocksdb);
    generate(generator, 0, count, [&](std::span<const Run> part) {
      runlog_store.load(part);
      sqlite_store.load(part);
      rocksdb_store.load(part);
    });
    say("size: sealing, compacting and vacuuming");
    runlog_store.settle();
    rocksdb_store.settle();
    sqlite_store.vacuum();
  }
  const auto per_run = [&](const std::filesystem::path& directory) {
    return double(disk_bytes(directory)) / double(count);
  };
  const std::string name = fmt::format("on disk, {} generated runs, sealed", thousands(count));
  report.share_at_most(name, per_run(ours), "B/run", "SQLite", per_run(sqlite), 0.125);
  report.share_at_most(name, per_run(ours), "B/run", "RocksDB", per_run(rocksdb), 0.85);
}

std::string decompress(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string packed{std::istreambuf_iterator<char>(file), {}};
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(),
                                                                     &ZSTD_freeDCtx);
  std::string text, chunk(1 << 20, '\0');
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  while (in.pos < in.size) {
    ZSTD_outBuffer out{chunk.data(), chunk.size(), 0};
    if (ZSTD_isError(ZSTD_decompressStream(context.get(), &out, &in)))
      throw std::runtime_error("cannot decompress " + path.string());
    text.append(chunk, 0, out.pos);
  }
  return text;
}

void measure_real(const Settings& settings, Report& report) {
  const std::string name = "on disk, real runs, sealed";
  const auto path = settings.shared / "terminal-runs.ndjson.zst";
  if (!std::filesystem::exists(path)) {
    report.missing(name, "≤ 0.125 × SQLite",
                   path.string() + " is not there; --shared says where it is");
    return;
  }
  say("size: the real runs");
  const std::string text = decompress(path);
  TextArena arena;
  RunJsonParser parser;
  std::vector<Run> runs;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const auto line = std::string_view(text).substr(begin, end - begin);
    if (!line.empty()) take(parser.parse(line, arena, runs.emplace_back()));
    begin = end + 1;
  }

  const WorkDirectory work(settings.directory, "real");
  const auto ours = make(work.path() / "runlog");
  const auto sqlite = make(work.path() / "sqlite");
  {
    RunlogStore runlog_store(ours, {});
    SqliteStore sqlite_store(sqlite);
    runlog_store.load(runs);
    sqlite_store.load(runs);
    runlog_store.settle();
    sqlite_store.vacuum();
  }
  const double count = double(runs.size());
  report.share_at_most(name, double(disk_bytes(ours)) / count, "B/run", "SQLite",
                       double(disk_bytes(sqlite)) / count, 0.125);
}

// Merging is measured apart, because how often it rewrites a run depends on how long the log lives.
void measure_device(const Settings& settings, Report& report) {
  const std::uint64_t count = settings.quick ? 100'000 : 500'000;
  const std::string name = fmt::format(
      "written to the device, {} runs in batches of 1000, sealing included", thousands(count));
  say(fmt::format("size: device bytes of {} runs", count));
  const WorkDirectory work(settings.directory, "device");
  const Generator generator(settings.seed);
  LogOptions options;
  options.merge = false;
  RunlogStore store(work.path(), options);
  const DeviceMeter meter(work.path());
  generate(generator, 0, count, [&](std::span<const Run> part) { store.load(part); });
  store.settle();
  const auto written = meter.written();
  if (!written) {
    report.missing(name, "≤ 1.5 × its bytes on disk", "this system counts no device writes");
    return;
  }
  report.share_at_most(name, double(*written) / double(count), "B/run", "its bytes on disk",
                       double(disk_bytes(work.path())) / double(count), 1.5);
  if (const auto handed_over = meter.handed_over())
    report.note("the same, as handed to the system", double(*handed_over) / double(count), "B/run");
}

}  // namespace

void measure_size(const Settings& settings, Report& report) {
  measure_generated(settings, report);
  measure_real(settings, report);
  measure_device(settings, report);
}

}  // namespace runlog::bench
