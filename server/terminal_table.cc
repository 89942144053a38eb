#include "server/terminal_table.h"

#include <algorithm>
#include <limits>

#include "server/display_text.h"

namespace runlog {
namespace {

constexpr unsigned kGap = 2;  // blanks between columns
constexpr unsigned kLeftOut = std::numeric_limits<unsigned>::max();

unsigned total_width(const std::vector<unsigned>& widths) {
  unsigned total = 0;
  for (const unsigned width : widths) {
    if (width != kLeftOut) total += width + kGap;
  }
  return total == 0 ? 0 : total - kGap;
}

}  // namespace

void TerminalTable::add_row(std::vector<Cell> cells) {
  cells.resize(columns_.size());
  for (Cell& cell : cells) cell.text = printable(cell.text);
  rows_.push_back({std::move(cells), false, 0, Overflow::kCut});
}

void TerminalTable::add_line(std::string text, unsigned indent, Style style, Overflow overflow) {
  rows_.push_back({{Cell{printable(text), style}}, true, indent, overflow});
}

TerminalTable::Widths TerminalTable::natural_widths() const {
  Widths widths;
  for (const Column& column : columns_) widths.push_back(display_width(column.title));
  for (const Row& row : rows_) {
    for (std::size_t i = 0; !row.spans && i < row.cells.size(); ++i) {
      widths[i] = std::max(widths[i], display_width(row.cells[i].text));
    }
  }
  return widths;
}

unsigned TerminalTable::least_width_of(std::size_t column, unsigned natural) const {
  const unsigned least = columns_[column].least_width;
  return natural == kLeftOut || least == 0 ? natural : std::min(natural, least);
}

unsigned TerminalTable::least_width_of(const Widths& natural) const {
  Widths least;
  for (std::size_t i = 0; i < natural.size(); ++i) least.push_back(least_width_of(i, natural[i]));
  return total_width(least);
}

unsigned TerminalTable::least_width() const { return least_width_of(natural_widths()); }

TerminalTable::Widths TerminalTable::fitted_widths(const Screen& screen) const {
  Widths widths = natural_widths();
  if (!screen.is_terminal()) return widths;
  while (least_width_of(widths) > screen.columns) {
    std::size_t out = columns_.size();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const bool candidate = columns_[i].dispensable > 0 && widths[i] != kLeftOut;
      if (candidate && (out == columns_.size() ||
                        columns_[i].dispensable > columns_[out].dispensable)) {
        out = i;
      }
    }
    if (out == columns_.size()) break;
    widths[out] = kLeftOut;
  }
  for (std::size_t i = widths.size(); i-- > 0 && total_width(widths) > screen.columns;) {
    const unsigned spare = widths[i] - least_width_of(i, widths[i]);
    widths[i] -= std::min(total_width(widths) - screen.columns, spare);
  }
  return widths;
}

void TerminalTable::render_row(const std::vector<Cell>& cells, const Widths& widths,
                               const Screen& screen, std::string& out) const {
  std::string gap;  // written only before the next text, so that no line ends in blanks
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (widths[i] == kLeftOut) continue;
    const std::string text = cut_to_width(cells[i].text, widths[i], screen.ellipsis());
    const std::string fill = padding(text, widths[i]);
    if (columns_[i].align == Align::kRight) gap += fill;
    if (!text.empty()) {
      out += gap;
      gap.clear();
      out += screen.paint(text, cells[i].style);
    }
    if (columns_[i].align == Align::kLeft) gap += fill;
    gap.append(kGap, ' ');
  }
  out += '\n';
}

void TerminalTable::render_line(const Row& row, const Screen& screen, std::string& out) const {
  const std::string& text = row.cells[0].text;
  // A terminal narrower than the indentation gets one column, and its own wrapping.
  const unsigned room = screen.is_terminal()
                            ? std::max(screen.columns, row.indent + 1) - row.indent
                            : display_width(text);
  const auto lines = row.overflow == Overflow::kWrap
                         ? wrap_to_width(text, room)
                         : std::vector{cut_to_width(text, room, screen.ellipsis())};
  for (const std::string& line : lines) {
    out.append(row.indent, ' ').append(screen.paint(line, row.cells[0].style)) += '\n';
  }
}

std::string TerminalTable::render(const Screen& screen) const {
  const Widths widths = fitted_widths(screen);
  std::string out;
  std::vector<Cell> titles;
  for (const Column& column : columns_) titles.push_back({column.title, Style::kDim});
  if (std::any_of(titles.begin(), titles.end(), [](const Cell& c) { return !c.text.empty(); })) {
    render_row(titles, widths, screen, out);
  }
  for (const Row& row : rows_) {
    if (row.spans) {
      render_line(row, screen, out);
    } else {
      render_row(row.cells, widths, screen, out);
    }
  }
  return out;
}

}  // namespace runlog
