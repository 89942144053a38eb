#include "server/terminal_table.h"

#include <sstream>

#include <catch2/catch.hpp>

#include "server/display_text.h"

using namespace runlog;

namespace {

using Align = TerminalTable::Align;

Screen terminal(unsigned columns) {
  Screen screen;
  screen.columns = columns;
  return screen;
}

unsigned widest_line(const std::string& text) {
  unsigned widest = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) widest = std::max(widest, display_width(line));
  return widest;
}

TerminalTable flows() {
  TerminalTable table(
      {{"RUNS", Align::kRight}, {"FLOW", Align::kLeft, 6}, {"REASON", Align::kLeft, 8}});
  table.add_row({{"7"}, {"lead_routing"}, {"connect ETIMEDOUT 10.0.0.1:5432"}});
  table.add_row({{"12,345"}, {"客户跟进流程"}, {""}});
  return table;
}

}  // namespace

TEST_CASE("columns line up by what is seen, also with wide characters") {
  CHECK(flows().render(Screen()) ==
        "  RUNS  FLOW          REASON\n"
        "     7  lead_routing  connect ETIMEDOUT 10.0.0.1:5432\n"
        "12,345  客户跟进流程\n");
}

TEST_CASE("a table gives way from the right, and no line is wider than the terminal") {
  CHECK(flows().render(terminal(40)) ==
        "  RUNS  FLOW          REASON\n"
        "     7  lead_routing  connect ETIMEDOUT…\n"
        "12,345  客户跟进流程\n");
  for (unsigned columns = flows().least_width(); columns < 80; ++columns) {
    CHECK(widest_line(flows().render(terminal(columns))) <= columns);
  }
  CHECK(flows().least_width() == 6 + 2 + 6 + 2 + 8);
}

TEST_CASE("dispensable columns go before others are too narrow, the most dispensable first") {
  TerminalTable table({{"A"}, {"B", Align::kLeft, 0, 1}, {"C", Align::kLeft, 0, 2}});
  table.add_row({{"aaaa"}, {"bbbb"}, {"cccc"}});
  CHECK(table.render(terminal(16)) == "A     B     C\naaaa  bbbb  cccc\n");
  CHECK(table.render(terminal(15)) == "A     B\naaaa  bbbb\n");
  CHECK(table.render(terminal(9)) == "A\naaaa\n");
  CHECK(table.render(Screen()) == "A     B     C\naaaa  bbbb  cccc\n");
}

TEST_CASE("colours stand around a text and do not move columns") {
  TerminalTable table({{"S"}, {"F"}});
  table.add_row({{"failed", Style::kBad}, {"x"}});
  Screen screen = terminal(80);
  screen.colour = true;
  CHECK(table.render(screen) ==
        "\x1b[2mS\x1b[0m       \x1b[2mF\x1b[0m\n\x1b[31mfailed\x1b[0m  x\n");
}

TEST_CASE("a line of its own is cut or wrapped at the terminal's width") {
  TerminalTable table({{""}, {""}});
  table.add_row({{"a"}, {"b"}});
  table.add_line("connect ETIMEDOUT 10.0.0.1", 2, Style::kPlain, TerminalTable::Overflow::kWrap);
  table.add_line("connect ETIMEDOUT 10.0.0.1", 2, Style::kPlain, TerminalTable::Overflow::kCut);
  CHECK(table.render(terminal(20)) ==
        "a  b\n  connect ETIMEDOUT\n  10.0.0.1\n  connect ETIMEDOUT…\n");
  CHECK(table.render(Screen()) ==
        "a  b\n  connect ETIMEDOUT 10.0.0.1\n  connect ETIMEDOUT 10.0.0.1\n");
}

TEST_CASE("without UTF-8 what is cut ends in three dots") {
  Screen screen = terminal(40);
  screen.utf8 = false;
  CHECK(flows().render(screen).find("connect ETIMEDO...") != std::string::npos);
}
