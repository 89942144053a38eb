#include "log/record.h"

#include <catch2/catch.hpp>
#include <set>

#include "log/dictionary.h"
#include "log/step_columns.h"
#include "tests/sample_run.h"

namespace runlog {
namespace {

using test::RandomRun;
using test::SampleRun;

const RunLimits kLimits;

std::vector<std::byte> encode(const Run& run, NameTable& names, SequenceNumber sequence,
                              const RunLimits& limits = kLimits) {
  EncodedRun encoded;
  const Expected<void> done = encode_run(run, names, nullptr, limits, encoded);
  INFO((done ? "" : done.error().message));
  REQUIRE(done);
  finish_record(encoded.bytes, sequence, run.started_at + 1000, 0);
  return {encoded.bytes.begin(), encoded.bytes.end()};
}

struct Decoded {
  TextArena arena;
  Run run;
};

void decode(std::span<const std::byte> record, SequenceNumber sequence, const NameTable& names,
            Decoded& out) {
  const Expected<void> done = decode_run(record, sequence, names, nullptr, out.arena, out.run);
  INFO((done ? "" : done.error().message));
  REQUIRE(done);
}

Error refusal(const Run& run, const RunLimits& limits = kLimits) {
  NameTable names;
  EncodedRun encoded;
  const Expected<void> done = encode_run(run, names, nullptr, limits, encoded);
  REQUIRE_FALSE(done);
  return done.error();
}

Run small_run() {
  Run run;
  run.run_id = "r1";
  run.flow_name = "f";
  return run;
}

void check_round_trip(const Run& run) {
  NameTable names;
  Decoded decoded;
  const std::vector<std::byte> record = encode(run, names, 9);
  decode(record, 9, names, decoded);
  CHECK(decoded.run == run);
}

}  // namespace

TEST_CASE("a failed run with a loop comes back as it was") {
  SampleRun sample;
  make_failed_run(sample);
  REQUIRE(sample.run.error->node_id == "body_1");
  check_round_trip(sample.run);
}

TEST_CASE("a run without payloads takes little more than 200 bytes even when it failed") {
  SampleRun sample;
  make_failed_run(sample);
  sample.run.trigger_record_json = {};
  NameTable names;
  CHECK(encode(sample.run, names, 1).size() < 240);
}

TEST_CASE("random runs with everything in them come back as they were") {
  for (std::uint64_t seed = 0; seed < 600; ++seed) {
    INFO("seed " << seed);
    SampleRun sample;
    RandomRun(sample, seed).make();
    check_round_trip(sample.run);
  }
}

TEST_CASE("many runs share one name table") {
  NameTable names;
  std::vector<SampleRun> samples(50);
  std::vector<std::vector<std::byte>> records;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    RandomRun(samples[i], i).make();
    records.push_back(encode(samples[i].run, names, i + 1));
  }
  for (std::size_t i = 0; i < samples.size(); ++i) {
    Decoded decoded;
    decode(records[i], i + 1, names, decoded);
    CHECK(decoded.run == samples[i].run);
  }
}

TEST_CASE("absent, zero and empty stay different") {
  for (int form = 0; form < 3; ++form) {
    Run run = small_run();
    const OptionalText text = form == 0 ? std::nullopt : OptionalText(form == 1 ? "" : "x");
    const std::optional<std::int64_t> number =
        form == 0 ? std::nullopt : std::optional<std::int64_t>(form - 1);
    run.user_id = run.node_id = run.trigger_record_id = text;
    run.duration_ms = run.flow_version = run.finished_at = number;
    if (form > 0) {
      run.error.emplace();
      run.error->message = text;
      run.summary.emplace();
      Step& step = run.steps.emplace().emplace_back();
      step.node_id = step.parent_node_id = text;
      step.duration_ms = step.iteration = number;
      step.metrics.emplace().acted = number;
      step.warnings.emplace();
    }
    check_round_trip(run);
  }
  Run run = small_run();
  run.error.emplace();
  check_round_trip(run);
  run.steps.emplace();
  check_round_trip(run);
  run.steps->emplace_back().metrics.emplace();
  check_round_trip(run);
  run.steps->front().metrics->unmeasured_effect = false;
  check_round_trip(run);
  run.steps->front().error.emplace();
  check_round_trip(run);
}

TEST_CASE("every flipped byte of a record is found or harmless") {
  SampleRun sample;
  make_failed_run(sample);
  NameTable names;
  const std::vector<std::byte> record = encode(sample.run, names, 7);
  std::size_t harmless = 0;
  for (std::size_t at = 0; at < record.size(); ++at) {
    for (const unsigned bit : {0u, 3u, 7u}) {
      std::vector<std::byte> damaged = record;
      damaged[at] ^= std::byte(1u << bit);
      Decoded decoded;
      const Expected<void> done = decode_run(damaged, 7, names, nullptr, decoded.arena, decoded.run);
      if (done) {
        CHECK(decoded.run == sample.run);
        ++harmless;
      } else {
        CHECK(done.error().code == ErrorCode::Corruption);
      }
    }
  }
  CHECK(harmless < 8 * 3);  // the padding
}

