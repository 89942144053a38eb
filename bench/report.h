// What was measured, against which peer, and whether it reaches its bar: a table for people and a
// JSON file for programs.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace runlog::bench {

struct Figure {
  std::string name;
  double value = 0;
  std::string unit;
  std::string peer;         // empty: the bar is an absolute one, or there is none
  double peer_value = 0;
  std::optional<double> ratio;
  std::string bar;          // empty: for orientation
  std::optional<bool> holds;
  std::string not_measured;  // why there is no value; empty if there is one
};

// What a larger value means.
enum class Better { kHigher, kLower };

class Report {
 public:
  // The value alone, for orientation or against an absolute bar.
  void note(std::string name, double value, std::string unit);
  void at_most(std::string name, double value, std::string unit, double limit);
  // How many times better than the peer; `at_least` 0 asks nothing.
  void times_better(std::string name, double value, std::string unit, Better better,
                    std::string peer, double peer_value, double at_least);
  // The value as a share of the peer's.
  void share_at_least(std::string name, double value, std::string unit, std::string peer,
                      double peer_value, double at_least);
  void share_at_most(std::string name, double value, std::string unit, std::string peer,
                     double peer_value, double at_most);
  // What has a bar and was not measured, and why.
  void missing(std::string name, std::string bar, std::string why);

  void print() const;
  // Throws std::runtime_error if the file cannot be written.
  void write_json(const std::string& path) const;

 private:
  void add(Figure figure);
  std::vector<Figure> figures_;
};

}  // namespace runlog::bench
