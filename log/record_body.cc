#include "log/record_body.h"

#include <capnp/message.h>
#include <capnp/serialize-packed.h>
#include <kj/exception.h>
#include <kj/io.h>

#include "log/record_head.h"
#include "log/stored_steps.h"
#include "log/stored_summary.h"
#include "log/stored_suspension.h"
#include "log/summary_fold.h"

namespace runlog {
namespace {

// Persistent: never renumber. Bits of Body.flags.
enum BodyFlag : std::uint32_t {
  kHasSteps = 1 << 0,
  kHasError = 1 << 1,
  kSummaryIsSum = 1 << 2,  // what the stored steps add up to
  kHasStartTime = 1 << 3,
};

constexpr std::size_t kScratchWords = 4096;
constexpr std::size_t kWordBytes = sizeof(capnp::word);

// The first segment of a message under construction. Cap'n Proto wants it zeroed and leaves it so.
kj::ArrayPtr<capnp::word> scratch_segment() {
  thread_local std::vector<std::uint64_t> scratch(kScratchWords);
  static_assert(sizeof(std::uint64_t) == kWordBytes);
  return {reinterpret_cast<capnp::word*>(scratch.data()), scratch.size()};
}

bool is_sum(const RunSummary& summary, std::span<const Step* const> steps) {
  thread_local RunSummary sum;
  SummaryFold fold(sum);
  for (const Step* step : steps) fold.add(*step);
  fold.finish();
  return sum == summary;
}

void set_json(std::string_view field, std::string_view json, SymbolWriter& symbols,
              auto&& init) {
  if (json.empty()) return;
  symbols.check_free_text(field, json);
  fill(init(unsigned(json.size())), json);
}

void build(const Run& run, std::span<const Step* const> steps, std::int64_t omitted_steps,
           SymbolWriter& symbols, stored::Body::Builder out) {
  std::uint32_t flags = 0;
  std::string_view message;
  if (run.error) {
    flags |= kHasError;
    message = run.error->message.value_or(std::string_view());
    const std::string_view rest = message.substr(head_message(message).size());
    if (!rest.empty()) RUNLOG_SET_TEXT(out, ErrorMessageRest, rest);
    set_json("error", run.error->extra_json, symbols,
             [&](unsigned size) { return out.initErrorExtra(size); });
  }
  if (run.start_time) {
    flags |= kHasStartTime;
    out.setStartTimeDelta(minus(*run.start_time, run.started_at));
  }
  out.setOmittedSteps(omitted_steps);
  if (run.steps) {
    flags |= kHasSteps;
    write_steps(steps, run.started_at, message, symbols, out);
  }
  if (run.summary) {
    if (run.steps && is_sum(*run.summary, steps)) {
      flags |= kSummaryIsSum;
    } else {
      write_summary(*run.summary, symbols, out.initSummary());
    }
  }
  if (run.consumed_suspension) {
    write_suspension(*run.consumed_suspension, run, symbols, out.initSuspension());
  }
  set_json("triggerRecord", run.trigger_record_json, symbols,
           [&](unsigned size) { return out.initTriggerRecord(size); });
  set_json("the run", run.extra_json, symbols,
           [&](unsigned size) { return out.initExtra(size); });
  out.setFlags(flags);
}

// Packs a message of one segment. Packing adds at most two bytes to a word, and a word to the whole.
void pack(kj::ArrayPtr<const capnp::word> segment, ByteWriter& packed) {
  const std::size_t bound = (segment.size() + 1) * (kWordBytes + 2) + kWordBytes;
  std::byte* room = packed.skip(bound);
  kj::ArrayOutputStream stream({reinterpret_cast<kj::byte*>(room), bound});
  const kj::ArrayPtr<const capnp::word> segments[] = {segment};
  capnp::writePackedMessage(stream, segments);
  packed.shrink_to(stream.getArray().size());
}

}  // namespace

void write_body(const Run& run, std::span<const Step* const> steps, std::int64_t omitted_steps,
                SymbolWriter& symbols, ByteWriter& packed) {
  packed.clear();
  try {
    capnp::MallocMessageBuilder message(scratch_segment());
    build(run, steps, omitted_steps, symbols, message.initRoot<stored::Body>());
    const auto segments = message.getSegmentsForOutput();
    if (segments.size() == 1) {
      pack(segments[0], packed);
      return;
    }
    std::size_t words = 1;
    for (const auto& segment : segments) words += segment.size();
    capnp::MallocMessageBuilder whole{unsigned(words)};
    whole.setRoot(message.getRoot<stored::Body>().asReader());
    pack(whole.getSegmentsForOutput()[0], packed);
  } catch (const kj::Exception& exception) {
    symbols.refuse(ErrorCode::TooLarge, std::string("the run does not fit into one message: ") +
                                            exception.getDescription().cStr());
  }
}

// ---- reading --------------------------------------------------------------------------------

namespace {

Expected<void> read_error(stored::Body::Reader stored, std::uint32_t flags, TextArena& arena,
                          Run& out) {
  if (!(flags & kHasError)) return {};
  if (!out.error) out.error.emplace();
  if (stored.hasErrorMessageRest()) {
    if (!out.error->message) {
      return fail(ErrorCode::Corruption, "the body has the rest of a message, the head no start");
    }
    std::string whole(*out.error->message);
    whole += RUNLOG_GET_TEXT(stored, ErrorMessageRest);
    out.error->message = arena.keep(whole);
  }
  out.error->extra_json = RUNLOG_GET_TEXT(stored, ErrorExtra);
  return {};
}

Expected<void> read_root(stored::Body::Reader stored, NameReader& names, TextArena& arena,
                         Run& out) {
  const std::uint32_t flags = stored.getFlags();
  if (const auto read = read_error(stored, flags, arena, out); !read) return read;
  if (flags & kHasStartTime) out.start_time = plus(stored.getStartTimeDelta(), out.started_at);
  out.omitted_steps = stored.getOmittedSteps();
  if (flags & kHasSteps) {
    const std::string_view message =
        out.error ? out.error->message.value_or(std::string_view()) : std::string_view();
    const auto read = read_steps(stored, out.started_at, message, names, out.steps.emplace());
    if (!read) return read;
  }
  if (flags & kSummaryIsSum) {
    SummaryFold fold(out.summary.emplace());
    if (out.steps) {
      for (const Step& step : *out.steps) fold.add(step);
    }
    fold.finish();
  } else if (stored.hasSummary()) {
    read_summary(stored.getSummary(), names, out.summary.emplace());
  }
  if (stored.hasSuspension()) {
    const auto suspended = std::make_shared<SuspendedRun>();
    const auto read = read_suspension(stored.getSuspension(), out, names, *suspended);
    if (!read) return read;
    out.consumed_suspension = suspended;
  }
  out.trigger_record_json = RUNLOG_GET_TEXT(stored, TriggerRecord);
  out.extra_json = RUNLOG_GET_TEXT(stored, Extra);
  return names.finish();
}

// The words of the one segment that a packed message of ours has, from its first word: the number
// of segments less one, which must be 0, and the size. 0 if it is no such word.
std::size_t segment_words(std::span<const std::byte> packed) {
  if (packed.empty()) return 0;
  const unsigned tag = unsigned(packed[0]);
  if ((tag & 0x0f) != 0) return 0;
  std::size_t words = 0;
  std::size_t at = 1;
  for (unsigned byte = 0; byte < 4; ++byte) {
    if (!(tag >> (4 + byte) & 1)) continue;
    if (at == packed.size()) return 0;
    words |= std::size_t(packed[at++]) << (8 * byte);
  }
  return words;
}

}  // namespace

Expected<void> read_body(std::span<const std::byte> packed, NameReader& names, TextArena& arena,
                         Run& out) {
  const std::size_t words = segment_words(packed);
  if (words == 0 || words > kMaxBodyBytes / kWordBytes) {
    return fail(ErrorCode::Corruption, "the body does not begin like a message of one segment");
  }
  const std::span<std::byte> room = arena.allocate(words * kWordBytes);
  try {
    kj::ArrayInputStream stream(
        {reinterpret_cast<const kj::byte*>(packed.data()), packed.size()});
    capnp::ReaderOptions options;
    options.traversalLimitInWords = 2 * words + 1024;
    options.nestingLimit = 8;
    capnp::PackedMessageReader message(
        stream, options, {reinterpret_cast<capnp::word*>(room.data()), words});
    return read_root(message.getRoot<stored::Body>(), names, arena, out);
  } catch (const kj::Exception& exception) {
    return fail(ErrorCode::Corruption, std::string("the body is not a valid message: ") +
                                           exception.getDescription().cStr());
  }
}

}  // namespace runlog
