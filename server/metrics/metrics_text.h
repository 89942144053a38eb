// Numbers in Prometheus' text format, version 0.0.4.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace runlog {

class MetricsText {
 public:
  using Label = std::pair<std::string_view, std::string_view>;
  using Labels = std::initializer_list<Label>;

  // Begins a metric; `type` is counter, gauge or histogram. Samples follow.
  void begin(std::string_view name, std::string_view type, std::string_view help);
  void sample(Labels labels, double value) { write({}, labels, {}, value); }
  // One histogram of the metric. counts[n] are the observations above bounds[n - 1] and at most
  // bounds[n]; one more count than bounds holds those above all.
  void histogram(Labels labels, std::span<const double> bounds,
                 std::span<const std::uint64_t> counts, double sum);
  // A metric of one sample without labels.
  void one(std::string_view name, std::string_view type, std::string_view help, double value);

  std::string take() { return std::move(text_); }

 private:
  void write(std::string_view suffix, Labels labels, std::string_view bound, double value);
  std::string name_, text_;
};

}  // namespace runlog
