// The place at which a list goes on, as text that a client keeps and gives back. It names the last
// run that was returned by its sequence number (a paused one by its save's), so it stays right while runs are appended and
// segments are sealed and merged; and it carries what it belongs to, so that it is refused where it
// would give a wrong page.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "index/error.h"
#include "query/query.h"

namespace runlog {

struct Cursor {
  std::uint64_t log_id = 0;
  std::uint64_t request = 0;    // request_identity() of the list
  SequenceNumber last = 0;      // of the last run returned, or
  bool is_live = false;         // `last` is the number of its save, for it was paused or running
  friend bool operator==(const Cursor&, const Cursor&) = default;
};

// A hash of what a list asks for, apart from the limit and the bounds of times: "the last two hours"
// are others with every page, and a place is right under any bounds, since it is a sequence number.
// The order and repetition of a field's values make no difference.
std::uint64_t request_identity(const Filter& filter, Direction direction);

// Cursors consist of the characters A–Z, a–z, 0–9, - and _, so they need no quoting anywhere.
std::string write_cursor(const Cursor& cursor);

// Reads what write_cursor() wrote; no other text is accepted. Errors: InvalidArgument.
Expected<Cursor> read_cursor(std::string_view text);

// Reads a cursor for a list of `log_id` and `request`, to go on from.
// Errors: InvalidArgument (it is damaged, or belongs to another log or another list; says which).
Expected<Cursor> resume_from(std::string_view text, std::uint64_t log_id,
                             std::uint64_t request);

}  // namespace runlog
