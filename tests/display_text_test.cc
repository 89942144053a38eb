#include "server/display_text.h"

#include <catch2/catch.hpp>

using namespace runlog;

TEST_CASE("Chinese characters take two columns and combining marks none") {
  CHECK(display_width("lead") == 4);
  CHECK(display_width("客户跟进") == 8);
  CHECK(display_width("e\xCC\x81") == 1);
  CHECK(display_width("✓") == 1);
  CHECK(display_width("") == 0);
}

TEST_CASE("bytes that are not UTF-8 take one column each") {
  CHECK(display_width("\xFF\xFE") == 2);
  CHECK(display_width("a\xE5\xAE") == 3);             // a truncated character
  CHECK(display_width("\xC0\xAF") == 2);              // an overlong one
  CHECK(display_width("\xED\xA0\x80") == 3);          // a surrogate
  CHECK(display_width("\xF4\x90\x80\x80") == 4);      // above U+10FFFF
}

TEST_CASE("text that could move the cursor or turn the writing becomes harmless") {
  CHECK(printable("\x1b[2J\x1b[31mred") == "?[2J?[31mred");
  CHECK(printable("two\nlines\r\nand\ta tab") == "two lines and a tab");
  CHECK(printable("a\xE2\x80\xAE" "b") == "a?b");
  CHECK(printable("\xC2\x9B" "31m") == "?31m");  // CSI as one C1 character
  CHECK(printable("bad \xFF byte") == "bad ? byte");
  CHECK(printable("客户 ✓ 👍") == "客户 ✓ 👍");
  CHECK(printable(std::string_view("a\0b", 3)) == "a?b");
}

TEST_CASE("text is cut at its width, never inside a character") {
  CHECK(cut_to_width("lead_routing", 12, "…") == "lead_routing");
  CHECK(cut_to_width("lead_routing", 6, "…") == "lead_…");
  CHECK(cut_to_width("客户跟进流程", 6, "…") == "客户…");
  CHECK(cut_to_width("lead_routing", 6, "...") == "lea...");
  CHECK(cut_to_width("lead_routing", 2, "...") == "le");
  CHECK(cut_to_width("lead", 0, "…").empty());
}

TEST_CASE("long text breaks at blanks, and inside a word that is longer than a line") {
  CHECK(wrap_to_width("connect ETIMEDOUT 10.0.0.1", 18) ==
        std::vector<std::string>{"connect ETIMEDOUT", "10.0.0.1"});
  CHECK(wrap_to_width("aaaaaaaaaa", 4) == std::vector<std::string>{"aaaa", "aaaa", "aa"});
  CHECK(wrap_to_width("客户跟进", 3) == std::vector<std::string>{"客", "户", "跟", "进"});
  CHECK(wrap_to_width("客", 1) == std::vector<std::string>{"客"});
  CHECK(wrap_to_width("", 10) == std::vector<std::string>{""});
  CHECK(wrap_to_width("no limit at all", 0) == std::vector<std::string>{"no limit at all"});
}
