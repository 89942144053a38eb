// The text form of a list's place.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "query/cursor.h"

namespace runlog {
namespace {

const Cursor kCursor{0x0123456789abcdef, 0xfedcba9876543210, 4711};

TEST_CASE("a cursor comes back as it was written", "[cursor]") {
  for (const Cursor& cursor : {kCursor, Cursor{}, Cursor{~0ull, ~0ull, ~0ull}, Cursor{1, 0, 1},
                               Cursor{1, 0, 1, true}}) {
    const std::string text = write_cursor(cursor);
    CHECK(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
          std::string::npos);
    const auto read = read_cursor(text);
    REQUIRE(read);
    CHECK(*read == cursor);
  }
}

TEST_CASE("a cursor with any character changed is damaged", "[cursor]") {
  const std::string text = write_cursor(kCursor);
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (int c = 0; c < 256; ++c) {
      std::string changed = text;
      if (changed[i] == char(c)) continue;
      changed[i] = char(c);
      const auto read = read_cursor(changed);
      REQUIRE_FALSE(read);
      REQUIRE(read.error().code == ErrorCode::InvalidArgument);
      REQUIRE(read.error().message == "the cursor is damaged");
    }
  }
}

TEST_CASE("a cursor that is too short or too long is damaged", "[cursor]") {
  const std::string text = write_cursor(kCursor);
  for (std::size_t length = 0; length < text.size(); ++length) {
    CHECK_FALSE(read_cursor(text.substr(0, length)));
  }
  CHECK_FALSE(read_cursor(text + "A"));
  CHECK_FALSE(read_cursor(text + "="));
  CHECK_FALSE(read_cursor(" " + text));
  CHECK_FALSE(read_cursor(std::string(1 << 20, 'A')));
}

TEST_CASE("a cursor is refused by another log and by another list, and says which", "[cursor]") {
  const std::string text = write_cursor(kCursor);
  const auto right = resume_from(text, kCursor.log_id, kCursor.request);
  REQUIRE(right);
  CHECK(right->last == 4711);
  CHECK_FALSE(right->is_live);
  const auto log = resume_from(text, kCursor.log_id + 1, kCursor.request);
  REQUIRE_FALSE(log);
  CHECK(log.error().message == "the cursor belongs to another log");
  const auto list = resume_from(text, kCursor.log_id, kCursor.request + 1);
  REQUIRE_FALSE(list);
  CHECK(list.error().message ==
        "the cursor belongs to a list with another filter or another direction");
}

TEST_CASE("what a list asks for tells its cursors apart", "[cursor]") {
  std::vector<Filter> filters(17);
  std::size_t i = 1;  // the first stays empty
  filters[i++].flows = {"a"};
  filters[i++].flows = {"a", "b"};
  filters[i++].flows = {"ab"};
  filters[i++].statuses = {RunStatus::kFailed};
  filters[i++].statuses = {RunStatus::kFailed, RunStatus::kTimedOut};
  filters[i++].trigger_type = "a";
  filters[i++].trigger_object = "a";
  filters[i++].trigger_record = "a";
  filters[i++].user = "a";
  filters[i++].organization = "a";
  filters[i++].failing_node = "a";
  filters[i++].error_code = "a";
  filters[i++].fingerprint = "a";
  filters[i++].error_text = "a";
  filters[i++].error_text = "";
  filters[i++].labels = {{"a", "b"}};
  REQUIRE(i == filters.size());
  std::vector<std::uint64_t> identities;
  for (const Filter& filter : filters) {
    identities.push_back(request_identity(filter, Direction::kNewestFirst));
    identities.push_back(request_identity(filter, Direction::kOldestFirst));
  }
  std::sort(identities.begin(), identities.end());
  CHECK(std::adjacent_find(identities.begin(), identities.end()) == identities.end());
}

TEST_CASE("the order and repetition of a field's values make no other list", "[cursor]") {
  Filter a, b;
  a.flows = {"x", "y", "x"};
  b.flows = {"y", "x"};
  a.statuses = {RunStatus::kFailed, RunStatus::kCancelled};
  b.statuses = {RunStatus::kCancelled, RunStatus::kFailed};
  a.labels = {{"k", "1"}, {"l", "2"}};
  b.labels = {{"l", "2"}, {"k", "1"}};
  CHECK(request_identity(a, Direction::kNewestFirst) ==
        request_identity(b, Direction::kNewestFirst));
}

TEST_CASE("bounds of times, which move while somebody pages, make no other list", "[cursor]") {
  Filter bounded;
  bounded.finished_from = bounded.finished_to = 5;
  bounded.started_from = bounded.started_to = 7;
  CHECK(request_identity(bounded, Direction::kNewestFirst) ==
        request_identity(Filter(), Direction::kNewestFirst));
}

}  // namespace
}  // namespace runlog
