// Feeds arbitrary text to the cursor reader, and damages cursors that are right.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "query/cursor.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  using namespace runlog;
  const std::string_view text(reinterpret_cast<const char*>(input), size);
  // Only what write_cursor() wrote may be accepted.
  const auto read = read_cursor(text);
  if (read && write_cursor(*read) != text) std::abort();

  // The input as a cursor's content, and as a change to its text.
  constexpr std::size_t kContent = 3 * 8 + 1;
  if (size < kContent + 2) return 0;
  Cursor cursor;
  std::memcpy(&cursor.log_id, input, 8);
  std::memcpy(&cursor.request, input + 8, 8);
  std::memcpy(&cursor.last, input + 16, 8);
  cursor.is_live = (input[24] & 1) != 0;
  std::string written = write_cursor(cursor);
  const auto back = read_cursor(written);
  if (!back || !(*back == cursor)) std::abort();
  const std::string original = written;
  for (std::size_t i = kContent; i + 1 < size; i += 2) {
    written[input[i] % written.size()] = char(input[i + 1]);
  }
  const auto changed = read_cursor(written);
  // A checksum of 32 bits may be met by chance, but never with one character changed or two; the
  // text is then still in the one form that is accepted.
  if (changed && written != original && write_cursor(*changed) != written) std::abort();
  return 0;
}
