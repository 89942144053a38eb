// Parses arbitrary text as a run. What parses must come back from a record as it went in, and its
// JSON must parse to the same run again.
#include <cstdlib>

#include "log/run_json.h"

namespace {

using namespace runlog;

void expect(bool condition) {
  if (!condition) std::abort();
}

void check_record(const Run& run) {
  NameTable names;
  EncodedRun encoded;
  const Expected<void> done = encode_run(run, names, nullptr, RunLimits(), encoded);
  if (!done) {
    expect(done.error().code == ErrorCode::TooLarge);
    return;
  }
  finish_record(encoded.bytes, 1, 0, 0);
  TextArena arena;
  Run decoded;
  expect(decode_run(encoded.bytes, 1, names, nullptr, arena, decoded).has_value());
  // A shortened step log is another run.
  expect(decoded.omitted_steps != run.omitted_steps || decoded == run);
}

void check_json(const Run& run) {
  std::string first;
  write_json(run, first);
  RunJsonParser parser;
  TextArena arena;
  Run again;
  expect(parser.parse(first, arena, again).has_value());
  std::string second;
  write_json(again, second);
  expect(first == second);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  const std::string_view json(reinterpret_cast<const char*>(input), size);
  static RunJsonParser parser;
  TextArena arena;
  Run run;
  if (parser.parse(json, arena, run)) {
    check_record(run);
    check_json(run);
  }
  SuspendedRun suspended;
  if (parser.parse_suspended(json, arena, suspended)) {
    std::string text;
    write_json(suspended, text);
    expect(parser.parse_suspended(text, arena, suspended).has_value());
  }
  return 0;
}
