#include "server/metrics/metrics_text.h"

#include <fmt/format.h>

namespace runlog {
namespace {

void write_label(std::string_view name, std::string_view value, std::string& text) {
  text += fmt::format("{}{}=\"", text.back() == '{' ? "" : ",", name);
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    if (c == '\n')
      text += "\\n";
    else
      text += c;
  }
  text += '"';
}

}  // namespace

void MetricsText::begin(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  text_ += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
}

void MetricsText::write(std::string_view suffix, Labels labels, std::string_view bound,
                        double value) {
  text_ += name_;
  text_ += suffix;
  if (labels.size() > 0 || !bound.empty()) {
    text_ += '{';
    for (const auto& [name, label] : labels) write_label(name, label, text_);
    if (!bound.empty()) write_label("le", bound, text_);
    text_ += '}';
  }
  text_ += fmt::format(" {}\n", value);
}

void MetricsText::histogram(Labels labels, std::span<const double> bounds,
                            std::span<const std::uint64_t> counts, double sum) {
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    below += counts[i];
    write("_bucket", labels, fmt::format("{}", bounds[i]), double(below));
  }
  below += counts[bounds.size()];
  write("_bucket", labels, "+Inf", double(below));
  write("_sum", labels, {}, sum);
  write("_count", labels, {}, double(below));
}

void MetricsText::one(std::string_view name, std::string_view type, std::string_view help,
                      double value) {
  begin(name, type, help);
  sample({}, value);
}

}  // namespace runlog
