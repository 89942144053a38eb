#include "query/cursor.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <vector>
#include <xxhash.h>

namespace runlog {
namespace {

// Clients keep cursors for a while, so a new layout gets a new version.
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kLiveVersion = 2;  // the same layout; the list is still at live runs

// version (1 byte), log id, request, last sequence number (8 each), checksum of all that (4).
constexpr std::size_t kChecksummed = 1 + 3 * 8;
constexpr std::size_t kBytes = kChecksummed + 4;
constexpr std::size_t kCharacters = (kBytes * 8 + 5) / 6;
using CursorBytes = std::array<std::uint8_t, kBytes>;

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::uint32_t checksum(const CursorBytes& bytes) {
  return std::uint32_t(XXH3_64bits(bytes.data(), kChecksummed));
}

int value_of(char c) {
  const char* const found = c == '\0' ? nullptr : std::strchr(kAlphabet, c);
  return found == nullptr ? -1 : int(found - kAlphabet);
}

// Decodes base64url without padding. Every text but the one that write_cursor() makes of the same
// bytes is refused, also one that differs only in the unused bits of the last character.
bool decode(std::string_view text, CursorBytes& out) {
  if (text.size() != kCharacters) return false;
  std::uint32_t bits = 0;
  unsigned count = 0;
  std::size_t filled = 0;
  for (const char c : text) {
    const int value = value_of(c);
    if (value < 0) return false;
    bits = (bits << 6) | std::uint32_t(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out[filled++] = std::uint8_t(bits >> count);
      bits &= (1u << count) - 1;
    }
  }
  return bits == 0;
}

// The canonical form that request_identity() hashes: every field with its number, every value with
// its length, so that no two filters have the same.
class Canonical {
 public:
  Canonical() { form_.reserve(128); }
  void number(std::uint64_t value) {
    char bytes[8];
    std::memcpy(bytes, &value, 8);
    form_.append(bytes, 8);
  }
  void text(std::string_view value) {
    number(value.size());
    form_.append(value);
  }
  void field(unsigned tag, const std::optional<std::string>& value) {
    if (!value) return;
    number(tag);
    text(*value);
  }
  // Several values, of which the order and repetitions don't matter.
  void field(unsigned tag, std::vector<std::string> values) {
    if (values.empty()) return;
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    number(tag);
    number(values.size());
    for (const std::string& value : values) text(value);
  }
  std::uint64_t hash() const { return XXH3_64bits(form_.data(), form_.size()); }

 private:
  std::string form_;
};

}  // namespace

// The fields' numbers stand in cursors that clients keep. Persistent: never renumber; 12 to 15 were
// the bounds of times.
std::uint64_t request_identity(const Filter& filter, Direction direction) {
  Canonical canonical;
  canonical.number(std::uint64_t(direction));
  canonical.field(1, filter.flows);
  std::vector<std::string> statuses;
  for (const RunStatus status : filter.statuses) statuses.emplace_back(1, char('0' + int(status)));
  canonical.field(2, std::move(statuses));
  canonical.field(3, filter.trigger_type);
  canonical.field(4, filter.trigger_object);
  canonical.field(5, filter.trigger_record);
  canonical.field(6, filter.user);
  canonical.field(7, filter.organization);
  canonical.field(8, filter.failing_node);
  canonical.field(9, filter.error_code);
  canonical.field(10, filter.fingerprint);
  canonical.field(11, filter.error_text);
  std::vector<std::string> labels;
  for (const auto& [key, value] : filter.labels) labels.push_back(label_name(key, value));
  canonical.field(16, std::move(labels));
  return canonical.hash();
}

std::string write_cursor(const Cursor& cursor) {
  CursorBytes bytes;
  bytes[0] = cursor.is_live ? kLiveVersion : kVersion;
  std::memcpy(&bytes[1], &cursor.log_id, 8);
  std::memcpy(&bytes[9], &cursor.request, 8);
  std::memcpy(&bytes[17], &cursor.last, 8);
  const std::uint32_t sum = checksum(bytes);
  std::memcpy(&bytes[kChecksummed], &sum, 4);

  std::string text;
  text.reserve(kCharacters);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const std::uint8_t byte : bytes) {
    bits = (bits << 8) | byte;
    for (count += 8; count >= 6; count -= 6) text.push_back(kAlphabet[(bits >> (count - 6)) & 63]);
  }
  if (count > 0) text.push_back(kAlphabet[(bits << (6 - count)) & 63]);
  return text;
}

Expected<Cursor> read_cursor(std::string_view text) {
  CursorBytes bytes;
  if (!decode(text, bytes)) return fail(ErrorCode::InvalidArgument, "the cursor is damaged");
  std::uint32_t sum;
  std::memcpy(&sum, &bytes[kChecksummed], 4);
  if (sum != checksum(bytes)) return fail(ErrorCode::InvalidArgument, "the cursor is damaged");
  if (bytes[0] != kVersion && bytes[0] != kLiveVersion) {
    return fail(ErrorCode::InvalidArgument,
                "the cursor was made by another version of runlog; list from the start again");
  }
  Cursor cursor;
  cursor.is_live = bytes[0] == kLiveVersion;
  std::memcpy(&cursor.log_id, &bytes[1], 8);
  std::memcpy(&cursor.request, &bytes[9], 8);
  std::memcpy(&cursor.last, &bytes[17], 8);
  return cursor;
}

Expected<Cursor> resume_from(std::string_view text, std::uint64_t log_id, std::uint64_t request) {
  const Expected<Cursor> cursor = read_cursor(text);
  if (!cursor) return tl::unexpected(cursor.error());
  if (cursor->log_id != log_id) {
    return fail(ErrorCode::InvalidArgument, "the cursor belongs to another log");
  }
  if (cursor->request != request) {
    return fail(ErrorCode::InvalidArgument,
                "the cursor belongs to a list with another filter or another direction");
  }
  return *cursor;
}

}  // namespace runlog
