// A record is the stored form of one run: a head, which answers lists and filters, directly followed
// by a body, which holds everything else, padded to 8 bytes. log/FORMAT.md has the layout.
//
// Encoding happens in the appender's thread, before the sequence number is known; finish_record()
// then fills in what only the committer knows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "index/error.h"
#include "index/term.h"
#include "log/names.h"
#include "log/run.h"

namespace runlog {

// Limits of one run. Over them append refuses with TooLarge, except for the step log, which is
// shortened: every top-level step, every failure with its container chain, then the newest steps.
struct RunLimits {
  std::size_t max_record_bytes = 4u << 20;    // of the encoded record
  std::size_t max_name_bytes = 1024;          // run id, flow name, record id, label …
  std::size_t max_steps = 1000;
  std::size_t max_steps_bytes = 256u << 10;   // of the step columns before compression
};

// An arena for text that a decoded or parsed run borrows. One thread at a time.
class TextArena {
 public:
  // A copy of `text` that lives as long as the arena.
  std::string_view keep(std::string_view text) {
    const std::span<std::byte> room = allocate(text.size());
    if (!text.empty()) std::memcpy(room.data(), text.data(), text.size());
    return {reinterpret_cast<const char*>(room.data()), text.size()};
  }
  // A buffer of `bytes`, 8-byte aligned, that lives as long as the arena. Not cleared.
  std::span<std::byte> allocate(std::size_t bytes);

 private:
  std::vector<std::unique_ptr<std::uint64_t[]>> blocks_;
  std::uint64_t* at_ = nullptr;  // in the last block that still has room
  std::size_t words_left_ = 0;
};

// A run and the bytes that it borrows. Names are borrowed from the log's name table, which
// `names` keeps alive.
struct OwnedRun {
  Run run;
  std::unique_ptr<TextArena> arena;
  std::shared_ptr<const NameTable> names;
};

// zstd dictionaries by number; number 0 means "no dictionary". Thread-safe.
class Dictionaries;

// Its three arrays stand in one allocation: runs are made in one thread and freed in another, which
// the allocator is slow at.
struct EncodedRun {
  std::span<std::byte> bytes;      // head, body, padding; the committer's fields are still zero
  std::span<const Symbol> symbols;  // that the record uses, each once
  std::span<const TermKey> terms;   // what the run is indexed by
  std::uint32_t dictionary = 0;  // that the body needs
  std::uint64_t id_hash = 0;     // run_id_hash(run.run_id)
  // finishedAt, or started + duration; recordedAt follows from it. nullopt: the time of the commit.
  std::optional<UnixMs> finished_at;
  std::unique_ptr<std::uint64_t[]> storage;  // of the arrays
};

// xxh3-64 of a run id's text, as the index uses it.
std::uint64_t run_id_hash(std::string_view run_id);
// The key of a (trigger object, record id) pair, kind kRecord. It is made of the record id alone,
// which hardly two objects share: a head knows its object only by symbol. matches_record() decides.
TermKey record_term(std::string_view object, std::string_view record_id);
// The key of a value that has no symbol.
TermKey inline_term(TermKind kind, std::string_view value);
// "key=value" as the label term's name.
std::string label_name(std::string_view key, std::string_view value);

// Encodes `run`. `out` is overwritten. Thread-safe.
// Errors: InvalidArgument (no run id or flow name, text that is not UTF-8; names the field);
// TooLarge (names the field and the limit).
Expected<void> encode_run(const Run& run, NameTable& names, const Dictionaries* dictionaries,
                          const RunLimits& limits, EncodedRun& out);

// Completes a record before it is stored. `supersedes` is the sequence number of the record of the
// same run that this one replaces, or 0. Computes the head's checksum, seeded with `sequence`.
void finish_record(std::span<std::byte> record, SequenceNumber sequence, UnixMs recorded_at,
                   SequenceNumber supersedes);

// A view of a stored head. Fields are read in place; text points into the record.
// Thread-safe; lives as long as the bytes it was made from.
class HeadView {
 public:
  // Checks the lengths, the version and the head's checksum against `sequence`. `record` may be
  // longer than the record itself. The body is not looked at.
  // Errors: Corruption (says which check failed; the caller adds the place).
  static Expected<HeadView> open(std::span<const std::byte> record, SequenceNumber sequence);

