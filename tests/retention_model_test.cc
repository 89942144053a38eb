// Whatever is done to a log, what it shows is what its policies say, worked out naively.
#include <catch2/catch.hpp>

#include "log/verify.h"
#include "query/query.h"
#include "tests/faults/child_process.h"
#include "tests/archive_check.h"
#include "tests/faults/retention_plan.h"
#include "tests/lives.h"
#include "tests/log_fixture.h"

using namespace runlog;
using namespace runlog::faults;

namespace {

// What the record that was stored last takes.
std::uint64_t newest_record_bytes(Log& log) {
  const auto snapshot = *log.snapshot();
  for (std::size_t i = snapshot->segments.size(); i-- > 0;) {
    const SegmentView& view = snapshot->segments[i];
    if (view.end == 0) continue;
    RecordReader reader(*snapshot);
    const auto record = reader.read(i, view.end - 1);
    must(record);
    const auto head = HeadView::open(*record, view.sequence(view.end - 1));
    must(head);
    return head->record_bytes();
  }
  return 0;
}

void check_against(Log& log, const RetentionModel& model) {
  const auto ids = visible_ids(log);
  must(ids);
  REQUIRE(*ids == model.ids());
  std::uint64_t counted = 0;
  const auto flows = log.flows();
  must(flows);
  for (const auto& [flow, counts] : flows->table)
    for (const std::uint64_t runs : counts.runs) counted += runs;
  REQUIRE(counted == ids->size());
  REQUIRE((*log.snapshot())->live() == ids->size());
  REQUIRE(*log.retention() == model.policy());
  const auto pins = log.pins();
  must(pins);
  REQUIRE(pins->size() == model.pins().size());
  for (const Pin& pin : *pins) REQUIRE(model.pins().at(pin.run_id) == pin.until);
}

void check_counters(Log& log, const RetentionModel& model) {
  const auto counted = counted_by_day(log);
  must(counted);
  REQUIRE(*counted == model.counted_by_day());
}

void live(std::uint64_t seed, std::size_t steps) {
  runlog::TempDir files;
  std::mt19937_64 random(seed);
  RetentionModel model;
  UnixMs now = 0;
  const auto archive = files.path() / "archive";
  const auto next_step = [&] {
    auto next = next_retention_step(random, model, now, true);
    if (next.kind == RetentionStep::Kind::kSetPolicy) next.policy.archive = archive.string();
    return next;
  };
  auto step = next_step();
  now = step.now;
  auto log = open_log(files.path() / "log", retention_options(now, seed));
  for (std::size_t i = 0; i < steps; ++i) {
    INFO("seed " << seed << ", step " << i << " of kind " << int(step.kind) << " on " << step.run_id);
    must(perform(*log, step));
    model.apply(step, step.kind == RetentionStep::Kind::kAppend ? newest_record_bytes(*log) : 0);
    check_against(*log, model);
    if (i % 16 == 3) {
      // A reader asks for ages by itself, so that nothing may be left to hide.
      must(log->sweep());
      model.look(now);
      check_counters(*log, model);
      const auto reader = Log::open_read_only(files.path() / "log");
      must(reader);
      check_against(**reader, model);
      check_archive(*log, archive, model.expired(), false);
    }
    if (random() % 20 == 0) {
      log.reset();
      log = open_log(files.path() / "log", retention_options(now, seed));
      model.look(now);
      check_against(*log, model);
      check_counters(*log, model);
    }
    step = next_step();
    now = step.now;
  }
  must(log->sweep());
  model.look(now);
  check_against(*log, model);
  check_counters(*log, model);
  check_archive(*log, archive, model.expired(), false);
  log.reset();
  const auto report = verify_log(files.path() / "log");
  must(report);
  CHECK(report->damage == std::vector<std::string>());
}

}  // namespace

TEST_CASE("what a log shows is what its policies say, whatever was done to it", "[model]") {
  for_each_life(12, [](std::uint64_t seed) { live(seed, 250); });
}
