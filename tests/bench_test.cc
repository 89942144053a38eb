// What the benchmark's figures rest on: its runs are the same every time, the form that RocksDB
// stores gives them back, and the report says what was measured.
#include <catch2/catch.hpp>

#include <simdjson.h>

#include "bench/compact_run.h"
#include "bench/generator.h"
#include "bench/report.h"
#include "tests/temp_dir.h"

namespace runlog::bench {
namespace {

constexpr std::uint64_t kSeed = 7;

TEST_CASE("a generated run depends on the seed and its number only", "[bench]") {
  const Generator generator(kSeed), again(kSeed), other(kSeed + 1);
  RunBatch all, part, others;
  generator.fill(0, 300, all);
  again.fill(100, 50, part);
  other.fill(0, 300, others);
  for (std::size_t i = 0; i < 50; ++i) {
    REQUIRE(part.runs[i] == all.runs[100 + i]);
    REQUIRE(generator.run_id(100 + i) == all.runs[100 + i].run_id);
  }
  REQUIRE_FALSE(others.runs[0] == all.runs[0]);
}

TEST_CASE("a generated run comes back from its compact form", "[bench]") {
  const Generator generator(kSeed);
  RunBatch batch;
  generator.fill(0, 2000, batch);
  for (const Run& run : batch.runs) {
    std::string bytes;
    encode_compact(run, bytes);
    TextBuffer text;
    Run decoded;
    decode_compact(bytes, text, decoded);
    REQUIRE(decoded == run);
    RunHead head;
    decode_compact_head(bytes, text, head);
    REQUIRE(head.flow_name == run.flow_name);
    REQUIRE(head.trigger_record_id == run.trigger_record_id);
    REQUIRE_THROWS(decode_compact(std::string_view(bytes).substr(0, bytes.size() - 1), text,
                                  decoded));
  }
}

TEST_CASE("only a UUID in lower case behind run_ is packed, and every id comes back", "[bench]") {
  const auto packed_bytes = [](std::string_view id) {
    std::string packed;
    pack_run_id(id, packed);
    return packed.size();
  };
  const std::string uuid = "run_0f8fad5b-d9cb-469f-a165-70867728950e";
  REQUIRE(packed_bytes(uuid) == 17);
  const Generator generator(kSeed);
  RunBatch batch;
  generator.fill(0, 1, batch);
  Run run = batch.runs[0];
  for (const std::string id : {uuid.c_str(), "run_0F8FAD5B-d9cb-469f-a165-70867728950e",
                               "run_0f8fad5b-d9cb-469f-a165-70867728950",
                               "run_0f8fad5bxd9cb-469f-a165-70867728950e", "x", ""}) {
    CAPTURE(id);
    if (id != uuid) REQUIRE(packed_bytes(id) == id.size() + 1);
    run.run_id = id;
    std::string bytes;
    encode_compact(run, bytes);
    TextBuffer text;
    Run decoded;
    decode_compact(bytes, text, decoded);
    REQUIRE(decoded.run_id == id);
  }
}

TEST_CASE("the report's JSON has every figure, its bar and whether it holds", "[bench]") {
  const TempDir directory;
  Report report;
  report.at_most("encode", 3, "µs", 2.5);
  report.times_better("append", 200, "runs/s", Better::kHigher, "SQLite", 10, 12);
  report.times_better("get", 2, "µs", Better::kLower, "SQLite", 10, 0);
  report.missing("growth", "≤ 1.3 × at 1 million", "left out when quick");
  const std::string path = directory / "figures.json";
  report.write_json(path);

  simdjson::dom::parser parser;
  const simdjson::dom::array figures = parser.load(path).get_array();
  REQUIRE(figures.size() == 4);
  const auto figure = [&](std::size_t i) { return figures.at(i).value(); };
  const auto text = [&](std::size_t i, const char* key) {
    return std::string(std::string_view(figure(i)[key].get_string()));
  };
  REQUIRE(text(0, "name") == "encode");
  REQUIRE(double(figure(0)["value"]) == 3);
  REQUIRE(text(0, "bar") == "≤ 2.5 µs");
  REQUIRE(bool(figure(0)["holds"]) == false);
  REQUIRE(figure(0)["peerValue"].is_null());
  REQUIRE(text(1, "peer") == "SQLite");
  REQUIRE(double(figure(1)["ratio"]) == 20);
  REQUIRE(bool(figure(1)["holds"]) == true);
  REQUIRE(double(figure(2)["ratio"]) == 5);
  REQUIRE(figure(2)["holds"].is_null());
  REQUIRE(text(3, "notMeasured") == "left out when quick");
  REQUIRE(figure(3)["value"].is_null());
  REQUIRE(figure(3)["holds"].is_null());
}

}  // namespace
}  // namespace runlog::bench
