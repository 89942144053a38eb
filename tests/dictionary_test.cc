#include "log/dictionary.h"

#include <catch2/catch.hpp>
#include <random>

#include "log/record.h"
#include "tests/sample_run.h"

namespace runlog {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

bool contains(const std::vector<std::byte>& bytes, std::string_view text) {
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()).find(text) !=
         std::string_view::npos;
}

// A run with a payload of the kind that repeats its keys.
void make_payload_run(test::SampleRun& sample, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Run& run = sample.run;
  run.run_id = sample.keep("r" + std::to_string(seed));
  run.flow_name = "f";
  std::string json = "{";
  for (const char* key : {"customerName", "shippingAddress", "invoiceNumber", "deliveryMethod",
                          "accountManager", "discountPercentage", "paymentTerms"}) {
    std::string value;
    for (int i = 0; i < 6; ++i) value += char('a' + random() % 26);
    json += std::string(json.size() > 1 ? "," : "") + "\"" + key + "\":\"secret" + value + "\"";
  }
  run.extra_json = sample.keep(json + "}");
  run.trigger_record_json = sample.keep("{\"id\":\"secret" + std::to_string(random()) + "\"}");
}

}  // namespace

TEST_CASE("dictionaries are found by number and the highest is current") {
  Dictionaries dictionaries;
  CHECK(dictionaries.current() == 0);
  REQUIRE(dictionaries.add(2, bytes_of("second dictionary")));
  REQUIRE(dictionaries.add(1, bytes_of("first dictionary")));
  CHECK(dictionaries.current() == 2);
  CHECK(dictionaries.bytes(1).size() == 16);
  CHECK(dictionaries.bytes(3).empty());
  CHECK(dictionaries.bytes(100'000).empty());
  CHECK(dictionaries.add(1, bytes_of("first dictionary")));
}

TEST_CASE("a dictionary that cannot be is Corruption") {
  Dictionaries dictionaries;
  REQUIRE(dictionaries.add(1, bytes_of("first dictionary")));
  CHECK(dictionaries.add(1, bytes_of("another one")).error().code == ErrorCode::Corruption);
  CHECK(dictionaries.add(0, bytes_of("zero")).error().code == ErrorCode::Corruption);
  CHECK(dictionaries.add(256, bytes_of("far")).error().code == ErrorCode::Corruption);
  CHECK(dictionaries.add(2, {}).error().code == ErrorCode::Corruption);
  // The magic number of a trained dictionary with nothing behind it that one has.
  CHECK(dictionaries.add(2, bytes_of("\x37\xa4\x30\xec\x01\x02\x03\x04 no tables")).error().code ==
        ErrorCode::Corruption);
  CHECK(dictionaries.current() == 1);
}

TEST_CASE("a dictionary learnt from runs with payloads saves bytes and holds no values") {
  NameTable names;
  std::vector<DictionarySample> samples;
  for (std::uint64_t seed = 0; seed < 600; ++seed) {
    test::SampleRun sample;
    make_payload_run(sample, seed);
    samples.push_back(dictionary_sample(sample.run, names, seed));
    CHECK(contains(samples.back().plain, "secret"));
    CHECK_FALSE(contains(samples.back().masked, "secret"));
    CHECK(contains(samples.back().masked, "Percentage"));
  }
  const Expected<TrainedDictionary> trained = train_dictionary(samples);
  REQUIRE(trained);
  CHECK(trained->gain > kWorthwhileGain);
  CHECK_FALSE(contains(trained->bytes, "secret"));

  Dictionaries dictionaries;
  REQUIRE(dictionaries.add(1, trained->bytes));
  test::SampleRun sample;
  make_payload_run(sample, 10'000);
  EncodedRun with, without;
  REQUIRE(encode_run(sample.run, names, &dictionaries, RunLimits(), with));
  REQUIRE(encode_run(sample.run, names, nullptr, RunLimits(), without));
  CHECK(with.bytes.size() < without.bytes.size());
  finish_record(with.bytes, 1, 0, 0);
  TextArena arena;
  Run run;
  REQUIRE(decode_run(with.bytes, 1, names, &dictionaries, arena, run));
  CHECK(run == sample.run);
}

TEST_CASE("bodies that are too few or too small teach nothing") {
  NameTable names;
  std::vector<DictionarySample> samples;
  CHECK(train_dictionary(samples).error().code == ErrorCode::InvalidArgument);
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Run run;
    run.run_id = "r";
    run.flow_name = "f";
    samples.push_back(dictionary_sample(run, names, seed));
  }
  CHECK(train_dictionary(samples).error().code == ErrorCode::InvalidArgument);
}

TEST_CASE("masking leaves no free text of a failed run") {
  test::SampleRun sample;
  make_failed_run(sample);
  sample.run.steps->front().warnings = std::vector<Text>{"private warning"};
  sample.run.steps->front().error = StepError{"CODE", "private message", "private stack", {}};
  sample.run.error->extra_json = R"({"detail":"private detail","n":12345})";
  NameTable names;
  const DictionarySample made = dictionary_sample(sample.run, names, 1);
  CHECK(contains(made.plain, "private"));
  CHECK_FALSE(contains(made.masked, "private"));
  CHECK_FALSE(contains(made.masked, "rec_qul"));
  CHECK_FALSE(contains(made.masked, "12345"));
  CHECK(contains(made.masked, "detail"));
}

}  // namespace runlog
