// Rows and columns fitted to a terminal's width: dispensable columns go first, then those that may
// be cut give way, the rightmost first, down to their least width. On anything but a terminal
// nothing is left out.
#pragma once

#include <string>
#include <vector>

#include "server/console.h"

namespace runlog {

class TerminalTable {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
    unsigned least_width = 0;   // it may be cut down to this; 0: it is never cut
    unsigned dispensable = 0;   // the larger, the sooner it is left out; 0: never
  };
  struct Cell {
    std::string text;
    Style style = Style::kPlain;
  };
  enum class Overflow { kCut, kWrap };

  explicit TerminalTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // The texts are made printable. Missing cells at the end are empty.
  void add_row(std::vector<Cell> cells);
  // A line of its own between the rows, over all columns, `indent` blanks in.
  void add_line(std::string text, unsigned indent, Style style, Overflow overflow);

  // The width below which even cutting does not help, with all columns.
  unsigned least_width() const;
  // With a line of titles if any column has one. Every line ends with a newline.
  std::string render(const Screen& screen) const;

 private:
  struct Row {
    std::vector<Cell> cells;  // one, when it is a line of its own
    bool spans = false;
    unsigned indent = 0;
    Overflow overflow = Overflow::kCut;
  };
  using Widths = std::vector<unsigned>;  // by column; kLeftOut for none
  unsigned least_width_of(std::size_t column, unsigned natural) const;
  unsigned least_width_of(const Widths& natural) const;
  Widths natural_widths() const;
  Widths fitted_widths(const Screen& screen) const;
  void render_row(const std::vector<Cell>& cells, const Widths& widths, const Screen& screen,
                  std::string& out) const;
  void render_line(const Row& row, const Screen& screen, std::string& out) const;

  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

}  // namespace runlog