TEST_CASE("every truncation of a record is found") {
  SampleRun sample;
  make_failed_run(sample);
  NameTable names;
  const std::vector<std::byte> record = encode(sample.run, names, 7);
  for (std::size_t size = 0; size < record.size(); ++size) {
    // An allocation of the exact size, so that a sanitizer sees any read past the end.
    const std::vector<std::byte> cut(record.begin(), record.begin() + std::ptrdiff_t(size));
    Decoded decoded;
    const Expected<void> done = decode_run(cut, 7, names, nullptr, decoded.arena, decoded.run);
    REQUIRE_FALSE(done);
    CHECK(done.error().code == ErrorCode::Corruption);
  }
}

TEST_CASE("a record does not pass for another sequence number's") {
  NameTable names;
  const std::vector<std::byte> record = encode(small_run(), names, 7);
  CHECK(HeadView::open(record, 7));
  CHECK_FALSE(HeadView::open(record, 8));
}

TEST_CASE("a record whose names are not there is Corruption") {
  SampleRun sample;
  make_failed_run(sample);
  NameTable names;
  const std::vector<std::byte> record = encode(sample.run, names, 7);
  const NameTable empty;
  Decoded decoded;
  const Expected<void> done = decode_run(record, 7, empty, nullptr, decoded.arena, decoded.run);
  REQUIRE_FALSE(done);
  CHECK(done.error().code == ErrorCode::Corruption);
}

TEST_CASE("what a run lacks or has too much of is named in the refusal") {
  Run run = small_run();
  run.run_id = "";
  CHECK(refusal(run).message == "field 'runId' is empty");
  run = small_run();
  run.flow_name = "";
  CHECK(refusal(run).message == "field 'flowName' is empty");
  run = small_run();
  run.user_id = "\xff";
  CHECK(refusal(run).message == "field 'userId' is not valid UTF-8");
  run = small_run();
  const std::string long_name(1025, 'n');
  run.run_id = long_name;
  CHECK(refusal(run).code == ErrorCode::TooLarge);
  CHECK(refusal(run).message == "field 'runId' has 1025 bytes; the limit is 1024");
  run = small_run();
  run.labels.emplace_back("a=b", "c");
  CHECK(refusal(run).code == ErrorCode::InvalidArgument);
  run = small_run();
  run.steps.emplace().emplace_back().node_id = "\xc3";
  CHECK(refusal(run).message == "field 'nodeId' is not valid UTF-8");
}

