#include "log/record.h"

#include <memory>

#include <simdjson.h>

#include "log/body_compression.h"
#include "log/name_reader.h"
#include "log/record_body.h"
#include "log/record_head.h"
#include "log/step_limit.h"
#include "log/xxh.h"

namespace runlog {
namespace {

constexpr std::size_t kAlignment = 8;

std::uint32_t body_checksum(std::span<const std::byte> body) {
  return std::uint32_t(XXH3_64bits(body.data(), body.size()));
}

// What encoding keeps between runs, so that it allocates nothing.
struct Scratch {
  ByteWriter head, body, compressed;
  std::vector<const Step*> steps;
  std::vector<Symbol> symbols;
  std::vector<TermKey> terms;
};

// Writes the body; returns the bytes to store, which `scratch` holds.
std::span<const std::byte> make_body(const Run& run, const RunLimits& limits,
                                     const Dictionaries* dictionaries, SymbolWriter& symbols,
                                     Scratch& scratch, BodyPlace& place) {
  std::size_t omitted = 0;
  scratch.steps.clear();
  if (run.steps) omitted = choose_steps(*run.steps, limits, scratch.steps);
  write_body(run, scratch.steps, run.omitted_steps + std::int64_t(omitted), symbols, scratch.body);
  std::span<const std::byte> body(scratch.body.data(), scratch.body.size());
  place.compressed = compress_body(body, dictionaries, scratch.compressed, place.dictionary);
  if (place.compressed) {
    body = {scratch.compressed.data(), scratch.compressed.size()};
  } else {
    place.dictionary = 0;
  }
  place.bytes = std::uint32_t(body.size());
  place.checksum = body_checksum(body);
  return body;
}

// Gives `out` room for `bytes` of record, and its terms and symbols, in one piece.
void make_room(const Scratch& scratch, std::size_t bytes, EncodedRun& out) {
  static_assert(sizeof(TermKey) == 8 && sizeof(Symbol) == 4 && kAlignment == 8);
  const std::size_t terms = scratch.terms.size(), symbols = scratch.symbols.size();
  const std::size_t at_symbols = bytes / 8 + terms;
  out.storage = std::make_unique_for_overwrite<std::uint64_t[]>(at_symbols + (symbols + 1) / 2);
  const auto place = [&](std::size_t word) {
    return reinterpret_cast<std::byte*>(out.storage.get() + word);
  };
  out.bytes = {place(0), bytes};
  const auto kept_terms = reinterpret_cast<TermKey*>(place(bytes / 8));
  std::uninitialized_copy_n(scratch.terms.data(), terms, kept_terms);
  out.terms = {kept_terms, terms};
  const auto kept_symbols = reinterpret_cast<Symbol*>(place(at_symbols));
  std::uninitialized_copy_n(scratch.symbols.data(), symbols, kept_symbols);
  out.symbols = {kept_symbols, symbols};
}

}  // namespace

std::span<std::byte> TextArena::allocate(std::size_t bytes) {
  constexpr std::size_t kBlockWords = 128;
  const std::size_t words = (bytes + 7) / 8;
  if (words > words_left_) {
    // What hardly fits a block gets one of its own, so that the rest of the last one stays in use.
    const bool is_large = words > kBlockWords / 4;
    const std::size_t block_words = is_large ? words : kBlockWords;
    blocks_.emplace_back(new std::uint64_t[block_words]);
    if (is_large) return {reinterpret_cast<std::byte*>(blocks_.back().get()), bytes};
    at_ = blocks_.back().get();
    words_left_ = block_words;
  }
  const std::span<std::byte> room(reinterpret_cast<std::byte*>(at_), bytes);
  at_ += words;
  words_left_ -= words;
  return room;
}

bool is_utf8(std::string_view text) {
  return simdjson::validate_utf8(text.data(), text.size());
}

Expected<void> encode_run(const Run& run, NameTable& names, const Dictionaries* dictionaries,
                          const RunLimits& limits, EncodedRun& out) {
  thread_local Scratch scratch;
  SymbolWriter symbols(names, limits, scratch.symbols);
  BodyPlace place;
  const std::span<const std::byte> body =
      make_body(run, limits, dictionaries, symbols, scratch, place);
  write_head(run, place, symbols, scratch.head);
  const std::size_t head = scratch.head.size();
  const std::size_t bytes = (head + body.size() + kAlignment - 1) / kAlignment * kAlignment;
  if (bytes > limits.max_record_bytes || scratch.body.size() > kMaxBodyBytes) {
    symbols.refuse(ErrorCode::TooLarge, "the run takes " + std::to_string(bytes) +
                                            " bytes; the limit is " +
                                            std::to_string(limits.max_record_bytes));
  }
  if (Expected<void> done = symbols.finish(); !done) return done;
  scratch.terms.clear();
  HeadFields fields;
  read_head({scratch.head.data(), head}, fields);
  head_terms(run.status, fields, scratch.terms);
  make_room(scratch, bytes, out);
  std::memcpy(out.bytes.data(), scratch.head.data(), head);
  std::memcpy(out.bytes.data() + head, body.data(), body.size());
  std::memset(out.bytes.data() + head + body.size(), 0, bytes - head - body.size());
  out.dictionary = place.dictionary;
  out.id_hash = run_id_hash(run.run_id);
  out.finished_at = run.finished_at;
  if (!out.finished_at && run.duration_ms)
    out.finished_at = plus(run.started_at, *run.duration_ms);
  return {};
}

namespace {

Expected<void> read_labels(const HeadFields& fields, NameReader& names, Run& out) {
  ByteReader labels = fields.labels;
  for (std::size_t i = 0; i < fields.label_count; ++i) {
    StoredText stored;
    read_stored_text(labels, stored);
    const Text label = *names.text(NameKind::kLabel, stored);
    const std::size_t split = label.find('=');
    if (split == Text::npos) {
      if (const Expected<void> found = names.finish(); !found) return found;
      return fail(ErrorCode::Corruption, "a label has no '=' between its key and its value");
    }
    out.labels.emplace_back(label.substr(0, split), label.substr(split + 1));
  }
  return {};
}

// What the head knows of the run.
Expected<void> run_of_head(const HeadView& head, const HeadFields& fields, NameReader& names,
                           TextArena& arena, Run& out) {
  char id_text[kRunIdTextBytes];
  const std::string_view id = read_run_id(head.bytes(), id_text);
  out.run_id = id.data() == id_text ? arena.keep(id) : id;
  out.flow_name = names.name(NameKind::kFlow, fields.flow);
  if (fields.has_version) out.flow_version = fields.version;
  out.status = head.status();
  out.started_at = head.started_at();
  if (fields.has_finished) out.finished_at = plus(out.started_at, fields.finished_delta);
  if (fields.has_duration) out.duration_ms = fields.duration;
  if (fields.has_message || fields.code.present || fields.failing_node.present) {
    RunError& error = out.error.emplace();
    error.code = names.text(NameKind::kErrorCode, fields.code);
    if (fields.has_message) error.message = fields.message;
    error.node_id = names.text(NameKind::kNode, fields.failing_node);
  }
  out.node_id = names.text(NameKind::kNode, fields.node);
  out.organization_id = names.text(NameKind::kOrganization, fields.organization);
  out.user_id = names.text(NameKind::kUser, fields.user);
  out.trigger_type = names.text(NameKind::kTriggerType, fields.trigger_type);
  out.trigger_object = names.text(NameKind::kTriggerObject, fields.trigger_object);
  if (fields.record_id.present) out.trigger_record_id = fields.record_id.text;
  return read_labels(fields, names, out);
}

}  // namespace

namespace {

// decode_run() through `names`. Returns what the head says that the body needs.
Expected<HeadFields> decode_through(std::span<const std::byte> record, SequenceNumber sequence,
                                    NameReader& names, const Dictionaries* dictionaries,
                                    TextArena& arena, Run& out) {
  const Expected<HeadView> head = HeadView::open(record, sequence);
  if (!head) return tl::unexpected<Error>(head.error());
  HeadFields fields;
  if (!read_head(head->bytes(), fields)) {
    return fail(ErrorCode::Corruption, "the head's fields run past its end");
  }
  const BodyPlace place = body_place(head->bytes(), fields);
  std::span<const std::byte> body = record.subspan(head->bytes().size(), place.bytes);
  if (body_checksum(body) != place.checksum) {
    return fail(ErrorCode::Corruption, "the body's checksum does not match");
  }
  out = Run();
  if (Expected<void> read = run_of_head(*head, fields, names, arena, out); !read)
    return tl::unexpected<Error>(std::move(read.error()));
  if (place.compressed) {
    const auto raw = decompress_body(body, place.dictionary, dictionaries, arena);
    if (!raw) return tl::unexpected<Error>(raw.error());
    body = *raw;
  }
  if (Expected<void> read = read_body(body, names, arena, out); !read)
    return tl::unexpected<Error>(std::move(read.error()));
  return fields;
}

}  // namespace

Expected<void> decode_run(std::span<const std::byte> record, SequenceNumber sequence,
                          const NameTable& names, const Dictionaries* dictionaries,
                          TextArena& arena, Run& out) {
  NameReader reader(names);
  const auto fields = decode_through(record, sequence, reader, dictionaries, arena, out);
  return fields ? Expected<void>() : tl::unexpected<Error>(fields.error());
}

Expected<std::uint32_t> collect_symbols(std::span<const std::byte> record, SequenceNumber sequence,
                                        const NameTable& names, const Dictionaries* dictionaries,
                                        std::vector<Symbol>& out) {
  TextArena arena;
  Run run;
  NameReader reader(names, &out);
  const auto fields = decode_through(record, sequence, reader, dictionaries, arena, run);
  if (!fields) return tl::unexpected<Error>(fields.error());
  if (fields->fingerprint != 0) out.push_back(fields->fingerprint);
  return fields->dictionary;
}

}  // namespace runlog