  RunStatus status() const;
  UnixMs recorded_at() const;
  UnixMs started_at() const;
  // finishedAt, or started + duration, or recorded_at when the engine gave neither.
  UnixMs finished_at() const { return numbers().finished_at; }
  // durationMs, or finishedAt − startedAt; nullopt when the engine gave neither.
  std::optional<std::int64_t> duration_ms() const { return numbers().duration_ms; }
  bool has_duration() const;         // durationMs was given
  bool has_finished() const;         // finishedAt was given
  SequenceNumber supersedes() const;
  Symbol flow() const;
  std::size_t record_bytes() const;  // head, body and padding
  // What an index adds up, read in one pass: as the functions of the same names, and the summary's
  // sums, which are 0 without one.
  struct Numbers {
    Symbol flow = 0;
    UnixMs finished_at = 0;
    std::optional<std::int64_t> duration_ms;
    std::int64_t selected = 0, acted = 0, unmeasured = 0;
  };
  Numbers numbers() const;
  bool run_id_is(std::string_view run_id) const;
  void append_run_id(std::string& out) const;
  // The error message, cut at kHeadMessageBytes; error_is_cut() says whether the body has more.
  OptionalText error_message() const;
  bool error_is_cut() const;
  // Everything that a term is made of.
  void terms(std::vector<TermKey>& out) const;
  // The text of the value that a term of this kind was made from, if the run has one; for
  // kRecord, `record_object` and the id must both match, see matches().
  bool matches(TermKind kind, std::string_view value, const NameTable& names) const;
  bool matches_record(std::string_view object, std::string_view record_id,
                      const NameTable& names) const;

  // The head's own bytes.
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

inline constexpr std::size_t kHeadMessageBytes = 512;

// A run as a list shows it: what the head holds. Text points into the record and the name table.
struct RunHead {
  SequenceNumber sequence = 0;
  std::string_view run_id;  // in the caller's buffer, see decode_head
  Text flow_name;
  std::optional<std::int64_t> flow_version;
  RunStatus status = RunStatus::kCompleted;
  UnixMs recorded_at = 0;
  UnixMs started_at = 0;
  std::optional<UnixMs> finished_at;
  std::optional<std::int64_t> duration_ms;
  OptionalText error_code, error_message, error_node_id;
  bool error_is_cut = false;
  OptionalText node_id, organization_id, user_id, trigger_type, trigger_object, trigger_record_id;
  std::int64_t selected = 0, acted = 0, unmeasured = 0;
  char run_id_text[40];  // holds the id when it is stored as 16 bytes; otherwise not set
};

// Decodes a head into `out`; `out.run_id` may point into `out` itself, so do not move it.
// Errors: Corruption.
Expected<void> decode_head(const HeadView& head, SequenceNumber sequence, const NameTable& names,
                           RunHead& out);

// Decodes a whole record; verifies both checksums first. Text of `out` points into `record`,
// `names` and `arena`, all of which must outlive it. Errors: Corruption (says which check failed).
Expected<void> decode_run(std::span<const std::byte> record, SequenceNumber sequence,
                          const NameTable& names, const Dictionaries* dictionaries,
                          TextArena& arena, Run& out);

// Adds the symbols that a record uses to `out`, some of them more than once, and returns the number
// of the dictionary that its body needs, or 0. Errors: as decode_run.
Expected<std::uint32_t> collect_symbols(std::span<const std::byte> record, SequenceNumber sequence,
                                        const NameTable& names, const Dictionaries* dictionaries,
                                        std::vector<Symbol>& out);

// The record at the front of `bytes`, its head and its body verified but not decoded.
// Errors: Corruption (says which check failed; the caller adds the place).
Expected<std::span<const std::byte>> verify_record(std::span<const std::byte> bytes,
                                                   SequenceNumber sequence);

// The summary that ObjectStack's summarizeRun() computes from a step log.
RunSummary summarize(const std::vector<Step>& steps);

// Fills in code and node id of a run's error from its steps where the engine gave only a message:
// the last failing step, followed down through containers to the step where it began.
void derive_error(Run& run);

// The error message with ids, numbers and quoted values masked, so that equal failures group.
std::string error_fingerprint(std::string_view message);

// Whether the bytes are valid UTF-8.
bool is_utf8(std::string_view text);

}  // namespace runlog