TEST_CASE("a run over the record limit is refused and one just below it is kept") {
  Run run = small_run();
  std::string text = "{\"x\":\"";
  std::mt19937 random(1);
  while (text.size() < 40'000) text += char('a' + random() % 26);
  text += "\"}";
  run.extra_json = text;
  RunLimits limits;
  limits.max_record_bytes = 10'000;
  CHECK(refusal(run, limits).code == ErrorCode::TooLarge);
  limits.max_record_bytes = 60'000;
  NameTable names;
  Decoded decoded;
  const std::vector<std::byte> record = encode(run, names, 1, limits);
  decode(record, 1, names, decoded);
  CHECK(decoded.run == run);
}

TEST_CASE("over the step limit failures and their containers stay, then top-level steps, then the newest") {
  Run run = small_run();
  std::vector<Step>& steps = run.steps.emplace();
  const auto add = [&](Text id, OptionalText parent) -> Step& {
    Step& step = steps.emplace_back();
    step.node_id = id;
    step.parent_node_id = parent;
    step.status = StepStatus::kSuccess;
    step.iteration = std::int64_t(steps.size());
    return step;
  };
  add("start", std::nullopt);
  add("outer", std::nullopt);
  add("inner", "outer");
  for (int i = 0; i < 50; ++i) add("old", "inner");
  add("bad", "inner").status = StepStatus::kFailure;
  for (int i = 0; i < 50; ++i) add("new", "inner");
  RunLimits limits;
  limits.max_steps = 10;
  NameTable names;
  Decoded decoded;
  const std::vector<std::byte> record = encode(run, names, 1, limits);
  decode(record, 1, names, decoded);
  const std::vector<Step>& kept = *decoded.run.steps;
  REQUIRE(kept.size() == 10);
  CHECK(decoded.run.omitted_steps == std::int64_t(steps.size()) - 10);
  const Text expected[] = {"start", "outer", "inner", "bad"};
  for (std::size_t i = 0; i < 4; ++i) CHECK(kept[i].node_id == expected[i]);
  for (std::size_t i = 4; i < 10; ++i) CHECK(kept[i].node_id == "new");
  CHECK(kept.back().iteration == std::int64_t(steps.size()));
}

TEST_CASE("a step log over the byte limit is shortened and counted") {
  Run run = small_run();
  const std::string stack(10'000, 's');
  for (int i = 0; i < 20; ++i) {
    Step& step = run.steps ? run.steps->emplace_back() : run.steps.emplace().emplace_back();
    step.status = StepStatus::kFailure;
    step.error.emplace().stack = stack;
  }
  RunLimits limits;
  limits.max_steps_bytes = 55'000;
  NameTable names;
  Decoded decoded;
  const std::vector<std::byte> record = encode(run, names, 1, limits);
  decode(record, 1, names, decoded);
  CHECK(decoded.run.steps->size() == 5);
  CHECK(decoded.run.omitted_steps == 15);
}

TEST_CASE("a large body is compressed and needs its dictionary") {
  Run run = small_run();
  std::string text = "{\"x\":\"";
  for (int i = 0; i < 500; ++i) text += "the same words again ";
  text += "\"}";
  run.extra_json = text;
  NameTable names;
  CHECK(encode(run, names, 1).size() < 200);
  Dictionaries dictionaries;
  const std::string raw = "the same words again and again";
  REQUIRE(dictionaries.add(3, std::as_bytes(std::span(raw))));
  EncodedRun encoded;
  REQUIRE(encode_run(run, names, &dictionaries, kLimits, encoded));
  CHECK(encoded.dictionary == 3);
  finish_record(encoded.bytes, 1, 0, 0);
  Decoded decoded;
  REQUIRE(decode_run(encoded.bytes, 1, names, &dictionaries, decoded.arena, decoded.run));
  CHECK(decoded.run == run);
  const Expected<void> without =
      decode_run(encoded.bytes, 1, names, nullptr, decoded.arena, decoded.run);
  REQUIRE_FALSE(without);
  CHECK(without.error().message == "the body needs dictionary 3, which is not there");
}

TEST_CASE("the symbols of a record are those it cannot be read without") {
  SampleRun sample;
  make_failed_run(sample);
  NameTable names;
  EncodedRun encoded;
  REQUIRE(encode_run(sample.run, names, nullptr, kLimits, encoded));
  finish_record(encoded.bytes, 1, 0, 0);
  const std::span<const Symbol> symbols = encoded.symbols;
  CHECK(std::set<Symbol>(symbols.begin(), symbols.end()).size() == symbols.size());
  NameTable restored;
  for (const Symbol symbol : symbols) {
    const NameTable::Entry entry = names.entry(symbol);
    REQUIRE(restored.restore(symbol, entry.kind, entry.name));
  }
  Decoded decoded;
  decode(encoded.bytes, 1, restored, decoded);
  CHECK(decoded.run == sample.run);
}

TEST_CASE("a run with more repeated symbols than a scan looks through names each once") {
  Run run = small_run();
  SampleRun sample;
  std::vector<Step>& steps = run.steps.emplace(400);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    steps[i].node_id = sample.keep("node_" + std::to_string(i % 150));
  }
  NameTable names;
  EncodedRun encoded;
  REQUIRE(encode_run(run, names, nullptr, kLimits, encoded));
  CHECK(encoded.symbols.size() == 151);
}

TEST_CASE("a message longer than the head keeps is whole again in the run") {
  Run run = small_run();
  std::string message;
  for (int i = 0; i < 300; ++i) message += "邮件";
  run.error.emplace().message = message;
  NameTable names;
  const std::vector<std::byte> record = encode(run, names, 1);
  const HeadView head = *HeadView::open(record, 1);
  CHECK(head.error_is_cut());
  CHECK(head.error_message()->size() == 510);
  CHECK(is_utf8(*head.error_message()));
  Decoded decoded;
  decode(record, 1, names, decoded);
  CHECK(decoded.run == run);
}

TEST_CASE("a full name table leaves names inline") {
  NameTable names;
  for (std::uint32_t i = 0; i < NameTable::kMaxPerKind; ++i) {
    REQUIRE(names.intern(NameKind::kUser, "user" + std::to_string(i)));
  }
  Run run = small_run();
  run.user_id = "one too many";
  EncodedRun encoded;
  REQUIRE(encode_run(run, names, nullptr, kLimits, encoded));
  finish_record(encoded.bytes, 1, 0, 0);
  const TermKey term = inline_term(TermKind::kUser, "one too many");
  CHECK(std::find(encoded.terms.begin(), encoded.terms.end(), term) != encoded.terms.end());
  CHECK(HeadView::open(encoded.bytes, 1)->matches(TermKind::kUser, "one too many", names));
  Decoded decoded;
  decode(encoded.bytes, 1, names, decoded);
  CHECK(decoded.run == run);
}

}  // namespace runlog
