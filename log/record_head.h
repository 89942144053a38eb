// The head of a record, laid out by hand: a fixed part, the run's id, and a tail of optional fields
// in one fixed order. log/FORMAT.md has the layout.
#pragma once

#include <array>
#include <span>

#include "log/record.h"
#include "log/symbol_writer.h"
#include "log/varint.h"

namespace runlog {

inline constexpr std::uint8_t kHeadVersion = 1;
inline constexpr std::size_t kHeadFixedBytes = 36;
inline constexpr std::size_t kMaxHeadBytes = 0xffff;
inline constexpr std::size_t kMaxLabels = 64;
inline constexpr std::size_t kRunIdTextBytes = 40;  // of "run_" and a UUID

// Times are stored in 48 bits: the years −2489 to 6429.
inline constexpr UnixMs kMaxStoredTime = (1ll << 47) - 1;
inline constexpr UnixMs kMinStoredTime = -(1ll << 47);

// What the head says of the body behind it.
struct BodyPlace {
  std::uint32_t bytes = 0;
  std::uint32_t checksum = 0;
  bool compressed = false;
  std::uint32_t dictionary = 0;
};

// A name as the tail stores it: a symbol, or the text itself.
struct StoredText {
  std::string_view text;
  Symbol symbol = 0;
  bool present = false;
};

// All of a head, decoded in one pass.
struct HeadFields {
  StoredText user, organization, trigger_type, trigger_object, record_id, node, failing_node, code;
  Symbol flow = 0;
  Symbol fingerprint = 0;
  bool has_finished = false, has_duration = false, has_version = false, has_message = false;
  bool message_is_cut = false;
  std::int64_t finished_delta = 0;
  std::int64_t duration = 0;  // when has_duration
  std::int64_t selected = 0, acted = 0, unmeasured = 0;
  std::int64_t version = 0;
  std::uint32_t dictionary = 0;
  std::string_view message;
  std::size_t label_count = 0;
  ByteReader labels{nullptr, 0};  // stands before the first label
};

// Reads a head whose fixed part HeadView::open has checked. False if the tail runs past the end.
bool read_head(std::span<const std::byte> head, HeadFields& out);

// Reads a name. In place: a list decodes some 300 of these, and a copy of what was written a moment
// before in smaller pieces costs more than the reading.
inline void read_stored_text(ByteReader& reader, StoredText& out) {
  const std::uint64_t tag = reader.varint();
  out.present = true;
  if (tag & 1) {
    out.symbol = 0;
    out.text = reader.bytes(tag >> 1);
  } else {
    out.symbol = Symbol(tag >> 1);
  }
}

// A stored run id: its 16 bytes as text, written into `text`, or the text itself.
std::string_view read_run_id(std::span<const std::byte> head, char (&text)[kRunIdTextBytes]);

BodyPlace body_place(std::span<const std::byte> head, const HeadFields& fields);
std::size_t head_bytes(std::span<const std::byte> record);

// The text that the head keeps of an error message: at most kHeadMessageBytes, whole characters.
std::string_view head_message(std::string_view message);

// Writes the head of `run` into `out`, which is cleared; the committer's fields are zero.
void write_head(const Run& run, const BodyPlace& body, SymbolWriter& symbols, ByteWriter& out);

// Appends the terms of a head to `out`.
void head_terms(RunStatus status, const HeadFields& fields, std::vector<TermKey>& out);

// A run id's 16 bytes if it is "run_" and a UUID in lower case; false otherwise.
bool uuid_of(std::string_view run_id, std::array<std::uint8_t, 16>& out);
// The opposite; writes kRunIdTextBytes.
void uuid_text(const std::byte* uuid, char* out);

}  // namespace runlog
